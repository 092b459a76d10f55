import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { MemoryDisk } from './memory-disk.ts';
import { append, readBack, settle, startJournal, write } from './journal-world.ts';

const SEGMENT_1 = 'data/journal-0000000000000001.log';
const SEGMENT_2 = 'data/journal-0000000000000002.log';

let disk: MemoryDisk;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
  disk = new MemoryDisk();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('writing', () => {
  test('a committed group is written, and told, before commit returns', async () => {
    const journal = await startJournal(disk);
    const seen: number[] = [];
    journal.onAdvance = () => seen.push(journal.writtenPosition);
    expect(journal.pendingPosition).toBe(1);
    expect(append(journal, 'a', 'bb')).toBe(1);
    expect(journal.writtenPosition).toBe(0);
    journal.commit(10, 20);
    expect(seen).toEqual([1]);
    expect(journal.pendingPosition).toBe(2);
    expect((await readBack(disk.copy())).records).toEqual(['a', 'bb']);
  });

  test('a group that was not committed is not there afterwards', async () => {
    const journal = await startJournal(disk);
    write(journal, 'kept');
    append(journal, 'lost');
    expect((await readBack(disk.copy())).records).toEqual(['kept']);
    expect(journal.status().pendingBytes).toBeGreaterThan(0);
  });

  test('a commit without records writes nothing', async () => {
    const journal = await startJournal(disk);
    journal.commit(1, 1);
    expect(disk.count.writeSync).toBe(0);
    expect(journal.writtenPosition).toBe(0);
  });

  test('a write that is taken in pieces arrives whole', async () => {
    const journal = await startJournal(disk);
    disk.writeBytesMax = 7;
    write(journal, 'a record longer than seven bytes', 'another');
    expect(disk.count.writeSync).toBeGreaterThan(5);
    expect((await readBack(disk.copy())).records).toEqual(['a record longer than seven bytes', 'another']);
  });

  test('records and groups larger than the buffer come back as they were', async () => {
    const journal = await startJournal(disk, { segmentBytes: 64 * 1024 * 1024 });
    const large = 'x'.repeat(700_000);
    write(journal, large, 'y', large);
    write(journal, 'z');
    expect((await readBack(disk.copy())).records).toEqual([large, 'y', large, 'z']);
  });

  test('commits made from within onAdvance keep their order', async () => {
    const journal = await startJournal(disk);
    journal.onAdvance = () => {
      if (journal.writtenPosition < 4) write(journal, `follow-${journal.writtenPosition}`);
    };
    write(journal, 'first');
    expect((await readBack(disk.copy())).records).toEqual(['first', 'follow-1', 'follow-2', 'follow-3']);
  });

  test('any error but a full disk fails the journal once and for all', async () => {
    const journal = await startJournal(disk, { reserveBytes: 1000 });
    const errors: string[] = [];
    journal.onFailure = (error) => errors.push(error.message);
    disk.before = (operation) => {
      if (operation === 'writeSync') throw MemoryDisk.errors('EIO');
    };
    write(journal, 'a');
    disk.before = () => {};
    write(journal, 'b');
    expect(errors).toEqual(['EIO: told to']);
    expect(journal.state).toBe('failed');
    expect(journal.writtenPosition).toBe(0);
    expect(() => journal.beginSnapshot(1, 1)).toThrow('takes no more');
  });

  test('more than the disk may fall behind by fails the journal instead of growing', async () => {
    const journal = await startJournal(disk);
    const errors: string[] = [];
    journal.onFailure = (error) => errors.push(error.message);
    journal.append(new Uint8Array(129 * 1024 * 1024), 0, 129 * 1024 * 1024);
    expect(errors).toHaveLength(1);
    expect(journal.state).toBe('failed');
    expect(journal.status().pendingBytes).toBe(0);
  });
});

describe('a kernel that stalls', () => {
  async function stalled() {
    const journal = await startJournal(disk, { stallMs: 20 });
    disk.before = (operation) => {
      if (operation === 'writeSync') vi.advanceTimersByTime(21);
    };
    write(journal, 'slow');
    disk.before = () => {};
    return journal;
  }

  test('for a second after a slow write, groups are written asynchronously, one at a time', async () => {
    const journal = await stalled();
    const letGo = disk.hold('write');
    const writes = disk.count.write;
    expect([write(journal, 'b'), write(journal, 'c'), write(journal, 'd')]).toEqual([2, 3, 4]);
    await settle();
    expect(journal.writtenPosition).toBe(1);
    expect(disk.count.write - writes).toBe(1);
    append(journal, 'open');
    letGo();
    await settle();
    expect(journal.writtenPosition).toBe(4);
    expect(disk.count.write - writes).toBe(2);
    expect(disk.count.writeSync).toBe(1);
    journal.commit(1, 1);
    await settle();
    expect((await readBack(disk.copy())).records).toEqual(['slow', 'b', 'c', 'd', 'open']);
  });

  test('afterwards they are written synchronously again', async () => {
    const journal = await stalled();
    vi.advanceTimersByTime(1000);
    write(journal, 'b');
    expect(journal.writtenPosition).toBe(2);
    expect(disk.count.writeSync).toBe(2);
  });

  test('a group that grows while another is being written does not disturb it', async () => {
    const journal = await stalled();
    const letGo = disk.hold('write');
    write(journal, 'b');
    const large = 'x'.repeat(600_000);
    write(journal, large);
    letGo();
    await settle();
    expect((await readBack(disk.copy())).records).toEqual(['slow', 'b', large]);
  });

  test('an asynchronous write that fails fails the journal', async () => {
    const journal = await stalled();
    let failures = 0;
    journal.onFailure = () => {
      failures += 1;
    };
    disk.before = () => {
      throw MemoryDisk.errors('EIO');
    };
    write(journal, 'b');
    write(journal, 'c');
    await settle();
    expect([journal.state, failures, journal.writtenPosition]).toEqual(['failed', 1, 1]);
  });
});

describe('syncing', () => {
  test('wishes that come together are served by one sync', async () => {
    const journal = await startJournal(disk, { syncGatherMs: 2 });
    for (const text of ['a', 'b', 'c']) {
      write(journal, text);
      journal.requestSync();
    }
    await settle();
    expect(disk.count.syncData).toBe(0);
    vi.advanceTimersByTime(2);
    await settle();
    expect(disk.count.syncData).toBe(1);
    expect(journal.syncedPosition).toBe(3);
    expect(journal.status().lastSyncMs).toBe(0);
  });

  test('one is in flight at a time, and the next starts without gathering', async () => {
    const journal = await startJournal(disk, { syncGatherMs: 2 });
    write(journal, 'a');
    journal.requestSync();
    vi.advanceTimersByTime(2);
    const letGo = disk.hold('syncData');
    write(journal, 'b');
    journal.requestSync();
    await settle();
    // The first began before it was held.
    expect([disk.count.syncData, journal.syncedPosition]).toEqual([2, 1]);
    write(journal, 'c');
    journal.requestSync();
    vi.advanceTimersByTime(10);
    await settle();
    expect([disk.count.syncData, journal.syncedPosition]).toEqual([2, 1]);
    letGo();
    await settle();
    expect([disk.count.syncData, journal.syncedPosition]).toEqual([3, 3]);
  });

  test('a sync covers what was written when it started, no more', async () => {
    const journal = await startJournal(disk);
    write(journal, 'a');
    journal.requestSync();
    const letGo = disk.hold('syncData');
    vi.advanceTimersByTime(1);
    write(journal, 'b');
    letGo();
    await settle();
    expect([journal.syncedPosition, journal.writtenPosition]).toEqual([1, 2]);
  });

  test('nothing is synced for those who did not ask, but for a segment as it grows', async () => {
    const journal = await startJournal(disk, { segmentBytes: 8000 });
    write(journal, 'a');
    await settle();
    expect(disk.count.syncData).toBe(0);
    write(journal, 'x'.repeat(1000));
    await settle();
    expect([disk.count.syncData, journal.syncedPosition]).toEqual([1, 2]);
  });

  test('a sync that fails is never tried again', async () => {
    const journal = await startJournal(disk);
    let failures = 0;
    journal.onFailure = () => {
      failures += 1;
    };
    disk.before = (operation) => {
      if (operation === 'syncData') throw MemoryDisk.errors('ENOSPC');
    };
    write(journal, 'a');
    journal.requestSync();
    vi.advanceTimersByTime(1);
    await settle();
    write(journal, 'b');
    journal.requestSync();
    vi.advanceTimersByTime(10);
    await settle();
    expect([journal.state, failures, disk.count.syncData]).toEqual(['failed', 1, 1]);
    expect([journal.writtenPosition, journal.syncedPosition]).toEqual([1, 0]);
  });
});

describe('segments', () => {
  test('a full one is followed by the next, and all are read back in order', async () => {
    const journal = await startJournal(disk, { segmentBytes: 300 });
    const texts = Array.from({ length: 40 }, (_, index) => `record-${index}`);
    for (const text of texts) {
      write(journal, text);
      await settle();
    }
    expect(journal.status().segments).toBeGreaterThan(5);
    const back = await readBack(disk.copy());
    expect(back.records).toEqual(texts);
    expect(back.report.bytes).toBe(journal.status().bytes);
  });

  test('the next one takes nothing until the old one is synced', async () => {
    const journal = await startJournal(disk, { segmentBytes: 200 });
    const letGo = disk.hold('syncData');
    write(journal, 'x'.repeat(200));
    write(journal, 'gathered');
    write(journal, 'too');
    await settle();
    expect(disk.files.has(SEGMENT_2)).toBe(false);
    expect([journal.writtenPosition, journal.pendingPosition]).toEqual([1, 4]);
    letGo();
    await settle();
    expect(journal.writtenPosition).toBe(3);
    expect(disk.files.get(SEGMENT_1)!.synced).toEqual(disk.content(SEGMENT_1));
    expect((await readBack(disk.copy())).records).toEqual(['x'.repeat(200), 'gathered', 'too']);
  });

  test('a power cut at any moment leaves what was synced, and never a journal that is refused', async () => {
    const journal = await startJournal(disk, { segmentBytes: 400 });
    const cut = async (): Promise<void> => {
      const newest = [...disk.files.keys()].sort().at(-1);
      for (const keeps of [() => false, () => true, (path: string) => path === newest]) {
        const promised = journal.syncedPosition;
        const { records } = await readBack(disk.afterPowerCut(keeps));
        expect(records).toEqual(records.map((_, index) => `r${index + 1}`));
        expect(records.length).toBeGreaterThanOrEqual(promised);
      }
    };
    for (let index = 1; index <= 60; index += 1) {
      const letGo = index % 5 === 0 ? disk.hold('syncData') : () => {};
      write(journal, `r${index}`);
      if (index % 7 === 0) journal.requestSync();
      await Promise.resolve();
      await cut();
      vi.advanceTimersByTime(1);
      await settle();
      await cut();
      letGo();
    }
    await settle();
    expect(journal.status().segments).toBeGreaterThan(3);
    expect(journal.syncedPosition).toBeGreaterThan(50);
  });

  test('every run writes to a segment of its own', async () => {
    const first = await startJournal(disk);
    write(first, 'a');
    const before = disk.content(SEGMENT_1);
    const second = await startJournal(disk);
    write(second, 'b');
    expect(disk.content(SEGMENT_1)).toEqual(before);
    expect((await readBack(disk.copy())).records).toEqual(['a', 'b']);
  });

  test('starts that never write anything leave one file, not one each', async () => {
    write(await startJournal(disk), 'a');
    for (let start = 0; start < 5; start += 1) await startJournal(disk);
    expect([...disk.files.keys()].sort()).toEqual([SEGMENT_1, SEGMENT_2]);
    expect((await readBack(disk)).records).toEqual(['a']);
  });
});

describe('closing', () => {
  test('writes and syncs what is pending and marks the end as clean', async () => {
    const journal = await startJournal(disk);
    write(journal, 'a');
    append(journal, 'pending');
    await journal.close(77, 88);
    const { records, report } = await readBack(disk.afterPowerCut(() => false));
    expect(records).toEqual(['a', 'pending']);
    expect(report).toMatchObject({ clean: true, groups: 2, records: 2, lastNowMs: 77, lastWallMs: 88 });
    expect(() => append(journal, 'late')).toThrow('closed');
  });

  test('a run that did not close itself is not clean, even when the one before was', async () => {
    await (await startJournal(disk)).close(1, 1);
    expect((await readBack(disk.copy())).report.clean).toBe(true);
    const next = await startJournal(disk);
    expect((await readBack(disk.copy())).report.clean).toBe(false);
    write(next, 'a');
    expect((await readBack(disk.copy())).report.clean).toBe(false);
  });

  test('waits for a write in flight and a change of segment', async () => {
    const journal = await startJournal(disk, { segmentBytes: 100 });
    const letGo = disk.hold('syncData');
    write(journal, 'x'.repeat(100));
    write(journal, 'y'.repeat(100));
    const closed = journal.close(5, 6);
    await settle();
    letGo();
    await closed;
    const { records, report } = await readBack(disk.copy());
    expect(records).toEqual(['x'.repeat(100), 'y'.repeat(100)]);
    expect(report.clean).toBe(true);
  });

  test('says so when what was pending could not be kept', async () => {
    const journal = await startJournal(disk);
    append(journal, 'pending');
    disk.before = (operation) => {
      if (operation === 'writeSync') throw MemoryDisk.errors('EIO');
    };
    await expect(journal.close(1, 1)).rejects.toThrow('EIO');
  });
});
