/**
 * Numbers for the rows of a table, reused last-in first-out so that hot rows stay in cache.
 * Slot 0 is never given: it means "none". Rows never given cost no resident memory, because the
 * tables' pages are untouched until then.
 */
export class Slots {
  readonly capacity: number;
  readonly #free: Uint32Array;
  #freeCount = 0;
  /** Highest slot ever given; iteration over a table ends here. */
  highest = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#free = new Uint32Array(capacity);
  }

  get used(): number {
    return this.highest - this.#freeCount;
  }

  get available(): number {
    return this.capacity - this.used;
  }

  /** 0 when every slot is in use. */
  take(): number {
    if (this.#freeCount > 0) return this.#free[--this.#freeCount]!;
    if (this.highest === this.capacity) return 0;
    return ++this.highest;
  }

  give(slot: number): void {
    this.#free[this.#freeCount++] = slot;
  }

  static readonly slotBytes = 4;
}
