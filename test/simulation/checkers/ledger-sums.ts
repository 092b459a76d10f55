/**
 * Fingerprints and sums of the ledger as PROTOCOL §4.3 and §4.4 and the format of labels define
 * them, worked out here from nothing but records.
 */
import { hash } from 'node:crypto';
import type { RawDigest, RawSibling } from './checker.ts';

export const NO_SUM: RawDigest = { count: 0, high: 0, low: 0 };

export function sumOf(siblings: Iterable<Pick<RawSibling, 'hashHigh' | 'hashLow'>>): RawDigest {
  let count = 0;
  let high = 0;
  let low = 0;
  for (const { hashHigh, hashLow } of siblings) {
    count += 1;
    high = (high + hashHigh) % 2 ** 32;
    low = (low + hashLow) % 2 ** 32;
  }
  return { count, high, low };
}

export function isSameSum(one: RawDigest, other: RawDigest): boolean {
  return one.count === other.count && one.high === other.high && one.low === other.low;
}

export function sumText({ count, high, low }: RawDigest): string {
  return `${count} values, ${hex(high)}${hex(low)}`;
}

/** The chain after a change of `id` that left these values. */
export function chained(before: string, id: string, left: RawDigest): string {
  return hash('sha1', `${before}${id}${hex(left.high)}${hex(left.low)}`).slice(0, 16);
}

/** The first 64 bits of SHA-1 over key, a zero byte, dot, content type and value. */
export function fingerprintOf(key: string, { dot, label, value }: RawSibling): readonly [high: number, low: number] {
  const head = `${key}\0${dot.actor}.${dot.seq} ${contentTypeIn(label)} `;
  const digest = hash('sha1', Buffer.concat([Buffer.from(head), value]), 'buffer');
  return [digest.readUInt32BE(0), digest.readUInt32BE(4)];
}

function hex(half: number): string {
  return half.toString(16).padStart(8, '0');
}

/** A label is CBOR: a list of version, lease, holder, content type and size. */
function contentTypeIn(label: Uint8Array): string {
  let at = 2;
  let text = '';
  for (let member = 0; member < 3; member++) {
    const short = label[at]! & 0x1f;
    at += 1;
    let length = short;
    if (short === 24) {
      length = label[at]!;
      at += 1;
    } else if (short === 25) {
      length = label[at]! * 256 + label[at + 1]!;
      at += 2;
    }
    text = Buffer.from(label.buffer, label.byteOffset + at, length).toString();
    at += length;
  }
  return text;
}
