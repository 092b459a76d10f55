/**
 * Groups on their way to a file: records are copied in, a group is sealed into a frame in place,
 * and stays until its write has succeeded, so a write that fails can be done again from the same
 * bytes. One buffer serves a write in flight and the appends behind it: appends only touch what
 * lies after the sealed frames, and growing leaves the old memory to the write that reads it.
 *
 * A mark says that what is sealed after it belongs to the next file.
 */
import { FRAME_HEADER_BYTES, RECORD_LENGTH_BYTES, sealFrame } from './frame.ts';

/** What is kept for reuse once empty; a burst's larger buffer goes back to the collector. */
const RETAINED_BYTES_MAX = 8 * 1024 * 1024;
const INITIAL_BYTES = 256 * 1024;

interface Mark {
  offset: number;
  /** Last group before the mark. */
  readonly position: number;
}

export class GroupBuffer {
  readonly #limitBytes: number;
  #bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #usedBytes = 0;
  #sealedBytes = 0;
  #sealedPosition = 0;
  /** Records in the group that is still open. */
  #records = 0;
  #seed: number;
  #marks: Mark[] = [];

  /** `seed`: crc of the file header that the first frame follows. Never holds over `limitBytes`. */
  constructor(seed: number, limitBytes: number) {
    this.#seed = seed;
    this.#limitBytes = limitBytes;
  }

  /** The memory that `firstBytes` counts in; appends may replace it, never change that part of it. */
  get bytes(): Buffer {
    return this.#bytes;
  }
  get usedBytes(): number {
    return this.#usedBytes;
  }
  get openRecords(): number {
    return this.#records;
  }
  /** Bytes of the open group so far. */
  get openBytes(): number {
    return this.#usedBytes - this.#sealedBytes;
  }
  /** Number of the last sealed group; the open one has the next. */
  get sealedPosition(): number {
    return this.#sealedPosition;
  }
  get marks(): number {
    return this.#marks.length;
  }
  /** Sealed bytes that go to the current file. */
  get firstBytes(): number {
    return this.#marks.length === 0 ? this.#sealedBytes : this.#marks[0]!.offset;
  }
  /** Number of the last group within `firstBytes`. */
  get firstPosition(): number {
    return this.#marks.length === 0 ? this.#sealedPosition : this.#marks[0]!.position;
  }

  /** False when a record of `length` bytes would go beyond the limit. */
  fits(length: number): boolean {
    return this.#usedBytes + FRAME_HEADER_BYTES * 2 + RECORD_LENGTH_BYTES + length <= this.#limitBytes;
  }

  /** Copies `record[start, end)` into the open group. The caller has asked `fits`. */
  append(record: Uint8Array, start: number, end: number): void {
    const length = end - start;
    const at = this.#records === 0 ? this.#usedBytes + FRAME_HEADER_BYTES : this.#usedBytes;
    const body = at + RECORD_LENGTH_BYTES;
    if (body + length > this.#bytes.length) this.#grow(body + length);
    const bytes = this.#bytes;
    bytes[at] = length;
    bytes[at + 1] = length >>> 8;
    bytes[at + 2] = length >>> 16;
    bytes[at + 3] = length >>> 24;
    bytes.set(start === 0 && end === record.length ? record : record.subarray(start, end), body);
    this.#usedBytes = body + length;
    this.#records += 1;
  }

  /** Closes the open group into a frame; one without records is sealed too. */
  seal(flags: number, nowMs: number, wallMs: number): void {
    const start = this.#sealedBytes;
    if (this.#records === 0) {
      if (start + FRAME_HEADER_BYTES > this.#bytes.length) this.#grow(start + FRAME_HEADER_BYTES);
      this.#usedBytes = start + FRAME_HEADER_BYTES;
    }
    const end = this.#usedBytes;
    this.#seed = sealFrame(this.#bytes, start, end, flags, this.#records, nowMs, wallMs, this.#seed);
    this.#sealedBytes = end;
    this.#sealedPosition += 1;
    this.#records = 0;
  }

  /** What is sealed from here on follows the file header whose crc is `seed`. */
  mark(seed: number): void {
    this.#marks.push({ offset: this.#sealedBytes, position: this.#sealedPosition });
    this.#seed = seed;
  }

  /** The current file is complete: what follows the first mark is now first. */
  passMark(): void {
    this.#marks.shift();
  }

  /** Forgets the first `count` bytes: they have been written. */
  discard(count: number): void {
    if (count < this.#usedBytes) this.#bytes.copyWithin(0, count, this.#usedBytes);
    this.#usedBytes -= count;
    this.#sealedBytes -= count;
    for (const mark of this.#marks) mark.offset -= count;
    if (this.#usedBytes === 0 && this.#bytes.length > RETAINED_BYTES_MAX) {
      this.#bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    }
  }

  #grow(wanted: number): void {
    let size = this.#bytes.length;
    while (size < wanted) size *= 2;
    const larger = Buffer.allocUnsafeSlow(size);
    this.#bytes.copy(larger, 0, 0, this.#usedBytes);
    this.#bytes = larger;
  }
}
