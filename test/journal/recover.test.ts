import { describe, expect, test } from 'vitest';
import { encodeFileHeader, FILE_HEADER_BYTES, fileHeaderCrc, sealFrame } from '../../src/journal/frame.ts';
import { JournalCorruptError, JournalFormatError } from '../../src/journal/journal-errors.ts';
import { recoverDirectory } from '../../src/journal/recover.ts';
import { MemoryDisk } from './memory-disk.ts';
import { ACTOR, HOST, readBack, settle, snapshotOf, startJournal, write } from './journal-world.ts';

const segment = (number: number) => `data/journal-${String(number).padStart(16, '0')}.log`;
const snapshot = (number: number) => `data/snapshot-${String(number).padStart(16, '0')}.snap`;

/** Snapshot 2, segments 2 (a whole one), 3 (that of a second run) with its last group `last`. */
async function smallJournal(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const first = await startJournal(disk);
  write(first, 'gone');
  await snapshotOf(first, 'state-1', 'state-2');
  write(first, 'a', 'b');
  await first.close(90, 90);
  const second = await startJournal(disk);
  write(second, 'c');
  write(second, 'last', 'of', 'all');
  expect((await readBack(disk.copy())).records).toEqual([...EARLIER, 'last', 'of', 'all']);
  return disk;
}
const EARLIER = ['*state-1', '*state-2', 'a', 'b', 'c'];

test('an empty directory is an empty journal', async () => {
  const { records, report, nextSegment } = await readBack(new MemoryDisk());
  expect([records, nextSegment]).toEqual([[], 1]);
  expect(report).toMatchObject({ found: false, clean: false, records: 0, tornBytes: 0, lastNowMs: undefined });
});

test('each record comes with the clock of its group', async () => {
  const disk = new MemoryDisk();
  const journal = await startJournal(disk);
  write(journal, 'a');
  write(journal, 'b');
  const clocks: unknown[] = [];
  await recoverDirectory(
    { ...HOST, fileSystem: disk, directory: 'data', onCorruption: 'refuse' },
    ({ nowMs, wallMs, snapshot: inSnapshot }) => clocks.push([nowMs, wallMs, inSnapshot]),
    () => {},
  );
  expect(clocks).toEqual([
    [10, 1_000_010, false],
    [20, 1_000_020, false],
  ]);
});

test('progress goes up to all there is, and the loop is let go on the way', async () => {
  const disk = new MemoryDisk();
  const journal = await startJournal(disk, { segmentBytes: 20_000_000 });
  const text = 'x'.repeat(200);
  for (let group = 0; group < 4; group += 1) write(journal, ...Array<string>(10_000).fill(text));
  const progress: number[] = [];
  let total = 0;
  let turns = 0;
  let delivered = 0;
  let recovering = true;
  const count = (): void => {
    turns += 1;
    if (recovering) setImmediate(count);
  };
  setImmediate(count);
  // A millisecond of work for every 64 records, on a clock of the test's own.
  const clock = performance.now;
  let nowMs = 0;
  performance.now = () => nowMs;
  try {
    const { report } = await recoverDirectory(
      { ...HOST, fileSystem: disk, directory: 'data', onCorruption: 'refuse' },
      () => {
        delivered += 1;
        nowMs += 1 / 64;
      },
      ({ bytesRead, bytesTotal }) => {
        progress.push(bytesRead);
        total = bytesTotal;
      },
    );
    expect(report.records).toBe(40_000);
  } finally {
    performance.now = clock;
    recovering = false;
  }
  expect(delivered).toBe(40_000);
  expect(progress.length).toBeGreaterThan(1);
  expect(progress).toEqual([...progress].sort((a, b) => a - b));
  expect([progress.at(-1), total]).toEqual([disk.content(segment(1)).length, total]);
  // 625 ms of work in slices of 8.
  expect(turns).toBeGreaterThan(60);
});

describe('a torn end', () => {
  test('a journal cut at every byte of its last group recovers all earlier groups', async () => {
    const disk = await smallJournal();
    const whole = disk.content(segment(3));
    const lastGroup = 36 + 3 * 4 + 'lastofall'.length;
    const start = whole.length - lastGroup;
    for (let length = start; length < whole.length; length += 1) {
      const torn = disk.copy();
      torn.put(segment(3), whole.subarray(0, length));
      const { records, report } = await readBack(torn);
      expect(records).toEqual(EARLIER);
      expect(report).toMatchObject({ tornBytes: length - start, clean: false, groups: 2 });
      expect(torn.content(segment(3)).length).toBe(start);
    }
  });

  test('a segment cut at every byte of its header is as if it had never been begun', async () => {
    const disk = await smallJournal();
    const whole = disk.content(segment(3));
    for (let length = 0; length < FILE_HEADER_BYTES; length += 1) {
      const torn = disk.copy();
      torn.put(segment(3), whole.subarray(0, length));
      const { records, nextSegment } = await readBack(torn);
      expect([records, nextSegment]).toEqual([EARLIER.slice(0, 4), 3]);
    }
  });

  test('zeros where a file was extended and never filled are cut off, however many', async () => {
    const disk = await smallJournal();
    const whole = disk.content(segment(3));
    for (const zeros of [1, 35, 36, 37, 5000, 9_000_000]) {
      const torn = disk.copy();
      torn.put(segment(3), Buffer.concat([whole, Buffer.alloc(zeros)]));
      const { records, report } = await readBack(torn);
      expect([records.length, report.tornBytes]).toEqual([8, zeros]);
    }
    const empty = disk.copy();
    empty.put(segment(3), Buffer.alloc(4096));
    expect((await readBack(empty)).nextSegment).toBe(3);
  });

  test('sectors of the last group that were never written make it torn, in whatever order they were', async () => {
    const disk = new MemoryDisk();
    const journal = await startJournal(disk);
    write(journal, 'kept');
    const start = disk.content(segment(1)).length;
    write(journal, 'x'.repeat(3000), 'y'.repeat(3000));
    const whole = disk.content(segment(1));
    for (let from = 0; from < whole.length; from += 512) {
      const torn = disk.copy();
      const bytes = Buffer.from(whole);
      bytes.fill(0, Math.max(from, start), Math.min(from + 512, bytes.length));
      torn.put(segment(1), bytes);
      const { records, report } = await readBack(torn);
      expect([from, records, report.tornBytes]).toEqual([from, ['kept'], whole.length - start]);
    }
  });

  test.each([['killed', false], ['closed', true]] as const)('a flipped bit beside a sector of zeros, in a journal that was %s', async (_, isClosed) => {
    const disk = new MemoryDisk();
    const journal = await startJournal(disk);
    write(journal, 'kept');
    write(journal, `a${'\0'.repeat(2000)}b`);
    write(journal, 'later');
    if (isClosed) await journal.close(100, 1_000_100);
    const bytes = Buffer.from(disk.content(segment(1)));
    bytes[bytes.indexOf('a\0')]! ^= 1;
    disk.put(segment(1), bytes);
    if (isClosed) await expect(readBack(disk)).rejects.toThrow(JournalCorruptError);
    else expect((await readBack(disk)).records).toEqual(['kept']);
  });

  test('a byte among the zeros of a sector makes them damage', async () => {
    const disk = await smallJournal();
    const whole = disk.content(segment(3));
    const zeros = Buffer.alloc(5_000_000);
    // As far as the sector goes in which they begin.
    zeros[511 - (whole.length % 512)] = 1;
    disk.put(segment(3), Buffer.concat([whole, zeros]));
    await expect(readBack(disk)).rejects.toThrow(JournalCorruptError);
  });

  test('once cut, the journal goes on and is read back whole', async () => {
    const disk = await smallJournal();
    const whole = disk.content(segment(3));
    disk.put(segment(3), whole.subarray(0, whole.length - 3));
    const journal = await startJournal(disk);
    write(journal, 'next');
    const { records, report } = await readBack(disk);
    expect([records, report.tornBytes]).toEqual([[...EARLIER, 'next'], 0]);
  });

  test('what was read back is synced before anything is built on it', async () => {
    const disk = await smallJournal();
    disk.files.get(segment(3))!.synced = Buffer.alloc(0);
    const journal = await startJournal(disk);
    write(journal, 'next');
    const { records } = await readBack(disk.afterPowerCut((path) => path === segment(4)));
    expect(records).toEqual([...EARLIER, 'last', 'of', 'all', 'next']);
  });

  test('anywhere but in the newest segment it is damage', async () => {
    const disk = await smallJournal();
    const whole = disk.content(segment(2));
    for (const length of [0, 20, 60, whole.length - 1]) {
      const damaged = disk.copy();
      damaged.put(segment(2), whole.subarray(0, length));
      await expect(readBack(damaged)).rejects.toThrow(JournalCorruptError);
      await expect(readBack(damaged, 'truncate')).rejects.toThrow(JournalCorruptError);
    }
  });
});

describe('damage', () => {
  test('with any one byte changed it recovers the same records or refuses, naming file and way out', async () => {
    const disk = await smallJournal();
    const { records: intact } = await readBack(disk.copy());
    let tried = 0;
    let refused = 0;
    for (const path of [snapshot(2), segment(2), segment(3)]) {
      const whole = disk.content(path);
      for (let at = 0; at < whole.length; at += 1) {
        for (const change of [0x01, 0x80, 0xff, whole[at]!]) {
          if (change === 0) continue;
          const flipped = Buffer.from(whole);
          flipped[at]! ^= change;
          const damaged = disk.copy();
          damaged.put(path, flipped);
          tried += 1;
          const outcome = await readBack(damaged).then(
            ({ records }) => records,
            (error: unknown) => error,
          );
          if (Array.isArray(outcome)) {
            expect(outcome).toEqual(intact);
            continue;
          }
          refused += 1;
          expect(outcome).toBeInstanceOf(JournalCorruptError);
          expect((outcome as Error).message).toContain(path);
          expect((outcome as Error).message).toMatch(/Restore the directory/);
        }
      }
    }
    // Every byte is covered by a check, so in fact none goes unseen.
    expect(tried).toBeGreaterThan(1500);
    expect(refused).toBe(tried);
  });

  test('told to truncate, it gives up everything from the damage on in the newest segment', async () => {
    const disk = await smallJournal();
    const bytes = Buffer.from(disk.content(segment(3)));
    bytes[bytes.length - 1]! ^= 1;
    disk.put(segment(3), bytes);
    const refusal = await readBack(disk.copy()).catch((error: unknown) => error);
    expect(String(refusal)).toContain('onCorruption "truncate"');
    const { records, report } = await readBack(disk, 'truncate');
    expect(records).toEqual(EARLIER);
    expect(report.tornBytes).toBe(36 + 3 * 4 + 'lastofall'.length);
    expect((await readBack(disk)).records).toEqual(EARLIER);
  });

  test('groups that are whole but missing, repeated or from another file are seen', async () => {
    const disk = new MemoryDisk();
    const journal = await startJournal(disk);
    for (const text of ['a', 'b', 'c']) write(journal, text);
    const whole = disk.content(segment(1));
    const group = 36 + 4 + 1;
    const at = (index: number): Buffer =>
      whole.subarray(FILE_HEADER_BYTES + index * group, FILE_HEADER_BYTES + (index + 1) * group);
    const header = whole.subarray(0, FILE_HEADER_BYTES);
    const other = encodeFileHeader('segment', 'fedcba9876543210', 1);
    for (const groups of [
      [header, at(0), at(2)],
      [header, at(1)],
      [header, at(0), at(0), at(1)],
      [header, at(1), at(0), at(2)],
      [other, at(0), at(1), at(2)],
    ]) {
      const changed = new MemoryDisk();
      changed.put(segment(1), Buffer.concat(groups));
      await expect(readBack(changed)).rejects.toThrow(JournalCorruptError);
    }
  });

  test('a file under another file\'s name is seen', async () => {
    const disk = await smallJournal();
    const second = disk.content(segment(2));
    disk.put(segment(3), second);
    await expect(readBack(disk)).rejects.toThrow('another file under this name');
    disk.put(segment(3), disk.content(snapshot(2)));
    await expect(readBack(disk)).rejects.toThrow('not a segment');
  });

  test('a missing segment is named', async () => {
    const disk = new MemoryDisk();
    for (let run = 1; run <= 4; run += 1) write(await startJournal(disk), `run-${run}`);
    for (const missing of [1, 2, 3]) {
      const damaged = disk.copy();
      damaged.files.delete(segment(missing));
      await expect(readBack(damaged)).rejects.toThrow(`"${segment(missing)}" at byte 0: the file is missing`);
    }
  });

  test('a snapshot without the segments it leads to, or they without it, are refused', async () => {
    const disk = await smallJournal();
    const alone = disk.copy();
    alone.files.delete(segment(2));
    await expect(readBack(alone)).rejects.toThrow('the file is missing');
    const without = disk.copy();
    without.files.delete(snapshot(2));
    await expect(readBack(without)).rejects.toThrow('the file is missing');
  });

  test('a snapshot without its footer, or with something after it, is not complete', async () => {
    const disk = await smallJournal();
    const whole = disk.content(snapshot(2));
    const footer = 36 + 4 + 8;
    disk.put(snapshot(2), whole.subarray(0, whole.length - footer));
    await expect(readBack(disk)).rejects.toThrow('the snapshot is not complete');
    disk.put(snapshot(2), Buffer.concat([whole, Buffer.alloc(10)]));
    await expect(readBack(disk)).rejects.toThrow(JournalCorruptError);
  });

  test('a newer format is refused as such, and never cut', async () => {
    const newer = new MemoryDisk();
    const header = encodeFileHeader('segment', ACTOR, 1);
    header[20] = 2;
    header[21] = 253;
    newer.put(segment(1), header);
    await expect(readBack(newer, 'truncate')).rejects.toThrow(JournalFormatError);
    await expect(readBack(newer)).rejects.toThrow('version 2, and this program knows versions up to 1');

    const frame = Buffer.alloc(36);
    const ours = encodeFileHeader('segment', ACTOR, 1);
    sealFrame(frame, 0, 36, 0, 0, 1, 1, fileHeaderCrc(ours));
    newer.put(segment(1), Buffer.concat([ours, frame]));
    expect((await readBack(newer)).report.tornBytes).toBe(0);
  });
});

describe('what an interrupted snapshot leaves', () => {
  /** The directory at the moment a snapshot took its name and nothing was removed yet. */
  async function beforeRemoval(): Promise<MemoryDisk> {
    const disk = new MemoryDisk();
    const journal = await startJournal(disk);
    write(journal, 'a');
    write(journal, 'b');
    const old = disk.copy();
    await snapshotOf(journal, 'state');
    write(journal, 'c');
    const both = disk.copy();
    both.put(segment(1), old.content(segment(1)));
    return both;
  }

  test('an unfinished one is removed and means nothing', async () => {
    const disk = await smallJournal();
    disk.put(`${snapshot(7)}.tmp`, Buffer.from('half'));
    expect((await readBack(disk)).records.length).toBe(8);
    expect(disk.files.has(`${snapshot(7)}.tmp`)).toBe(false);
  });

  test('segments it replaces are removed, unread', async () => {
    const disk = await beforeRemoval();
    expect((await readBack(disk)).records).toEqual(['*state', 'c']);
    expect([...disk.files.keys()].sort()).toEqual([segment(2), snapshot(2)]);
  });

  test('where it is damaged and they are still there, they are used', async () => {
    const disk = await beforeRemoval();
    const bytes = Buffer.from(disk.content(snapshot(2)));
    bytes[bytes.length - 1]! ^= 1;
    disk.put(snapshot(2), bytes);
    expect((await readBack(disk)).records).toEqual(['a', 'b', 'c']);
    expect(disk.files.has(segment(1))).toBe(true);
    disk.files.delete(segment(1));
    await expect(readBack(disk)).rejects.toThrow(JournalCorruptError);
  });

  test('the next snapshot removes a damaged one', async () => {
    const disk = await beforeRemoval();
    disk.put(snapshot(2), Buffer.from('damaged'));
    const journal = await startJournal(disk);
    await snapshotOf(journal, 'newer');
    await settle();
    expect((await readBack(disk)).records).toEqual(['*newer']);
    expect([...disk.files.keys()].filter((path) => path.includes('snap'))).toHaveLength(1);
  });
});
