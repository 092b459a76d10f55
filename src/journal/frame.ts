/**
 * The bytes of journal files. Segments and snapshots are alike: a file header, then frames, each
 * holding one group of records.
 *
 *   file header, 50 bytes      magic 20 · version u8 · its complement u8 · actor 16 · number f64 · crc u32
 *   frame header, 36 bytes     version u8 · flags u8 · 0 u16 · records u32 · body length u32 ·
 *                              body crc u32 · nowMs f64 · wallMs f64 · header crc u32
 *   frame body                 for each record: length u32, bytes
 *
 * Little-endian throughout. The crc of a frame header is seeded with that of the header before it
 * (the first with the file header's), so a frame that is missing, moved or from another file fails
 * its check like a flipped bit. Header and body have a crc each because they answer different
 * questions: only with a trusted length does "the file ends before the body does" mean a torn
 * write, and not a damaged length.
 *
 * The version byte has its complement beside it for ever, in every future format: so a newer file
 * is told from a damaged one without knowing anything else about its layout.
 */
import { crc32 } from 'node:zlib';
import { JournalCorruptError, JournalFormatError } from './journal-errors.ts';

/** Format of everything this file writes. It reads this one and the one before. */
export const FORMAT_VERSION = 1;

export const FILE_HEADER_BYTES = 50;
export const FRAME_HEADER_BYTES = 36;
/** Before each record's bytes. */
export const RECORD_LENGTH_BYTES = 4;

/** Frame flag: the run that wrote this closed its journal itself. The frame holds no records. */
export const FLAG_CLEAN = 1;
/** Frame flag: the last frame of a snapshot, which says how many records came before it. */
export const FLAG_FOOTER = 2;

export type FileKind = 'segment' | 'snapshot';

const MAGIC_BYTES = 20;
const MAGIC: Record<FileKind, Buffer> = {
  segment: Buffer.from('leasehold-journal'.padEnd(MAGIC_BYTES, '\0'), 'latin1'),
  snapshot: Buffer.from('leasehold-snapshot'.padEnd(MAGIC_BYTES, '\0'), 'latin1'),
};
const VERSION_AT = 20;
const ACTOR_AT = 22;
const ACTOR_BYTES = 16;
const NUMBER_AT = 38;
const FILE_CRC_AT = 46;

const RECORDS_AT = 4;
const BODY_LENGTH_AT = 8;
const BODY_CRC_AT = 12;
const NOW_AT = 16;
const WALL_AT = 24;
const FRAME_CRC_AT = 32;

export const RESTORE_REMEDY =
  'Restore the directory from a copy, or move it away and start with an empty one.';

/** The header that opens a file; `actor` is 16 hexadecimal digits, `number` the one in its name. */
export function encodeFileHeader(kind: FileKind, actor: string, number: number): Buffer {
  if (!/^[0-9a-f]{16}$/.test(actor)) {
    throw new RangeError(`An actor is 16 hexadecimal digits, not "${actor}"`);
  }
  const header = Buffer.alloc(FILE_HEADER_BYTES);
  MAGIC[kind].copy(header);
  header[VERSION_AT] = FORMAT_VERSION;
  header[VERSION_AT + 1] = 255 - FORMAT_VERSION;
  header.write(actor, ACTOR_AT, ACTOR_BYTES, 'latin1');
  header.writeDoubleLE(number, NUMBER_AT);
  header.writeUInt32LE(crc32(header.subarray(0, FILE_CRC_AT)), FILE_CRC_AT);
  return header;
}

/** The crc at the end of a file header: the seed of the first frame's. */
export function fileHeaderCrc(header: Buffer): number {
  return header.readUInt32LE(FILE_CRC_AT);
}

/**
 * Checks the header of `file` and returns the seed for its first frame.
 * Throws JournalFormatError for a newer format, JournalCorruptError for anything else unexpected.
 */
export function checkFileHeader(kind: FileKind, number: number, header: Buffer, file: string): number {
  if (!header.subarray(0, MAGIC_BYTES).equals(MAGIC[kind])) {
    throw new JournalCorruptError(file, 0, `it is not a ${kind}`, RESTORE_REMEDY);
  }
  const version = header.readUInt8(VERSION_AT);
  if (header.readUInt8(VERSION_AT + 1) !== 255 - version) {
    throw new JournalCorruptError(file, VERSION_AT, 'its version is damaged', RESTORE_REMEDY);
  }
  if (version > FORMAT_VERSION) throw new JournalFormatError(file, version, FORMAT_VERSION);
  const crc = fileHeaderCrc(header);
  if (version < FORMAT_VERSION - 1 || version === 0 || crc32(header.subarray(0, FILE_CRC_AT)) !== crc) {
    throw new JournalCorruptError(file, 0, 'its header is damaged', RESTORE_REMEDY);
  }
  if (header.readDoubleLE(NUMBER_AT) !== number) {
    throw new JournalCorruptError(file, NUMBER_AT, 'it is another file under this name', RESTORE_REMEDY);
  }
  return crc;
}

/**
 * Fills in the frame header at `at`, for a body that already stands behind it.
 * `seed` is the crc of the header before; returns this one's, the seed of the next.
 */
export function sealFrame(
  bytes: Buffer,
  at: number,
  end: number,
  flags: number,
  records: number,
  nowMs: number,
  wallMs: number,
  seed: number,
): number {
  const body = at + FRAME_HEADER_BYTES;
  bytes[at] = FORMAT_VERSION;
  bytes[at + 1] = flags;
  bytes[at + 2] = 0;
  bytes[at + 3] = 0;
  bytes.writeUInt32LE(records, at + RECORDS_AT);
  bytes.writeUInt32LE(end - body, at + BODY_LENGTH_AT);
  bytes.writeUInt32LE(end === body ? 0 : crc32(bytes.subarray(body, end)), at + BODY_CRC_AT);
  bytes.writeDoubleLE(nowMs, at + NOW_AT);
  bytes.writeDoubleLE(wallMs, at + WALL_AT);
  const crc = crc32(bytes.subarray(at, at + FRAME_CRC_AT), seed);
  bytes.writeUInt32LE(crc, at + FRAME_CRC_AT);
  return crc;
}

export interface FrameHeader {
  readonly version: number;
  readonly flags: number;
  readonly records: number;
  readonly bodyBytes: number;
  readonly bodyCrc: number;
  readonly nowMs: number;
  readonly wallMs: number;
  /** Seed of the next frame header's crc. */
  readonly crc: number;
}

/** The frame header at `at`, or undefined when its crc is wrong. */
export function readFrameHeader(bytes: Buffer, at: number, seed: number): FrameHeader | undefined {
  const crc = bytes.readUInt32LE(at + FRAME_CRC_AT);
  if (crc32(bytes.subarray(at, at + FRAME_CRC_AT), seed) !== crc) return undefined;
  return {
    version: bytes.readUInt8(at),
    flags: bytes.readUInt8(at + 1),
    records: bytes.readUInt32LE(at + RECORDS_AT),
    bodyBytes: bytes.readUInt32LE(at + BODY_LENGTH_AT),
    bodyCrc: bytes.readUInt32LE(at + BODY_CRC_AT),
    nowMs: bytes.readDoubleLE(at + NOW_AT),
    wallMs: bytes.readDoubleLE(at + WALL_AT),
    crc,
  };
}

/** True when the crc of `body` is right and its records fill it exactly. */
export function bodyIsSound(header: FrameHeader, body: Buffer): boolean {
  if (header.bodyCrc !== (body.length === 0 ? 0 : crc32(body))) return false;
  let at = 0;
  for (let record = 0; record < header.records; record += 1) {
    if (at + RECORD_LENGTH_BYTES > body.length) return false;
    at += RECORD_LENGTH_BYTES + body.readUInt32LE(at);
  }
  return at === body.length;
}
