/**
 * Reading the journal back while it is being written: what a restart would read, up to the last group
 * of one instant, with every checksum verified and nothing changed. Recovery may cut a torn end off
 * and refuse the rest; here everything up to that instant was written whole, so whatever is not as it
 * was written is damage.
 *
 * A snapshot that is finished meanwhile takes the files away. Then nothing is wrong, but there is
 * nothing to be learned either.
 */
import { segmentName, snapshotName } from './directory.ts';
import type { FileSystem } from './file-system.ts';
import { RECORD_LENGTH_BYTES } from './frame.ts';
import { readFrames, readSnapshotFrames } from './frame-reader.ts';
import { JournalCorruptError, JournalFormatError } from './journal-errors.ts';

/** Records between two looks at the pace: a power of two. */
const RECORDS_PER_LOOK = 64;
const REMEDY = 'A snapshot of what is in memory replaces it.';

/** The files a restart would read at one instant. */
export interface JournalExtent {
  /** Of the first segment, and of the snapshot before it where that is not the first of all. */
  readonly firstSegment: number;
  readonly lastSegment: number;
  /** Of the last segment; those before it count whole. */
  readonly lastSegmentBytes: number;
}

/** How fast it may go. */
export interface ReadPace {
  onRead(bytes: number): void;
  /** Asked between records; a promise when it is time to rest. May throw, to end the reading. */
  restWhenDue(): Promise<void> | undefined;
}

/** One record; valid only during the call. */
export type OnReadBack = (bytes: Uint8Array) => void;

export type ReadBack =
  /** All of it was handed on. */
  | { readonly outcome: 'whole' }
  /** A snapshot has replaced the files. */
  | { readonly outcome: 'overtaken' }
  /** A restart would refuse. `offset`: the byte in `file` from which on it cannot be trusted. */
  | { readonly outcome: 'damaged'; readonly file: string; readonly offset: number };

/**
 * Hands every record of `extent` to `onRecord`, oldest first. `isOvertaken` is asked when a file is
 * not there. Rejects with what `onRecord` or the pace threw, or with an error of the disk that says
 * nothing of what is on it.
 */
export async function readBack(
  { fileSystem, directory }: { readonly fileSystem: FileSystem; readonly directory: string },
  { firstSegment, lastSegment, lastSegmentBytes }: JournalExtent,
  onRecord: OnReadBack,
  pace: ReadPace,
  isOvertaken: () => boolean,
): Promise<ReadBack> {
  const deliver = new Delivery(onRecord, pace);
  let path = '';
  const file = (name: string, number: number) => {
    path = `${directory}/${name}`;
    return {
      fileSystem, path, number, mayBeTorn: false, remedy: REMEDY,
      onRead: (bytes: number) => pace.onRead(bytes),
    };
  };
  try {
    if (firstSegment > 1) {
      await readSnapshotFrames(file(snapshotName(firstSegment), firstSegment), (_header, body) => deliver.group(body));
    }
    for (let number = firstSegment; number <= lastSegment; number += 1) {
      const bytesMax = number === lastSegment ? { bytesMax: lastSegmentBytes } : {};
      await readFrames(
        { ...file(segmentName(number), number), ...bytesMax, kind: 'segment' },
        (_header, body) => deliver.group(body),
      );
    }
    return { outcome: 'whole' };
  } catch (error) {
    if (error instanceof JournalCorruptError) return { outcome: 'damaged', file: error.file, offset: error.offset };
    if (error instanceof JournalFormatError) return { outcome: 'damaged', file: error.file, offset: 0 };
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && isOvertaken()) return { outcome: 'overtaken' };
    // A file that is gone, or a medium that does not give it back: a restart would fare no better.
    if (code === 'ENOENT' || code === 'EIO') return { outcome: 'damaged', file: path, offset: 0 };
    throw error;
  }
}

class Delivery {
  readonly #onRecord: OnReadBack;
  readonly #pace: ReadPace;
  #delivered = 0;

  constructor(onRecord: OnReadBack, pace: ReadPace) {
    this.#onRecord = onRecord;
    this.#pace = pace;
  }

  /** Hands on the records of a group; a promise only when it rested on the way. */
  group(body: Buffer): Promise<void> | undefined {
    // What was read for it is paid for first.
    const resting = this.#pace.restWhenDue();
    return resting === undefined ? this.#recordsFrom(body, 0) : resting.then(() => this.#recordsFrom(body, 0));
  }

  #recordsFrom(body: Buffer, from: number): Promise<void> | undefined {
    let at = from;
    while (at < body.length) {
      const start = at + RECORD_LENGTH_BYTES;
      at = start + body.readUInt32LE(at);
      this.#onRecord(body.subarray(start, at));
      this.#delivered += 1;
      if ((this.#delivered & (RECORDS_PER_LOOK - 1)) !== 0) continue;
      const resting = this.#pace.restWhenDue();
      if (resting !== undefined) return resting.then(() => this.#recordsFrom(body, at));
    }
    return undefined;
  }
}
