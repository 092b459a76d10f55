import { beforeEach, expect, test } from 'vitest';
import { MemoryDisk } from './memory-disk.ts';
import { append, appendTo, readBack, settle, snapshotOf, startJournal, write } from './journal-world.ts';

let disk: MemoryDisk;
beforeEach(() => {
  disk = new MemoryDisk();
});

test('a snapshot replaces what came before it, and is read back first', async () => {
  const journal = await startJournal(disk);
  write(journal, 'a');
  write(journal, 'b');
  const writer = journal.beginSnapshot(500, 600);
  appendTo(writer, 'state-1', 'state-2');
  write(journal, 'c');
  await writer.finish();
  write(journal, 'd');
  expect([...disk.files.keys()].sort()).toEqual([
    'data/journal-0000000000000002.log',
    'data/snapshot-0000000000000002.snap',
  ]);
  const { records, report } = await readBack(disk.copy());
  expect(records).toEqual(['*state-1', '*state-2', 'c', 'd']);
  expect(report).toMatchObject({ found: true, snapshotRecords: 2, records: 2, groups: 2 });
  expect(journal.status()).toMatchObject({ segments: 1, snapshots: 1, bytes: report.bytes });
  expect(journal.status().lastSnapshotMs).toBeGreaterThanOrEqual(0);
});

test('a snapshot of nothing is a snapshot', async () => {
  const journal = await startJournal(disk);
  write(journal, 'a');
  await snapshotOf(journal);
  const { records, report } = await readBack(disk.copy());
  expect([records, report.found, report.lastNowMs]).toEqual([[], true, undefined]);
});

test('the clock of a snapshot stands for the last group where there is none after it', async () => {
  const journal = await startJournal(disk);
  write(journal, 'a');
  await snapshotOf(journal, 'state');
  expect((await readBack(disk.copy())).report).toMatchObject({ lastNowMs: 5, lastWallMs: 1_000_005 });
});

test('many frames come back in order', async () => {
  const journal = await startJournal(disk);
  const texts = Array.from({ length: 3000 }, (_, index) => `${index}-${'x'.repeat(500)}`);
  const writer = journal.beginSnapshot(1, 1);
  for (const text of texts) if (!appendTo(writer, text)) await writer.drained();
  await writer.finish();
  expect((await readBack(disk)).records).toEqual(texts.map((text) => `*${text}`));
});

test('a caller that fills the queue again whenever it is woken gets to the end', async () => {
  const journal = await startJournal(disk);
  const texts = Array.from({ length: 9000 }, (_, index) => `${index}-${'x'.repeat(500)}`);
  const writer = journal.beginSnapshot(1, 1);
  let waits = 0;
  for (const text of texts) {
    if (appendTo(writer, text)) continue;
    waits++;
    await writer.drained();
  }
  await writer.finish();
  expect(waits).toBeGreaterThan(2);
  expect((await readBack(disk)).records).toHaveLength(texts.length);
});

test('the writer asks its caller to wait while the disk is behind', async () => {
  const journal = await startJournal(disk);
  const writer = journal.beginSnapshot(1, 1);
  await settle();
  const letGo = disk.hold('write');
  const piece = 'x'.repeat(100_000);
  let accepted = 0;
  while (accepted < 100 && appendTo(writer, piece)) accepted += 1;
  expect(accepted).toBeLessThan(20);
  let drained = false;
  const waiting = writer.drained().then(() => {
    drained = true;
  });
  await settle();
  expect(drained).toBe(false);
  letGo();
  await waiting;
  expect(appendTo(writer, piece)).toBe(true);
  await writer.finish();
  expect((await readBack(disk)).report.snapshotRecords).toBe(accepted + 2);
});

test('a caller that never waits costs the snapshot, not the memory', async () => {
  const journal = await startJournal(disk);
  const writer = journal.beginSnapshot(1, 1);
  writer.append(new Uint8Array(65 * 1024 * 1024), 0, 65 * 1024 * 1024);
  await expect(writer.finish()).rejects.toThrow('without waiting');
  expect(journal.state).toBe('ok');
});

test('an aborted snapshot leaves the journal as it was', async () => {
  const journal = await startJournal(disk);
  write(journal, 'a');
  const writer = journal.beginSnapshot(1, 1);
  appendTo(writer, 'state');
  await writer.abort();
  write(journal, 'b');
  await settle();
  expect([...disk.files.keys()].filter((path) => path.includes('snapshot'))).toEqual([]);
  expect((await readBack(disk.copy())).records).toEqual(['a', 'b']);
  await snapshotOf(journal, 'state');
  expect((await readBack(disk.copy())).records).toEqual(['*state']);
});

test('closing gives up a snapshot under way and is clean', async () => {
  const journal = await startJournal(disk);
  write(journal, 'a');
  const writer = journal.beginSnapshot(1, 1);
  appendTo(writer, 'state');
  await journal.close(1, 1);
  await expect(writer.finish()).rejects.toMatchObject({ name: 'SnapshotAbandonedError' });
  const { records, report } = await readBack(disk);
  expect([records, report.clean]).toEqual([['a'], true]);
});

test('a snapshot that cannot be written is given up, whatever the error', async () => {
  const journal = await startJournal(disk);
  write(journal, 'a');
  disk.before = (_operation, path) => {
    if (path.endsWith('.tmp')) throw MemoryDisk.errors('EIO');
  };
  await expect(snapshotOf(journal, 'state')).rejects.toThrow('EIO');
  expect(journal.state).toBe('ok');
  write(journal, 'b');
  await settle();
  expect((await readBack(disk.copy())).records).toEqual(['a', 'b']);
});

test('a snapshot takes its name only when its segment is in use and all before it synced', async () => {
  const journal = await startJournal(disk);
  write(journal, 'a');
  const held: string[] = [];
  const gate = Promise.withResolvers<void>();
  const syncData = disk.syncData.bind(disk);
  disk.syncData = async (fd) => {
    held.push('sync');
    if (held.length === 1) await gate.promise;
    await syncData(fd);
  };
  const writer = journal.beginSnapshot(1, 1);
  appendTo(writer, 'state');
  const finished = writer.finish();
  await settle();
  expect(disk.files.has('data/snapshot-0000000000000002.snap')).toBe(false);
  gate.resolve();
  await finished;
  expect(disk.files.has('data/snapshot-0000000000000002.snap')).toBe(true);
});

test('a snapshot pays again after twice its own size, or after very many small runs', async () => {
  const first = await startJournal(disk, { snapshotAfterBytes: 1000 });
  write(first, 'x'.repeat(900));
  expect(first.shouldSnapshot()).toBe(false);
  write(first, 'x'.repeat(100));
  expect(first.shouldSnapshot()).toBe(true);
  const writer = first.beginSnapshot(1, 1);
  expect(first.shouldSnapshot()).toBe(false);
  appendTo(writer, 's'.repeat(2000));
  await writer.finish();
  write(first, 'x'.repeat(3000));
  expect(first.shouldSnapshot()).toBe(false);
  write(first, 'x'.repeat(1500));
  expect(first.shouldSnapshot()).toBe(true);

  const runs = new MemoryDisk();
  for (let run = 0; run < 64; run += 1) write(await startJournal(runs), 'a');
  const last = await startJournal(runs);
  expect(last.shouldSnapshot()).toBe(true);
  await snapshotOf(last, 'state');
  expect(last.status().segments).toBe(1);
  expect(last.shouldSnapshot()).toBe(false);
});

test('a snapshot is refused while a group is pending or another is under way', async () => {
  const journal = await startJournal(disk);
  append(journal, 'a');
  expect(() => journal.beginSnapshot(1, 1)).toThrow('a group is pending');
  journal.commit(1, 1);
  journal.beginSnapshot(1, 1);
  expect(() => journal.beginSnapshot(1, 1)).toThrow('one is under way');
});

test('a snapshot begun during a change of segment covers exactly what was committed before it', async () => {
  const journal = await startJournal(disk, { segmentBytes: 200 });
  const letGo = disk.hold('syncData');
  write(journal, 'x'.repeat(200));
  write(journal, 'before');
  const writer = journal.beginSnapshot(1, 1);
  appendTo(writer, 'state');
  write(journal, 'after');
  letGo();
  await writer.finish();
  await settle();
  expect((await readBack(disk.copy())).records).toEqual(['*state', 'after']);
  expect(journal.writtenPosition).toBe(3);
});
