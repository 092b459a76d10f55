/**
 * Reading a data directory back: the newest snapshot, then every segment from its number on, in
 * order, nothing missing. What a dying process leaves at the end of the newest segment is cut off
 * and counted; anything else that is not as it was written stops the start, because serving state
 * with a hole in it would be worse than not serving.
 *
 * A snapshot takes its name only when it is whole, so a damaged one is real damage. Where the
 * files it replaced are still there (the process died before removing them) they are used instead:
 * for that the snapshot is read twice, once to be sure of it, before any record is handed on.
 */
import { failpoint } from './failpoint.ts';
import { FILE_HEADER_BYTES, FLAG_CLEAN, RECORD_LENGTH_BYTES, RESTORE_REMEDY } from './frame.ts';
import type { FrameHeader } from './frame.ts';
import { listDirectory, removeBefore, segmentName, snapshotName } from './directory.ts';
import { readFrames, readSnapshotFrames } from './frame-reader.ts';
import type { FileRead } from './frame-reader.ts';
import { JournalCorruptError } from './journal-errors.ts';
import type { JournalHost } from './journal-host.ts';
import type { RecoveredRecord, RecoveryReport } from './journal.ts';

/** The loop is let go at least this often, so that health checks are answered meanwhile. */
const WORK_SLICE_MS = 8;
/** Records between two looks at the clock: a power of two. */
const RECORDS_PER_LOOK = 64;

const TRUNCATE_REMEDY =
  'Restore the directory from a copy; or start once with journal.onCorruption "truncate", which ' +
  'gives up everything from that byte on.';

export interface RecoverySource extends JournalHost {
  readonly directory: string;
  /** What to do with damage in the newest segment; anywhere else it is always refused. */
  readonly onCorruption: 'refuse' | 'truncate';
}

export interface RecoveryProgress {
  readonly bytesRead: number;
  readonly bytesTotal: number;
}

/** The report, and what the writer must know to go on. */
export interface Recovered {
  readonly report: RecoveryReport;
  /** The number this run's first segment gets. */
  readonly nextSegment: number;
  /** Bytes by number, of the segments that count. */
  readonly segments: ReadonlyMap<number, number>;
  readonly snapshotBytes: number;
}

/**
 * Hands every record on, synchronously and in order; `bytes` of a record are valid only during
 * the call. Throws JournalCorruptError, JournalFormatError; what was handed on until then must
 * be thrown away.
 */
export async function recoverDirectory(
  source: RecoverySource,
  onRecord: (record: RecoveredRecord) => void,
  onProgress: (progress: RecoveryProgress) => void,
): Promise<Recovered> {
  return new Recovery(source, onRecord, onProgress).run();
}

class Recovery {
  readonly #source: RecoverySource;
  readonly #onRecord: (record: RecoveredRecord) => void;
  readonly #onProgress: (progress: RecoveryProgress) => void;
  #bytesRead = 0;
  #bytesTotal = 0;
  #restAtMs: number;
  #delivered = 0;
  #groups = 0;
  #clean = false;
  #lastNowMs: number | undefined;
  #lastWallMs: number | undefined;

  constructor(
    source: RecoverySource,
    onRecord: (record: RecoveredRecord) => void,
    onProgress: (progress: RecoveryProgress) => void,
  ) {
    this.#source = source;
    this.#restAtMs = source.machine.monotonicMs() + WORK_SLICE_MS;
    this.#onRecord = onRecord;
    this.#onProgress = onProgress;
  }

  async run(): Promise<Recovered> {
    const { fileSystem, directory } = this.#source;
    const listing = await listDirectory(fileSystem, directory);
    for (const name of listing.unfinished) await fileSystem.remove(`${directory}/${name}`);

    const snapshot = await this.#chooseSnapshot(listing.snapshots, listing.segments);
    const segments = listing.segments.filter((number) => number >= (snapshot ?? 1));
    this.#requireWhole(snapshot, segments, listing.segments);

    const snapshotBytes =
      snapshot === undefined ? 0 : await fileSystem.size(`${directory}/${snapshotName(snapshot)}`);
    const sizes = new Map<number, number>();
    for (const number of segments) {
      sizes.set(number, await fileSystem.size(`${directory}/${segmentName(number)}`));
    }
    this.#bytesTotal = snapshotBytes + [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);

    if (snapshot !== undefined) await this.#readSnapshot(snapshot, true);
    const snapshotRecords = this.#delivered;
    const newest = segments.at(-1);
    let tornBytes = 0;
    let nextSegment = 1;
    for (const number of segments) {
      const read = await this.#readSegment(number, number === newest);
      sizes.set(number, read.goodBytes);
      if (number !== newest) continue;
      tornBytes = read.bytes - read.goodBytes;
      nextSegment = read.goodBytes > FILE_HEADER_BYTES ? number + 1 : number;
    }
    // A segment without groups is written anew by this run: a start that never gets further leaves
    // one file, however often it is tried.
    sizes.delete(nextSegment);
    if (snapshot !== undefined) await removeBefore(fileSystem, directory, snapshot, () => {});

    return {
      report: {
        found: listing.segments.length + listing.snapshots.length > 0,
        clean: this.#clean,
        snapshotRecords,
        groups: this.#groups,
        records: this.#delivered - snapshotRecords,
        bytes: this.#bytesTotal - tornBytes,
        tornBytes,
        lastNowMs: this.#lastNowMs,
        lastWallMs: this.#lastWallMs,
      },
      nextSegment,
      segments: sizes,
      snapshotBytes,
    };
  }

  /** Number of the newest snapshot that can be used, undefined to start from the first segment. */
  async #chooseSnapshot(
    snapshots: readonly number[],
    segments: readonly number[],
  ): Promise<number | undefined> {
    for (let index = snapshots.length - 1; index >= 0; index -= 1) {
      const older = [1, ...snapshots.slice(0, index)];
      const replaceable = older.some((start) => isWhole(start, segments));
      if (!replaceable || (await this.#isSound(snapshots[index]!))) return snapshots[index];
    }
    return undefined;
  }

  async #isSound(snapshot: number): Promise<boolean> {
    try {
      await this.#readSnapshot(snapshot, false);
      return true;
    } catch (error) {
      if (error instanceof JournalCorruptError) return false;
      throw error;
    }
  }

  #requireWhole(
    snapshot: number | undefined,
    segments: readonly number[],
    all: readonly number[],
  ): void {
    const start = snapshot ?? 1;
    if (isWhole(start, segments)) return;
    if (snapshot === undefined && all.length === 0) return;
    let missing = start;
    while (segments.includes(missing)) missing += 1;
    const path = `${this.#source.directory}/${segmentName(missing)}`;
    throw new JournalCorruptError(path, 0, 'the file is missing', RESTORE_REMEDY);
  }

  async #readSnapshot(number: number, deliver: boolean): Promise<void> {
    const path = `${this.#source.directory}/${snapshotName(number)}`;
    await readSnapshotFrames(
      { ...this.#fileAt(path, deliver), number, mayBeTorn: false, remedy: RESTORE_REMEDY },
      (header, body) => {
        if (!deliver) return this.#restWhenDue();
        this.#lastNowMs = header.nowMs;
        this.#lastWallMs = header.wallMs;
        return this.#deliver(header, body, 0, true);
      },
    );
  }

  async #readSegment(number: number, newest: boolean): Promise<FileRead> {
    const path = `${this.#source.directory}/${segmentName(number)}`;
    this.#clean = false;
    let read: FileRead;
    try {
      read = await readFrames(
        {
          ...this.#fileAt(path, true),
          kind: 'segment',
          number,
          mayBeTorn: newest,
          remedy: newest ? TRUNCATE_REMEDY : RESTORE_REMEDY,
        },
        (header, body) => {
          this.#lastNowMs = header.nowMs;
          this.#lastWallMs = header.wallMs;
          this.#clean = (header.flags & FLAG_CLEAN) !== 0;
          if (header.records === 0) return undefined;
          this.#groups += 1;
          return this.#deliver(header, body, 0, false);
        },
      );
    } catch (error) {
      const give = newest && this.#source.onCorruption === 'truncate';
      if (!give || !(error instanceof JournalCorruptError)) throw error;
      const bytes = await this.#source.fileSystem.size(path);
      read = { goodBytes: error.offset, bytes, frames: 0 };
    }
    if (read.goodBytes < read.bytes) this.#clean = false;
    if (newest) await this.#settle(path, read);
    return read;
  }

  #fileAt(path: string, counts: boolean) {
    return {
      fileSystem: this.#source.fileSystem,
      path,
      onRead: (bytes: number) => {
        if (!counts) return;
        this.#bytesRead += bytes;
        this.#onProgress({ bytesRead: this.#bytesRead, bytesTotal: this.#bytesTotal });
      },
    };
  }

  /**
   * Cuts a torn end off, and syncs: the dead process may not have, and once there is a newer
   * segment this one must never be found torn again.
   */
  async #settle(path: string, read: FileRead): Promise<void> {
    const { fileSystem } = this.#source;
    const fd = await fileSystem.open(path, 'r+');
    try {
      if (read.goodBytes < read.bytes) await fileSystem.truncate(fd, read.goodBytes);
      await fileSystem.syncData(fd);
    } finally {
      await fileSystem.close(fd);
    }
    if (read.goodBytes < read.bytes) failpoint(this.#source.failpoints, 'recover-after-truncate');
  }

  /** Hands on the records of `body` from `at`; a promise only when it paused on the way. */
  #deliver(header: FrameHeader, body: Buffer, at: number, snapshot: boolean): Promise<void> | undefined {
    const { nowMs, wallMs } = header;
    let next = at;
    while (next < body.length) {
      const start = next + RECORD_LENGTH_BYTES;
      next = start + body.readUInt32LE(next);
      this.#onRecord({ bytes: body.subarray(start, next), nowMs, wallMs, snapshot });
      this.#delivered += 1;
      if ((this.#delivered & (RECORDS_PER_LOOK - 1)) !== 0) continue;
      const resting = this.#restWhenDue();
      if (resting !== undefined) {
        return resting.then(() => this.#deliver(header, body, next, snapshot));
      }
    }
    return undefined;
  }

  #restWhenDue(): Promise<void> | undefined {
    const { machine } = this.#source;
    if (machine.monotonicMs() < this.#restAtMs) return undefined;
    return new Promise((resolve) => {
      machine.soon(() => {
        this.#restAtMs = machine.monotonicMs() + WORK_SLICE_MS;
        resolve();
      });
    });
  }
}

/** True when the segments from `start` on are there without a gap, at least one. */
function isWhole(start: number, segments: readonly number[]): boolean {
  const from = segments.filter((number) => number >= start);
  return from.length > 0 && from.every((number, index) => number === start + index);
}
