/**
 * Slots in the order of their keys, for listing by pages: a list of sorted blocks, which is a
 * B+ tree of two levels. A directory per index names its leaves in order; the leaves come from a
 * pool that all indexes share. Keys are never copied: two slots are compared by the caller.
 *
 * An insertion searches the directory by the leaves' first slots, then the leaf: about log2(n)
 * comparisons. A removal compares nothing in the usual case: `leafOf` tells the leaf, and 128
 * slots are scanned faster than a handful of keys is fetched. A full leaf splits in half, at the
 * end of the index into a full one and a new one, so that ascending keys fill their leaves.
 *
 * Bound: when a removal brings a leaf to 48, 24, 12, 6, 3 or 1 slots it merges with a neighbour if
 * both fit in 96. Of two neighbours with 48 or fewer each, whichever got there last had the other
 * to merge with; splits leave 64 and 64, or 128 and 1; a leaf that empties goes, and had neighbours
 * above 48. So no two neighbours stay at 48 or fewer, which `leaf-pool.ts` turns into a number of
 * leaves. Checking at halvings only, not at every removal, keeps the usual removal cheap; merging
 * at 96 and not at 128 leaves room, so that a split does not follow at once.
 *
 * Given up: a third level. The directory is moved by one entry at a split, at most 160 KiB for a
 * million slots, once in 64 insertions.
 */
import { LEAF_SLOTS, type LeafPool, MERGE_SLOTS, worstCaseLeaves } from './leaf-pool.ts';

export { LeafPool } from './leaf-pool.ts';

const DIRECTORY_START = 4;

export interface OrderedIndexOptions<Probe> {
  /** Most slots the index can hold. */
  readonly slotCapacity: number;
  /** Column by slot: its leaf plus 1, or 0. A slot is in one index at most, so they may share it. */
  readonly leafOf: Uint32Array;
  readonly pool: LeafPool;
  /** Below zero when `left` comes before `right`; never zero for two slots of one index. */
  compareSlots(left: number, right: number): number;
  /** Below zero when `probe` comes before the slot's key. */
  compareProbe(probe: Probe, slot: number): number;
}

export class OrderedIndex<Probe> {
  /**
   * Worst case for each slot of capacity, without the `leafOf` column and what is fixed per index:
   * one leaf for 25 slots, named in a directory that doubles and is held twice while it does.
   */
  static readonly slotBytes = Math.ceil((LEAF_SLOTS * 4 + 1 + 4 * 4) / 25);

  readonly #leafOf: Uint32Array;
  readonly #pool: LeafPool;
  readonly #compareSlots: (left: number, right: number) => number;
  readonly #compareProbe: (probe: Probe, slot: number) => number;
  readonly #leavesMax: number;
  #directory = new Uint32Array(DIRECTORY_START);
  #leaves = 0;
  #size = 0;

  constructor(options: OrderedIndexOptions<Probe>) {
    this.#leafOf = options.leafOf;
    this.#pool = options.pool;
    this.#compareSlots = options.compareSlots;
    this.#compareProbe = options.compareProbe;
    this.#leavesMax = worstCaseLeaves(options.slotCapacity, 1);
  }

  /** Slots in the index. */
  get size(): number {
    return this.#size;
  }

  /** Leaves of the index. */
  get leaves(): number {
    return this.#leaves;
  }

  /** Puts `slot` in its place. Its key must be readable, and not in the index yet. */
  insert(slot: number): void {
    const pool = this.#pool;
    if (this.#leaves === 0) this.#insertLeaf(0, pool.take());
    const place = this.#leafBefore(slot);
    let leaf = this.#directory[place] as number;
    let at = this.#offsetFor(leaf, slot);
    if (pool.counts[leaf] === LEAF_SLOTS) {
      const added = pool.take();
      this.#insertLeaf(place + 1, added);
      if (at < LEAF_SLOTS || place + 2 < this.#leaves) this.#moveTail(leaf, LEAF_SLOTS / 2, added);
      const kept = pool.counts[leaf] as number;
      if (at > kept || kept === LEAF_SLOTS) {
        leaf = added;
        at -= kept;
      }
    }
    const chunk = pool.chunkOf(leaf);
    const start = pool.startOf(leaf);
    const count = pool.counts[leaf] as number;
    chunk.copyWithin(start + at + 1, start + at, start + count);
    chunk[start + at] = slot;
    pool.counts[leaf] = count + 1;
    this.#leafOf[slot] = leaf + 1;
    this.#size += 1;
  }

  /** Takes `slot` out. Its key must still be readable. Nothing happens when it is not in. */
  remove(slot: number): void {
    const pool = this.#pool;
    const leaf = (this.#leafOf[slot] as number) - 1;
    if (leaf < 0) return;
    const count = (pool.counts[leaf] as number) - 1;
    // Found by its key, so before the key is gone from the leaf.
    const place = count === 0 || isHalving(count) ? this.#leafBefore(slot) : -1;
    const chunk = pool.chunkOf(leaf);
    const start = pool.startOf(leaf);
    const last = start + count;
    let at = start;
    while (at < last && chunk[at] !== slot) at += 1;
    if (chunk[at] !== slot) throw new Error(`Broken invariant: slot ${slot} is not in its leaf`);
    chunk.copyWithin(at, at + 1, last + 1);
    pool.counts[leaf] = count;
    this.#leafOf[slot] = 0;
    this.#size -= 1;
    if (count === 0) this.#removeLeaf(place);
    else if (place >= 0) this.#mergeAround(place, count);
  }

  /**
   * Visits slots in order from the first whose key is not before `probe` (or, when not
   * `inclusive`, comes after it), until `visit` returns false. The index must not change meanwhile.
   */
  forEachFrom(probe: Probe, inclusive: boolean, visit: (slot: number) => boolean): void {
    const pool = this.#pool;
    let low = 0;
    let high = this.#leaves;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const leaf = this.#directory[middle] as number;
      if (this.#isBefore(pool.chunkOf(leaf)[pool.startOf(leaf)] as number, probe, inclusive)) {
        low = middle + 1;
      } else high = middle;
    }
    // The leaf before holds smaller keys too, and perhaps all of them.
    let place = low === 0 ? 0 : low - 1;
    let at = 0;
    if (low > 0) at = this.#offsetAfter(this.#directory[place] as number, probe, inclusive);
    for (; place < this.#leaves; place += 1) {
      const leaf = this.#directory[place] as number;
      const chunk = pool.chunkOf(leaf);
      const start = pool.startOf(leaf);
      const count = pool.counts[leaf] as number;
      for (; at < count; at += 1) if (!visit(chunk[start + at] as number)) return;
      at = 0;
    }
  }

  /** The key of `slot` comes before what `probe` asks for. */
  #isBefore(slot: number, probe: Probe, inclusive: boolean): boolean {
    const order = this.#compareProbe(probe, slot);
    return inclusive ? order > 0 : order >= 0;
  }

  #offsetAfter(leaf: number, probe: Probe, inclusive: boolean): number {
    const chunk = this.#pool.chunkOf(leaf);
    const start = this.#pool.startOf(leaf);
    let low = 0;
    let high = this.#pool.counts[leaf] as number;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#isBefore(chunk[start + middle] as number, probe, inclusive)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Place in the directory of the last leaf that does not begin after `slot`; 0 when all do. */
  #leafBefore(slot: number): number {
    const pool = this.#pool;
    let low = 1;
    let high = this.#leaves;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const leaf = this.#directory[middle] as number;
      const first = pool.chunkOf(leaf)[pool.startOf(leaf)] as number;
      if (first === slot || this.#compareSlots(first, slot) < 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Where in `leaf` a new slot goes. */
  #offsetFor(leaf: number, slot: number): number {
    const chunk = this.#pool.chunkOf(leaf);
    const start = this.#pool.startOf(leaf);
    let low = 0;
    let high = this.#pool.counts[leaf] as number;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = this.#compareSlots(chunk[start + middle] as number, slot);
      if (order === 0) throw new Error(`Broken invariant: slot ${slot} has a key already indexed`);
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Moves the slots of `from` at `offset` and after to the end of `to`. */
  #moveTail(from: number, offset: number, to: number): void {
    const pool = this.#pool;
    const source = pool.chunkOf(from);
    const sourceStart = pool.startOf(from);
    const target = pool.chunkOf(to);
    const sourceEnd = sourceStart + (pool.counts[from] as number);
    let end = pool.startOf(to) + (pool.counts[to] as number);
    for (let at = sourceStart + offset; at < sourceEnd; at += 1, end += 1) {
      const slot = source[at] as number;
      target[end] = slot;
      this.#leafOf[slot] = to + 1;
    }
    pool.counts[to] = end - pool.startOf(to);
    pool.counts[from] = offset;
  }

  #mergeAround(place: number, count: number): void {
    const { counts } = this.#pool;
    const directory = this.#directory;
    const fits = (other: number): boolean =>
      other >= 0 &&
      other < this.#leaves &&
      (counts[directory[other] as number] as number) + count <= MERGE_SLOTS;
    const left = fits(place - 1) ? place - 1 : place;
    if (left === place && !fits(place + 1)) return;
    this.#moveTail(directory[left + 1] as number, 0, directory[left] as number);
    this.#removeLeaf(left + 1);
  }

  #insertLeaf(place: number, leaf: number): void {
    if (this.#leaves === this.#leavesMax) {
      throw new Error(`Broken invariant: an index has more than ${this.#leavesMax} leaves`);
    }
    if (this.#leaves === this.#directory.length) this.#resize(this.#leaves * 2);
    this.#directory.copyWithin(place + 1, place, this.#leaves);
    this.#directory[place] = leaf;
    this.#leaves += 1;
  }

  #removeLeaf(place: number): void {
    this.#pool.give(this.#directory[place] as number);
    this.#directory.copyWithin(place, place + 1, this.#leaves);
    this.#leaves -= 1;
    const length = this.#directory.length;
    if (length > DIRECTORY_START && this.#leaves < length / 4) this.#resize(length / 2);
  }

  #resize(length: number): void {
    const grown = new Uint32Array(length);
    grown.set(this.#directory.subarray(0, this.#leaves));
    this.#directory = grown;
  }
}

/** Counts at which a shrinking leaf looks for a neighbour to join. */
function isHalving(count: number): boolean {
  return count === 48 || count === 24 || count === 12 || count === 6 || count === 3 || count === 1;
}
