/**
 * The leaves of every `OrderedIndex` of one kind: runs of up to 128 slots, cut from chunks of
 * 32 KiB that are made when first needed. One pool serves all namespaces, so what one of them
 * gives up another can use, and the whole has one bound however the slots are spread:
 *
 * No two neighbouring leaves of an index hold 48 slots or fewer each (`ordered-index.ts` says why),
 * so of two neighbours one holds at least 49 and the other at least 1, and an index of n slots has
 * at most 2·⌊n/50⌋ + 1 leaves. Over all indexes: at most slots/25 + indexes.
 */

export const LEAF_SLOTS = 128;
/** Two neighbouring leaves with this many slots between them become one. */
export const MERGE_SLOTS = 96;
const MERGED_PAIR_SLOTS = MERGE_SLOTS / 2 + 2;
const CHUNK_LEAVES = 64;
const CHUNK_BYTES = CHUNK_LEAVES * LEAF_SLOTS * 4;
/** Namespace numbers are 16 bits wide; a byte for each possible leaf is all that this costs. */
const INDEXES_MAX = 65_536;

/** Most leaves that `slots` slots can be spread over by `indexes` indexes. */
export function worstCaseLeaves(slots: number, indexes: number): number {
  return 2 * Math.floor(slots / MERGED_PAIR_SLOTS) + indexes;
}

export class LeafPool {
  readonly #limit: number;
  readonly #chunks: Uint32Array[] = [];
  /** By leaf: how many slots it holds. */
  readonly counts: Uint8Array;
  #made = 0;
  /** Head of the chain of free leaves plus 1, or 0; each names the next in its first entry. */
  #free = 0;
  #used = 0;

  /**
   * @param slots slots in all indexes together, at most
   * @param indexes indexes that draw on this pool, at most
   */
  constructor(slots: number, indexes = INDEXES_MAX) {
    this.#limit = worstCaseLeaves(slots, indexes);
    this.counts = new Uint8Array(this.#limit);
  }

  /** Bytes of all chunks and counts when as many leaves are in use as there can be. */
  static worstCaseBytes(slots: number, indexes: number): number {
    const leaves = worstCaseLeaves(slots, indexes);
    return Math.ceil(leaves / CHUNK_LEAVES) * CHUNK_BYTES + leaves;
  }

  /** Leaves in use. */
  get used(): number {
    return this.#used;
  }

  /** An empty leaf. */
  take(): number {
    let leaf: number;
    if (this.#free !== 0) {
      leaf = this.#free - 1;
      this.#free = this.chunkOf(leaf)[this.startOf(leaf)] as number;
    } else {
      leaf = this.#made;
      if (leaf === this.#limit) throw new Error(`Broken invariant: all ${leaf} leaves are in use`);
      if (leaf % CHUNK_LEAVES === 0) this.#chunks.push(new Uint32Array(CHUNK_LEAVES * LEAF_SLOTS));
      this.#made += 1;
    }
    this.counts[leaf] = 0;
    this.#used += 1;
    return leaf;
  }

  /** Takes back a leaf that nothing refers to any more. */
  give(leaf: number): void {
    this.chunkOf(leaf)[this.startOf(leaf)] = this.#free;
    this.counts[leaf] = 0;
    this.#free = leaf + 1;
    this.#used -= 1;
  }

  /** The array the leaf's slots are in, from `startOf(leaf)` on. */
  chunkOf(leaf: number): Uint32Array {
    return this.#chunks[Math.floor(leaf / CHUNK_LEAVES)] as Uint32Array;
  }

  startOf(leaf: number): number {
    return (leaf % CHUNK_LEAVES) * LEAF_SLOTS;
  }
}
