/**
 * Hash chains over slots: buckets and links in typed arrays, sized once. Chaining rather than
 * open addressing, because an ending must unlink in constant time without touching neighbours'
 * keys: a burst of 200 000 endings removes 200 000 keys.
 *
 * The index knows hashes and slots only; comparing keys is the caller's.
 */
export class KeyIndex {
  readonly #buckets: Uint32Array;
  readonly #next: Uint32Array;
  readonly #hash: Uint32Array;
  readonly #mask: number;
  size = 0;

  constructor(capacity: number) {
    let buckets = 16;
    while (buckets < capacity) buckets *= 2;
    this.#buckets = new Uint32Array(buckets);
    this.#mask = buckets - 1;
    this.#next = new Uint32Array(capacity + 1);
    this.#hash = new Uint32Array(capacity + 1);
  }

  /** First slot that may have this hash, 0 for none; go on with `after`. */
  first(hash: number): number {
    return this.#match(this.#buckets[hash & this.#mask]!, hash);
  }

  after(slot: number): number {
    return this.#match(this.#next[slot]!, this.#hash[slot]!);
  }

  #match(from: number, hash: number): number {
    let slot = from;
    while (slot !== 0 && this.#hash[slot] !== hash) slot = this.#next[slot]!;
    return slot;
  }

  insert(slot: number, hash: number): void {
    const bucket = hash & this.#mask;
    this.#hash[slot] = hash;
    this.#next[slot] = this.#buckets[bucket]!;
    this.#buckets[bucket] = slot;
    this.size++;
  }

  remove(slot: number): void {
    const bucket = this.#hash[slot]! & this.#mask;
    let at = this.#buckets[bucket]!;
    if (at === slot) {
      this.#buckets[bucket] = this.#next[slot]!;
    } else {
      while (this.#next[at] !== slot) {
        at = this.#next[at]!;
        if (at === 0) throw new Error(`Key index broken: slot ${slot} is not in its chain`);
      }
      this.#next[at] = this.#next[slot]!;
    }
    this.size--;
  }

  /** Another row takes this one's place: same key, same hash. */
  replace(slot: number, by: number): void {
    const hash = this.#hash[slot]!;
    this.remove(slot);
    this.insert(by, hash);
  }

  /** Bytes for one slot, for the worst case printed at start. */
  static readonly slotBytes = 4 + 4 + 8;
}

/**
 * FNV-1a with a final avalanche (the one of MurmurHash3), seeded per process so that nobody
 * outside can aim keys at one bucket.
 */
export function hashBytes(seed: number, bytes: Uint8Array, start: number, end: number): number {
  let hash = seed ^ 0x811c9dc5;
  for (let index = start; index < end; index++) {
    hash = Math.imul(hash ^ bytes[index]!, 0x01000193);
  }
  return finish(hash);
}

/** The same for text in ASCII, without making its bytes. */
export function hashAscii(seed: number, text: string): number {
  let hash = seed ^ 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return finish(hash);
}

function finish(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * Hash of an origin. Nobody outside chooses sequences, so they are not mixed: neighbours in time
 * are neighbours in memory, which is how they are made and how they end.
 */
export function hashOrigin(seed: number, actor: number, sequence: number): number {
  return (seed ^ Math.imul(actor, 0x9e3779b1) ^ (sequence >>> 0)) >>> 0;
}
