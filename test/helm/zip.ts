/** Reads one file out of a ZIP archive: enough for archives that a package brings, no unzip needed. */
import { inflateRawSync } from 'node:zlib';

const DIRECTORY_END = 0x06054b50;
const DIRECTORY_ENTRY = 0x02014b50;
/** The end of the directory without a comment; one may follow it. */
const DIRECTORY_END_BYTES = 22;
const COMMENT_BYTES_MAX = 0xffff;
const DEFLATED = 8;

/**
 * The content of the file called `name`.
 *
 * @throws Error when it is no such archive, or has no such file
 */
export function fileInZip(zip: Buffer, name: string): Buffer {
  let end = zip.length - DIRECTORY_END_BYTES;
  const earliest = Math.max(0, end - COMMENT_BYTES_MAX);
  while (end >= earliest && zip.readUInt32LE(end) !== DIRECTORY_END) end -= 1;
  if (end < earliest) throw new Error('This is no ZIP archive');
  const entries = zip.readUInt16LE(end + 10);
  let at = zip.readUInt32LE(end + 16);
  for (let entry = 0; entry < entries && zip.readUInt32LE(at) === DIRECTORY_ENTRY; entry += 1) {
    const nameBytes = zip.readUInt16LE(at + 28);
    if (zip.toString('utf8', at + 46, at + 46 + nameBytes) === name) {
      const packedBytes = zip.readUInt32LE(at + 20);
      const local = zip.readUInt32LE(at + 42);
      // The local header repeats the name, with extra fields of its own.
      const from = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
      const packed = zip.subarray(from, from + packedBytes);
      return zip.readUInt16LE(at + 10) === DEFLATED ? inflateRawSync(packed) : packed;
    }
    at += 46 + nameBytes + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  throw new Error(`The archive has no file ${name}`);
}
