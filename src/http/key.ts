/**
 * Keys as they stand in a path: everything after the namespace, percent-decoded. Decoding works on
 * bytes, before anything has normalised the path, because a key is an opaque name: `a//b`, `a%2Fb`
 * and `a/b%20` must each mean one thing only. Dot segments are refused in every spelling, since
 * clients and proxies on the way would fold them.
 */
import { isUtf8 } from 'node:buffer';
import { reject, type Rejection } from '../errors.ts';

const PERCENT = 0x25;
/** Needs no decoding: printable ASCII without a percent sign. */
const PLAIN = /^[\x21-\x24\x26-\x7e]*$/;
/** No request target may hold these as they are. */
const UNENCODED = /[^\x21-\x7e]/;

function invalidKey(why: string): Rejection {
  return reject('invalid-key', `Cannot use the key: ${why}`);
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** The text behind a raw piece of a path, or why there is none. */
export function percentDecoded(raw: string): string | Rejection {
  if (PLAIN.test(raw)) return raw;
  if (UNENCODED.test(raw)) return invalidKey('it holds what must be percent-encoded');
  const bytes = Buffer.from(raw, 'latin1');
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    let byte = bytes[at]!;
    if (byte === PERCENT) {
      const high = hexDigit(bytes[at + 1] ?? 0);
      const low = hexDigit(bytes[at + 2] ?? 0);
      if (high < 0 || low < 0) return invalidKey('a percent sign is not followed by two hex digits');
      byte = high * 16 + low;
      at += 2;
    }
    bytes[length++] = byte;
  }
  const decoded = bytes.subarray(0, length);
  return isUtf8(decoded) ? decoded.toString('utf8') : invalidKey('it is not UTF-8');
}

/** undefined: a key that may be used. `key` is text already; `keyBytes` bounds it in UTF-8. */
export function keyRefusal(key: string, keyBytes: number): Rejection | undefined {
  if (key === '') return invalidKey('it is empty');
  // Up to three bytes a character: most keys are judged by their length alone.
  if (key.length > keyBytes || (key.length * 3 > keyBytes && Buffer.byteLength(key) > keyBytes)) {
    return invalidKey(`it is longer than ${keyBytes} bytes`);
  }
  if (key.includes('\0')) return invalidKey('it holds NUL');
  if (!key.isWellFormed()) return invalidKey('it is not UTF-8');
  if (key.includes('.') && key.split('/').some((segment) => segment === '.' || segment === '..')) {
    return invalidKey('a segment is "." or ".."');
  }
  return undefined;
}

/** The key a raw path names, or a refusal. */
export function keyOf(raw: string, keyBytes: number): string | Rejection {
  const key = percentDecoded(raw);
  if (typeof key !== 'string') return key;
  return keyRefusal(key, keyBytes) ?? key;
}
