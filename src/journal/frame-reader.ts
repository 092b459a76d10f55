/**
 * Reads one journal file from front to back, in large pieces, and checks every byte of it before
 * anything is handed on. It tells three endings apart: whole; torn, which is what a process leaves
 * behind that died while writing (an incomplete header, a body that runs past the end of a file,
 * zeros where a file was extended and never filled, or a group with a whole sector of zeros in it: a
 * machine that loses its power need not have written the sectors of a file in their order); and
 * damaged, which is everything else. The rule for sectors is that of etcd's write-ahead log.
 */
import type { FileSystem } from './file-system.ts';
import {
  bodyIsSound,
  checkFileHeader,
  FILE_HEADER_BYTES,
  FLAG_CLEAN,
  FLAG_FOOTER,
  FORMAT_VERSION,
  FRAME_HEADER_BYTES,
  readFrameHeader,
  RECORD_LENGTH_BYTES,
} from './frame.ts';
import type { FileKind, FrameHeader } from './frame.ts';
import { JournalCorruptError, JournalFormatError } from './journal-errors.ts';

/** One read: large enough that calls cost nothing beside checking, small enough to hold. */
const READ_BYTES = 4 * 1024 * 1024;

export interface FileToRead {
  readonly fileSystem: FileSystem;
  readonly path: string;
  readonly kind: FileKind;
  readonly number: number;
  /** A torn end is an ending like another, not damage: for the newest segment only. */
  readonly mayBeTorn: boolean;
  /** What the reader of an error can do. */
  readonly remedy: string;
  /** What follows these bytes is left alone: it is being written. Absent: all of it counts. */
  readonly bytesMax?: number;
  readonly onRead: (bytes: number) => void;
}

export interface FileRead {
  /** Everything before this byte is good, and has been handed on. */
  readonly goodBytes: number;
  readonly bytes: number;
  readonly frames: number;
}

/**
 * Calls `onFrame` for every frame in order; `body` is valid until its return value settles.
 * Throws JournalCorruptError, JournalFormatError.
 */
export async function readFrames(
  file: FileToRead,
  onFrame: (header: FrameHeader, body: Buffer, endsFile: boolean) => Promise<void> | undefined,
): Promise<FileRead> {
  const size = await file.fileSystem.size(file.path);
  const fd = await file.fileSystem.open(file.path, 'r');
  try {
    const { bytesMax = size } = file;
    if (size < bytesMax) throw new JournalCorruptError(file.path, size, 'it became shorter', file.remedy);
    return await readWindow(file, new Window(file, fd, bytesMax), onFrame);
  } finally {
    await file.fileSystem.close(fd);
  }
}

/**
 * The frames of a snapshot but for the last one, which says how many records there must be. Throws
 * JournalCorruptError also when there are not so many.
 */
export async function readSnapshotFrames(
  file: Omit<FileToRead, 'kind'>,
  onFrame: (header: FrameHeader, body: Buffer) => Promise<void> | undefined,
): Promise<void> {
  let records = 0;
  let footer: number | undefined;
  const { goodBytes } = await readFrames({ ...file, kind: 'snapshot' }, (header, body, endsFile) => {
    if ((header.flags & FLAG_FOOTER) !== 0) {
      footer = endsFile ? body.readDoubleLE(RECORD_LENGTH_BYTES) : undefined;
      return undefined;
    }
    records += header.records;
    return onFrame(header, body);
  });
  if (footer !== records) {
    throw new JournalCorruptError(file.path, goodBytes, 'the snapshot is not complete', file.remedy);
  }
}

async function readWindow(
  file: FileToRead,
  window: Window,
  onFrame: (header: FrameHeader, body: Buffer, endsFile: boolean) => Promise<void> | undefined,
): Promise<FileRead> {
  const bytes = window.left;
  let frames = 0;
  const torn = (): FileRead => {
    const goodBytes = bytes - window.left;
    if (file.mayBeTorn) return { goodBytes, bytes, frames };
    throw new JournalCorruptError(file.path, goodBytes, 'it ends in the middle', file.remedy);
  };

  if (window.left < FILE_HEADER_BYTES) return torn();
  if (window.available < FILE_HEADER_BYTES) await window.fill(FILE_HEADER_BYTES);
  if (file.mayBeTorn && (await window.hasUnwrittenSector(FILE_HEADER_BYTES))) return torn();
  if (window.bytes[window.start] === 0) {
    throw new JournalCorruptError(file.path, 0, `it is not a ${file.kind}`, file.remedy);
  }
  let seed = checkFileHeader(file.kind, file.number, window.peek(0, FILE_HEADER_BYTES), file.path);
  window.pass(FILE_HEADER_BYTES);

  while (window.left > 0) {
    if (window.left < FRAME_HEADER_BYTES) return torn();
    if (window.available < FRAME_HEADER_BYTES) await window.fill(FRAME_HEADER_BYTES);
    const header = readFrameHeader(window.bytes, window.start, seed);
    if (header === undefined) {
      if (file.mayBeTorn && (await window.hasUnwrittenSector(FRAME_HEADER_BYTES))) return torn();
      throw new JournalCorruptError(file.path, bytes - window.left, 'a group is damaged', file.remedy);
    }
    if (header.version > FORMAT_VERSION) {
      throw new JournalFormatError(file.path, header.version, FORMAT_VERSION);
    }
    const length = FRAME_HEADER_BYTES + header.bodyBytes;
    if (window.left < length) return torn();
    if (window.available < length) await window.fill(length);
    const body = window.peek(FRAME_HEADER_BYTES, header.bodyBytes);
    if (!bodyIsSound(header, body)) {
      const mayBeUnwritten = file.mayBeTorn && (await window.hasUnwrittenSector(length));
      if (mayBeUnwritten && !(await window.endsClean(header))) return torn();
      throw new JournalCorruptError(file.path, bytes - window.left, 'a group is damaged', file.remedy);
    }
    const resting = onFrame(header, body, window.left === length);
    if (resting !== undefined) await resting;
    seed = header.crc;
    frames += 1;
    window.pass(length);
  }
  return { goodBytes: bytes, bytes, frames };
}

/** Disks write so much at once, or nothing of it. */
const SECTOR_BYTES = 512;

/** A stretch of the file in memory that moves forward. */
class Window {
  readonly #file: FileToRead;
  readonly #fd: number;
  readonly #size: number;
  /** Where in the file the next read starts. */
  #readAt = 0;
  #end = 0;
  start = 0;
  bytes: Buffer;
  /** Bytes of the file from `start` on. */
  left: number;

  constructor(file: FileToRead, fd: number, size: number) {
    this.#file = file;
    this.#fd = fd;
    this.#size = size;
    this.left = size;
    this.bytes = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, Math.max(size, 1)));
  }

  /** Bytes from `start` on that are in memory. */
  get available(): number {
    return this.#end - this.start;
  }

  peek(offset: number, length: number): Buffer {
    return this.bytes.subarray(this.start + offset, this.start + offset + length);
  }

  pass(length: number): void {
    this.start += length;
    this.left -= length;
  }

  /** Brings at least `wanted` bytes, no more than are left, into memory. */
  async fill(wanted: number): Promise<void> {
    const held = this.available;
    if (wanted > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(wanted);
      this.bytes.copy(larger, 0, this.start, this.#end);
      this.bytes = larger;
    } else {
      this.bytes.copyWithin(0, this.start, this.#end);
    }
    this.start = 0;
    this.#end = held;
    while (this.#end < wanted) {
      const room = Math.min(this.bytes.length - this.#end, this.#size - this.#readAt);
      const got = await this.#file.fileSystem.read(this.#fd, this.bytes, this.#end, room, this.#readAt);
      if (got <= 0) {
        throw new JournalCorruptError(
          this.#file.path,
          this.#readAt,
          'it became shorter while it was read',
          this.#file.remedy,
        );
      }
      this.#end += got;
      this.#readAt += got;
      this.#file.onRead(got);
    }
  }

  /**
   * Whether the file was closed in good order behind the frame of `header`, which comes next: all of
   * it was synced then. By the headers alone, each of which says how far it is to the next.
   */
  async endsClean(header: FrameHeader): Promise<boolean> {
    const bytes = Buffer.alloc(FRAME_HEADER_BYTES);
    let last = header;
    let at = this.#size - this.left;
    for (;;) {
      at += FRAME_HEADER_BYTES + last.bodyBytes;
      if (at >= this.#size) return at === this.#size && (last.flags & FLAG_CLEAN) !== 0;
      const got = await this.#file.fileSystem.read(this.#fd, bytes, 0, FRAME_HEADER_BYTES, at);
      const next = got < FRAME_HEADER_BYTES ? undefined : readFrameHeader(bytes, 0, last.crc);
      if (next === undefined) return false;
      last = next;
    }
  }

  /** Whether the next `length` bytes reach into a sector that is zeros from there to its end. */
  async hasUnwrittenSector(length: number): Promise<boolean> {
    const from = this.#size - this.left;
    const past = Math.min(this.#size, Math.ceil((from + length) / SECTOR_BYTES) * SECTOR_BYTES);
    await this.fill(past - from);
    for (let at = from; at < past; ) {
      const end = Math.min(past, (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES);
      if (isZero(this.peek(at - from, end - at))) return true;
      at = end;
    }
    return false;
  }
}

/** One native comparison: the first byte is zero and each equals the one after it. */
function isZero(chunk: Buffer): boolean {
  return chunk[0] === 0 && chunk.compare(chunk, 1, chunk.length, 0, chunk.length - 1) === 0;
}
