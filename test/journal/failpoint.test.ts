import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, truncateSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FAILPOINTS, parseFailpoint } from '../../src/journal/failpoint.ts';
import { openJournal } from '../../src/journal/open-journal.ts';

const WRITER = new URL('./failpoint-writer.ts', import.meta.url).pathname;

/** Runs the writer until it ends; returns how, and the last record it said was written. */
async function runWriter(directory: string, failpoint: string) {
  const writer = spawn(process.execPath, [WRITER, directory], {
    env: { ...process.env, LEASEHOLD_FAILPOINT: failpoint },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  writer.stdout.on('data', (piece: Buffer) => {
    output += piece.toString();
  });
  const [code, signal] = (await once(writer, 'close')) as [number | null, string | null];
  return { code, signal, said: Number(output.trim().split('\n').at(-1)) };
}

/** The records on the disk as the state they leave behind; each must follow the one before. */
async function readState(directory: string) {
  const opened = await openJournal({ directory });
  let state = 0;
  const report = await opened.recover(
    (record) => {
      const value = Number(Buffer.from(record.bytes));
      if (!record.snapshot) expect(value).toBe(state + 1);
      state = value;
    },
    () => {},
  );
  opened.release();
  return { state, report };
}

function newestSegment(directory: string): string {
  const names = readdirSync(directory).filter((name) => name.startsWith('journal-'));
  return join(directory, names.sort().at(-1)!);
}

/** One more run, which writes one more record and closes. */
async function goOn(directory: string): Promise<void> {
  const opened = await openJournal({ directory, reserveBytes: 1000 });
  let state = 0;
  await opened.recover(
    (record) => {
      state = Number(Buffer.from(record.bytes));
    },
    () => {},
  );
  const journal = await opened.start({ actor: '00000000000000cc' });
  const bytes = Buffer.from(String(state + 1));
  journal.append(bytes, 0, bytes.length);
  journal.commit(1, 1);
  await journal.close(1, 1);
}

// The first of a kind is often special: a segment or snapshot with nothing before it. How often the
// writer syncs depends on the disk, but every change of segment takes at least one, and it makes eight.
const LATER = [
  'before-write:33',
  'after-half-write:50',
  'after-sync:5',
  'after-rotate:4',
  'snapshot-half:2',
  'snapshot-after-delete:4',
];

test.concurrent.for([
  ...FAILPOINTS.filter((name) => name !== 'recover-after-truncate'),
  ...LATER,
])('killed at %s, it comes back with everything it said was written', async (name, { expect }) => {
  const directory = mkdtempSync(join(tmpdir(), 'leasehold-failpoint-'));
  try {
    const first = await runWriter(directory, name);
    expect([first.code, first.signal]).toEqual([null, 'SIGKILL']);
    const { state } = await readState(directory);
    // At most the group that was being written is more than it had said.
    expect([first.said, first.said + 1]).toContain(Number.isNaN(first.said) ? state - 1 : state);
    await goOn(directory);
    const end = await readState(directory);
    expect([end.state, end.report.clean]).toEqual([state + 1, true]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('killed just after a torn end was cut off, it finds the rest as it was', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'leasehold-failpoint-'));
  try {
    await runWriter(directory, 'after-half-write:20');
    const torn = newestSegment(directory);
    const before = statSync(torn).size;
    const killed = await runWriter(directory, 'recover-after-truncate');
    expect(killed.signal).toBe('SIGKILL');
    expect(statSync(torn).size).toBeLessThan(before);
    const { state, report } = await readState(directory);
    expect([state, report.tornBytes]).toEqual([19, 0]);
    truncateSync(torn, statSync(torn).size - 1);
    expect((await readState(directory)).state).toBe(18);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('a failpoint that does not exist is refused', () => {
  expect(parseFailpoint('after-sync')).toEqual({ name: 'after-sync', count: 1 });
  expect(parseFailpoint('after-sync:12')).toEqual({ name: 'after-sync', count: 12 });
  for (const text of ['after-snyc', 'after-sync:0', 'after-sync:x', ':1']) {
    expect(() => parseFailpoint(text)).toThrow('want name or name:count');
  }
});
