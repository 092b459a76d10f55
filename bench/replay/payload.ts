/**
 * Names of keys and bytes of values. Both are functions of small numbers, so the model remembers
 * a number a key instead of the bytes and can still demand every byte back.
 *
 * Texts are latin-1: one character is one byte, 0–255, and a request leaves as one string.
 */
import type { Random } from './random.ts';

/** Keys of one run begin with this many characters that no other run is likely to have. */
const TAG_LENGTH = 5;
const PAD_LENGTH = 4096;

export interface KeyNames {
  nameOf(rank: number): string;
  /** The rank a name stands for; undefined when it is not one of this run's. */
  rankOf(name: string): number | undefined;
}

/**
 * Names of exactly `keyBytes` characters for ranks up to `keys`.
 *
 * @throws RangeError when that many names do not fit
 */
export function keyNames(keyBytes: number, keys: number, tagSource: Random): KeyNames {
  const digits = keys.toString(36).length;
  if (digits > keyBytes) {
    throw new RangeError(`Cannot name ${keys} keys in ${keyBytes} bytes`);
  }
  const tagLength = Math.min(TAG_LENGTH, keyBytes - digits);
  let tag = '';
  while (tag.length < tagLength) tag += Math.floor(tagSource.next() * 36).toString(36);
  const width = keyBytes - tagLength;
  return {
    nameOf: (rank) => tag + rank.toString(36).padStart(width, '0'),
    rankOf: (name) => {
      if (name.length !== keyBytes || !name.startsWith(tag)) return undefined;
      const rank = Number.parseInt(name.slice(tagLength), 36);
      return Number.isSafeInteger(rank) && rank >= 1 && rank <= keys ? rank : undefined;
    },
  };
}

/** What a write puts: `contentFor(write)` is remembered, `render(content)` are the bytes. */
export interface Values {
  contentFor(write: number): number;
  render(content: number): string;
}

/** Opaque bytes of every value 0–255, `valueBytes` long, different for every write. */
export function opaqueValues(valueBytes: number, random: Random): Values {
  let pad = '';
  while (pad.length < PAD_LENGTH) pad += String.fromCharCode(Math.floor(random.next() * 256));
  while (pad.length < PAD_LENGTH + valueBytes) pad += pad;
  return {
    contentFor: (write) => write,
    render: (content) => {
      const stamp = content.toString(36);
      if (stamp.length >= valueBytes) return stamp.slice(-valueBytes);
      const start = (content * 31) % PAD_LENGTH;
      return stamp + pad.slice(start, start + valueBytes - stamp.length);
    },
  };
}

/** Decimal integers `valueBytes` digits long, for rows that also count. */
export function integerValues(valueBytes: number): Values {
  // Beyond 15 digits a number could leave the range in which counting is exact.
  const digits = Math.min(valueBytes, 15);
  const lowest = 10 ** (digits - 1);
  const span = lowest * 9;
  return {
    contentFor: (write) => lowest + (write % span),
    render: (content) => String(content),
  };
}
