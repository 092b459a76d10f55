/**
 * Where a key lies in the ledger: its partition and, inside it, its digest bucket. Both come from
 * one MurmurHash3 (Appleby, x86, 32 bits, seed 0) of the key's UTF-8 bytes, so that every sidecar
 * finds it at the same place.
 */
export interface Placement {
  readonly partition: number;
  readonly bucket: number;
}

export function placementOf(hash: number, partitions: number, buckets: number): Placement {
  return { partition: hash % partitions, bucket: Math.floor(hash / partitions) % buckets };
}

/** Unsigned. */
export function murmur3(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let hash = 0;
  const blocksEnd = start + ((end - start) & ~3);
  let at = start;
  for (; at < blocksEnd; at += 4) {
    const block =
      bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    hash ^= scramble(block);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let left = end - 1; left >= at; left--) tail = (tail << 8) | bytes[left]!;
  if (at < end) hash ^= scramble(tail);
  hash ^= end - start;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scramble(block: number): number {
  const mixed = Math.imul(block, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}
