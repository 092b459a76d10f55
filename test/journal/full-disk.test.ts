import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { MemoryDisk } from './memory-disk.ts';
import { appendTo, readBack, settle, startJournal, write } from './journal-world.ts';

let disk: MemoryDisk;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
  disk = new MemoryDisk();
});
afterEach(() => {
  vi.useRealTimers();
});

test('the reserve is real bytes, kept from run to run', async () => {
  await (await startJournal(disk, { reserveBytes: 2_500_000 })).close(1, 1);
  const reserve = disk.content('data/reserve');
  expect(reserve.length).toBe(2_500_000);
  expect(reserve.subarray(2_400_000).every((byte) => byte === 0)).toBe(false);
  await startJournal(disk, { reserveBytes: 2_500_000 });
  expect(disk.content('data/reserve')).toBe(reserve);
});

test('a group that finds no room is written in the space of the reserve, whole', async () => {
  const journal = await startJournal(disk, { reserveBytes: 1000 });
  disk.roomBytes = 1300;
  const states: string[] = [];
  journal.onAdvance = () => states.push(journal.state);
  write(journal, 'a'.repeat(100));
  write(journal, 'b'.repeat(100));
  write(journal, 'c'.repeat(100));
  expect(states).toEqual(['ok', 'full', 'full']);
  expect(journal.writtenPosition).toBe(3);
  expect(disk.files.has('data/reserve')).toBe(false);
  expect((await readBack(disk.copy())).records.map((text) => text[0])).toEqual(['a', 'b', 'c']);
});

test('asynchronous writes use the reserve too', async () => {
  const journal = await startJournal(disk, { reserveBytes: 1000, stallMs: 20 });
  disk.before = (operation) => {
    if (operation === 'writeSync') vi.advanceTimersByTime(30);
  };
  write(journal, 'slow');
  disk.before = () => {};
  disk.roomBytes = 1200;
  write(journal, 'b'.repeat(200));
  await settle();
  expect([journal.state, journal.writtenPosition]).toEqual(['full', 2]);
  expect((await readBack(disk.copy())).records).toEqual(['slow', 'b'.repeat(200)]);
});

test('the journal fails when the reserve is used up', async () => {
  const journal = await startJournal(disk, { reserveBytes: 300 });
  let failures = 0;
  journal.onFailure = () => {
    failures += 1;
  };
  disk.roomBytes = 450;
  write(journal, 'a'.repeat(200));
  expect(journal.state).toBe('full');
  write(journal, 'b'.repeat(200));
  expect([journal.state, failures, journal.writtenPosition]).toEqual(['failed', 1, 1]);
  // What was half written is a torn end like any other.
  const { records, report } = await readBack(disk.copy());
  expect(records).toEqual(['a'.repeat(200)]);
  expect(report.tornBytes).toBeGreaterThan(0);
});

test('it is ok again once there is room for twice the reserve, and not before', async () => {
  const journal = await startJournal(disk, { reserveBytes: 1000 });
  disk.roomBytes = 1200;
  write(journal, 'a'.repeat(200));
  expect(journal.state).toBe('full');
  let advances = 0;
  journal.onAdvance = () => {
    advances += 1;
  };
  disk.roomBytes = 2200;
  vi.advanceTimersByTime(1000);
  await settle();
  expect([journal.state, advances]).toEqual(['full', 0]);
  disk.roomBytes = 3000;
  vi.advanceTimersByTime(1000);
  await settle();
  expect([journal.state, advances]).toEqual(['ok', 1]);
  expect(disk.content('data/reserve').length).toBe(1000);
  // And the next time the disk is full, it serves again.
  disk.roomBytes = 1450;
  write(journal, 'b'.repeat(300));
  expect([journal.state, journal.writtenPosition]).toEqual(['full', 2]);
});

test('a disk that is full at the start is known for full, and what reserve there is is kept', async () => {
  disk.roomBytes = 400;
  const journal = await startJournal(disk, { reserveBytes: 1000 });
  expect(journal.state).toBe('full');
  expect(disk.content('data/reserve').length).toBe(350);
  write(journal, 'ending'.repeat(10));
  expect([journal.state, journal.writtenPosition]).toEqual(['full', 1]);
  await journal.close(1, 1);
  expect((await readBack(disk.copy())).report).toMatchObject({ clean: true, records: 1 });
});

test('a start on a full disk opens its segment in the space of the last run\'s reserve', async () => {
  await (await startJournal(disk, { reserveBytes: 1000 })).close(1, 1);
  disk.roomBytes = await disk.freeBytes().then(() => 0);
  for (const file of disk.files.values()) disk.roomBytes += file.bytes.length;
  const journal = await startJournal(disk, { reserveBytes: 1000 });
  expect(journal.state).toBe('full');
  write(journal, 'ending');
  expect(journal.writtenPosition).toBe(1);
});

test('while the disk is full, neither snapshots nor new segments are begun', async () => {
  const journal = await startJournal(disk, { reserveBytes: 2000, segmentBytes: 300, snapshotAfterBytes: 100 });
  disk.roomBytes = 2100;
  for (let index = 0; index < 5; index += 1) {
    write(journal, 'x'.repeat(200));
    await settle();
  }
  expect(journal.status()).toMatchObject({ state: 'full', segments: 1, writtenPosition: 5 });
  expect(journal.shouldSnapshot()).toBe(false);
});

test('a disk that fills up gives up the snapshot under way, not the journal', async () => {
  const journal = await startJournal(disk, { reserveBytes: 2000, snapshotAfterBytes: 100 });
  write(journal, 'a'.repeat(200));
  expect(journal.shouldSnapshot()).toBe(true);
  const writer = journal.beginSnapshot(1, 1);
  await settle();
  disk.roomBytes = 2600;
  // Its own write finds no room.
  appendTo(writer, 's'.repeat(1000));
  await expect(writer.finish()).rejects.toMatchObject({ name: 'SnapshotAbandonedError' });
  expect(journal.state).toBe('ok');
  expect([...disk.files.keys()].filter((path) => path.includes('snapshot'))).toEqual([]);
  expect(journal.shouldSnapshot()).toBe(false);
  disk.roomBytes = 100_000;
  write(journal, 'b'.repeat(100));
  expect(journal.shouldSnapshot()).toBe(false);
  write(journal, 'c'.repeat(400));
  expect(journal.shouldSnapshot()).toBe(true);
  expect((await readBack(disk.copy())).records.map((text) => text[0])).toEqual(['a', 'b', 'c']);

  // A group's write finds no room while a snapshot is open.
  const second = journal.beginSnapshot(1, 1);
  appendTo(second, 's'.repeat(1000));
  await settle();
  disk.roomBytes = await usedBytes();
  write(journal, 'd'.repeat(50));
  expect(journal.state).toBe('full');
  await expect(second.finish()).rejects.toMatchObject({ name: 'SnapshotAbandonedError' });
  expect((await readBack(disk.copy())).records.map((text) => text[0])).toEqual(['a', 'b', 'c', 'd']);
});

async function usedBytes(): Promise<number> {
  let total = 0;
  for (const path of disk.files.keys()) total += await disk.size(path);
  return total;
}
