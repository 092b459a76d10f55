/**
 * Sums of fingerprints. Added, not exclusive-ored: a value that is counted twice shows, and the
 * arithmetic is exact in doubles, which is all that Lua has.
 */
import { type Digest, NO_DIGEST } from '../ledger.ts';
import type { Sibling } from '../record.ts';

type Fingerprinted = Pick<Sibling, 'hashHigh' | 'hashLow'>;

export function plus(digest: Digest, { hashHigh, hashLow }: Fingerprinted): Digest {
  return {
    count: digest.count + 1,
    high: (digest.high + hashHigh) >>> 0,
    low: (digest.low + hashLow) >>> 0,
  };
}

export function minus(digest: Digest, { hashHigh, hashLow }: Fingerprinted): Digest {
  return {
    count: digest.count - 1,
    high: (digest.high - hashHigh) >>> 0,
    low: (digest.low - hashLow) >>> 0,
  };
}

export function digestOf(siblings: Iterable<Fingerprinted>): Digest {
  let digest = NO_DIGEST;
  for (const sibling of siblings) digest = plus(digest, sibling);
  return digest;
}

export function sameDigest(left: Digest, right: Digest): boolean {
  return left.count === right.count && left.high === right.high && left.low === right.low;
}
