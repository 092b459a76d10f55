/**
 * The journal against the nearest thing at hand, `node:sqlite` with synchronous=FULL: records of
 * 150 bytes in groups of 1 000, each group on the disk before the next. Compaction is included:
 * the journal writes snapshots as often as it asks for them; SQLite keeps one row a key, which is
 * what compaction leads to. Rows that are only appended are shown beside it: a log without one.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Journal } from '../../src/journal/journal.ts';
import { openJournal } from '../../src/journal/open-journal.ts';
import { seededRandom } from '../replay/random.ts';
import { atLeast } from '../row.ts';
import { median, printRows, quick, shuffled } from '../script.ts';

const RECORD_BYTES = 150;
const GROUP = 1_000;
const GROUPS = quick ? 20 : 300;
const ROUNDS = quick ? 2 : 5;
/** What a snapshot holds: as much as a tenth of a second of records. */
const SNAPSHOT_RECORDS = 50_000;
/** Small, so that every run compacts. */
const SNAPSHOT_AFTER_BYTES = 8 * 1024 * 1024;

/** What a record would be in a table: a key of 32 bytes and the rest of it. */
const KEYS = 1_000_000;
const KEY_BYTES = 32;

const TABLES = {
  sqlite: {
    create: 'CREATE TABLE record (key TEXT PRIMARY KEY, bytes BLOB) STRICT, WITHOUT ROWID',
    insert: 'INSERT INTO record VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET bytes = excluded.bytes',
  },
  sqliteLog: {
    create: 'CREATE TABLE record (id INTEGER PRIMARY KEY, key TEXT, bytes BLOB) STRICT',
    insert: 'INSERT INTO record (key, bytes) VALUES (?, ?)',
  },
} as const;
const KINDS = ['journal', 'again', 'sqlite', 'sqliteLog'] as const;

const record = new Uint8Array(RECORD_BYTES).fill(9);
const rest = record.subarray(KEY_BYTES);
const random = seededRandom(1);
const directory = mkdtempSync(join(tmpdir(), 'leasehold-bench-'));
let runs = 0;
let snapshots = 0;

try {
  const rates = { journal: [], again: [], sqlite: [], sqliteLog: [] } as Record<(typeof KINDS)[number], number[]>;
  await journalRate();
  sqliteRate('sqlite');
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const kind of shuffled(KINDS)) {
      const isJournal = kind === 'journal' || kind === 'again';
      rates[kind].push(isJournal ? await journalRate() : sqliteRate(kind));
    }
  }
  const journal = median(rates.journal);
  const rate = (perSecond: number): string => `${Math.round(perSecond)} records/s`;
  printRows([
    {
      what: 'control: journal over journal',
      value: median(rates.again) / journal,
      unit: '×',
      note: `${rate(journal)}; ${snapshots} snapshots in ${ROUNDS * 2 + 1} runs`,
    },
    {
      what: 'journal over node:sqlite FULL with one row a key, groups of 1 000, fdatasync',
      value: journal / median(rates.sqlite),
      unit: '×',
      bar: atLeast(10, 20),
      note: rate(median(rates.sqlite)),
    },
    {
      what: 'journal over node:sqlite FULL with appended rows, the same',
      value: journal / median(rates.sqliteLog),
      unit: '×',
      note: rate(median(rates.sqliteLog)),
    },
  ]);
} finally {
  rmSync(directory, { recursive: true, force: true });
}

async function journalRate(): Promise<number> {
  runs += 1;
  const opened = await openJournal({
    directory: join(directory, `journal-${runs}`),
    snapshotAfterBytes: SNAPSHOT_AFTER_BYTES,
    syncGatherMs: 0,
  });
  await opened.recover(() => {}, () => {});
  const journal = await opened.start({ actor: '0123456789abcdef' });
  let snapshot: Promise<void> | undefined;
  const startedAt = performance.now();
  for (let group = 0; group < GROUPS; group += 1) {
    let position = 0;
    for (let index = 0; index < GROUP; index += 1) position = journal.append(record, 0, RECORD_BYTES);
    journal.commit(group, group);
    await synced(journal, position);
    if (snapshot === undefined && journal.shouldSnapshot()) {
      snapshot = compact(journal).then(() => {
        snapshot = undefined;
        snapshots += 1;
      });
    }
  }
  await snapshot;
  const tookMs = performance.now() - startedAt;
  await journal.close(GROUPS, GROUPS);
  return (GROUPS * GROUP * 1_000) / tookMs;
}

function synced(journal: Journal, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    journal.onFailure = reject;
    journal.onAdvance = () => {
      if (journal.syncedPosition >= position) resolve();
    };
    journal.requestSync();
  });
}

async function compact(journal: Journal): Promise<void> {
  const writer = journal.beginSnapshot(0, 0);
  for (let index = 0; index < SNAPSHOT_RECORDS; index += 1) {
    if (!writer.append(record, 0, RECORD_BYTES)) await writer.drained();
  }
  await writer.finish();
}

function sqliteRate(kind: keyof typeof TABLES): number {
  runs += 1;
  const database = new DatabaseSync(join(directory, `sqlite-${runs}`));
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
  database.exec(TABLES[kind].create);
  const insert = database.prepare(TABLES[kind].insert);
  const startedAt = performance.now();
  for (let group = 0; group < GROUPS; group += 1) {
    database.exec('BEGIN');
    for (let index = 0; index < GROUP; index += 1) {
      insert.run(String(Math.floor(random.next() * KEYS)).padStart(KEY_BYTES, '0'), rest);
    }
    database.exec('COMMIT');
  }
  const tookMs = performance.now() - startedAt;
  database.close();
  return (GROUPS * GROUP * 1_000) / tookMs;
}
