/**
 * When each slot next needs looking at: a hierarchical timing wheel over typed arrays.
 *
 * Four levels of 256 positions, the finest 1 ms wide, so positions of level L are 256^L ms wide
 * and the whole wheel spans 49 days; what lies further waits in the last position and is placed
 * again when that comes. A slot hangs in a circular doubly linked list whose head is a sentinel
 * node behind the slots, so linking and unlinking are four stores without a branch.
 *
 * The place of a tick follows from how it differs from the current tick: the lowest level whose
 * position contains the tick but not the current one. Hence at levels 1 to 3 the position of the
 * current tick is empty, except while its slots are being moved down; a cascade that the budget
 * stopped is found again by exactly that, and nothing has to remember it. Bitmaps of occupied
 * positions make the next one a matter of a few words, however long the empty stretch before it.
 *
 * The wheel stores no deadlines. When a position comes, of whatever level, each of its slots is
 * asked for its true deadline (`due`) and placed again unless it was dealt with. So a renewal is
 * one store in the caller's column and costs the wheel nothing until the old position comes.
 *
 * Given up: the order of endings within one `advance` is that of positions, not of deadlines,
 * after a jump over several positions; and a deadline that moves *closer* must be scheduled again.
 *
 * Further reading: Varghese and Lauck, "Hashed and hierarchical timing wheels", SOSP 1987.
 */

const LEVELS = 4;
const POSITIONS_PER_LEVEL = 256;
const POSITIONS = LEVELS * POSITIONS_PER_LEVEL;
const WORDS_PER_LEVEL = POSITIONS_PER_LEVEL / 32;
/** Width of one position of the top level: 2^24 ms, 4.66 hours. */
const TOP_WIDTH_MS = 2 ** 24;
/** Positions of the top level that can be ahead of the current one. */
const TOP_REACH = POSITIONS_PER_LEVEL - 1;
const NONE = -1;

export class TimingWheel {
  readonly #capacity: number;
  /** By node: slots first, then one sentinel per position. */
  readonly #next: Uint32Array;
  readonly #previous: Uint32Array;
  /** By slot: the position it hangs in plus 1, or 0. */
  readonly #place: Uint16Array;
  readonly #occupied = new Uint32Array(LEVELS * WORDS_PER_LEVEL);
  /** Every position before this tick is empty. */
  #current: number;
  #target: number;
  #size = 0;
  #lagging = false;

  /**
   * @param capacity highest slot number; slots are 1..capacity
   * @param startMs instant (ms, may be fractional) before which nothing falls due
   */
  constructor(capacity: number, startMs: number) {
    this.#capacity = capacity;
    const nodes = capacity + 1 + POSITIONS;
    this.#next = new Uint32Array(nodes);
    this.#previous = new Uint32Array(nodes);
    this.#place = new Uint16Array(capacity + 1);
    for (let node = capacity + 1; node < nodes; node += 1) {
      this.#next[node] = node;
      this.#previous[node] = node;
    }
    this.#current = Math.floor(startMs);
    this.#target = this.#current;
  }

  /** Bytes a wheel of this capacity holds, all of them from its construction. */
  static worstCaseBytes(capacity: number): number {
    return (capacity + 1 + POSITIONS) * 8 + (capacity + 1) * 2 + LEVELS * WORDS_PER_LEVEL * 4;
  }

  /** Slots that hang in the wheel. */
  get size(): number {
    return this.#size;
  }

  /** The last `advance` was stopped by its budget with work left. */
  get lagging(): boolean {
    return this.#lagging;
  }

  isScheduled(slot: number): boolean {
    return this.#place[slot] !== 0;
  }

  /**
   * Hangs `slot` where it falls due at the first whole millisecond at or after `deadline` (ms);
   * a deadline already past falls due with the next `advance`. A slot that hangs somewhere else
   * is moved.
   */
  schedule(slot: number, deadline: number): void {
    if (slot < 1 || slot > this.#capacity) {
      throw new RangeError(`Cannot schedule slot ${slot}: slots are 1 to ${this.#capacity}`);
    }
    if (this.#place[slot] !== 0) this.cancel(slot);
    const position = this.#positionOf(Math.ceil(deadline));
    const sentinel = this.#capacity + 1 + position;
    const last = this.#previous[sentinel] as number;
    this.#next[last] = slot;
    this.#previous[slot] = last;
    this.#next[slot] = sentinel;
    this.#previous[sentinel] = slot;
    this.#place[slot] = position + 1;
    const word = position >>> 5;
    this.#occupied[word] = (this.#occupied[word] as number) | (1 << (position & 31));
    this.#size += 1;
  }

  /** Takes `slot` out of the wheel; nothing happens when it does not hang there. */
  cancel(slot: number): void {
    const place = this.#place[slot] as number;
    if (place === 0) return;
    const before = this.#previous[slot] as number;
    const after = this.#next[slot] as number;
    this.#next[before] = after;
    this.#previous[after] = before;
    this.#place[slot] = 0;
    this.#size -= 1;
    // Only when both neighbours are the same sentinel has the position become empty.
    if (before === after) {
      const word = (place - 1) >>> 5;
      this.#occupied[word] = (this.#occupied[word] as number) & ~(1 << ((place - 1) & 31));
    }
  }

  /**
   * Moves the wheel to `now` (ms) and asks `due` about every slot whose position has come, at most
   * `budget` of them. Returns how many were asked; fewer than `budget` means that nothing is left.
   * A `now` before an earlier one counts as the earlier one.
   *
   * `due(slot)` is called with the slot already taken out. It returns the slot's true deadline when
   * that is still to come, and the slot is hung up again there; or 0 when it has been dealt with.
   * Slots of the coarser levels are asked ahead of their time, when their position opens, so `due`
   * must compare the deadline with `now` itself. It may schedule or cancel any slot.
   */
  advance(now: number, budget: number, due: (slot: number) => number): number {
    const target = Math.floor(now);
    if (target > this.#target) this.#target = target;
    let used = 0;
    for (;;) {
      const position = this.#nextPosition();
      const tick = position === NONE ? Infinity : this.#startOf(position);
      if (tick > this.#target) {
        // Nothing lies between here and there, so every slot keeps its place relative to both.
        this.#current = this.#target;
        this.#lagging = false;
        return used;
      }
      if (used >= budget) {
        this.#lagging = true;
        return used;
      }
      this.#current = tick;
      const sentinel = this.#capacity + 1 + position;
      while (used < budget) {
        const slot = this.#next[sentinel] as number;
        if (slot === sentinel) break;
        used += 1;
        this.cancel(slot);
        const deadline = due(slot);
        if (deadline !== 0) this.schedule(slot, deadline);
      }
    }
  }

  /**
   * Instant (whole ms) from which `advance` has something to do; Infinity when the wheel is empty.
   * It may only be there to move slots from a coarser level to a finer one.
   */
  nextMs(): number {
    const position = this.#nextPosition();
    return position === NONE ? Infinity : this.#startOf(position);
  }

  #positionOf(tick: number): number {
    const current = this.#current;
    if (!(tick > current)) return current & 255;
    const ahead = Math.floor(tick / TOP_WIDTH_MS) - Math.floor(current / TOP_WIDTH_MS);
    if (ahead > 0) {
      const top = (current >>> 24) + (ahead < TOP_REACH ? ahead : TOP_REACH);
      return 768 | (top & 255);
    }
    // Bit operators take numbers modulo 2^32, which is all these levels look at.
    const difference = tick ^ current;
    if (difference < 256) return tick & 255;
    if (difference < 65536) return 256 | ((tick >>> 8) & 255);
    return 512 | ((tick >>> 16) & 255);
  }

  /** The earliest occupied position, or `NONE`. */
  #nextPosition(): number {
    if (this.#size === 0) return NONE;
    const current = this.#current;
    // A position of a coarser level that contains the current tick: a cascade to be finished.
    for (let level = LEVELS - 1; level > 0; level -= 1) {
      const digit = (current >>> (level * 8)) & 255;
      const word = this.#occupied[level * WORDS_PER_LEVEL + (digit >>> 5)] as number;
      if ((word & (1 << (digit & 31))) !== 0) return level * POSITIONS_PER_LEVEL + digit;
    }
    for (let level = 0; level < LEVELS; level += 1) {
      const digit = this.#firstOccupied(level, (current >>> (level * 8)) & 255);
      if (digit !== NONE) return level * POSITIONS_PER_LEVEL + digit;
    }
    // The top level is a circle: what comes next may lie past its end.
    return (LEVELS - 1) * POSITIONS_PER_LEVEL + this.#firstOccupied(LEVELS - 1, 0);
  }

  /** The first occupied position of `level` at or after `digit`, or `NONE`. */
  #firstOccupied(level: number, digit: number): number {
    const base = level * WORDS_PER_LEVEL;
    let index = digit >>> 5;
    let word = (this.#occupied[base + index] as number) & (-1 << (digit & 31));
    while (word === 0) {
      index += 1;
      if (index === WORDS_PER_LEVEL) return NONE;
      word = this.#occupied[base + index] as number;
    }
    return (index << 5) + 31 - Math.clz32(word & -word);
  }

  /** The tick at which an occupied position comes; the current one when its turn is now. */
  #startOf(position: number): number {
    const level = position >>> 8;
    const current = this.#current;
    const width = 2 ** (level * 8);
    const block = Math.floor(current / width);
    const ahead = ((position & 255) - (block % POSITIONS_PER_LEVEL)) & 255;
    return ahead === 0 ? current : (block + ahead) * width;
  }
}
