/**
 * Keys that have changed and must be pushed, in the order of their first change. The ids are
 * bounded over all partitions together, because the ledger may be away for hours: beyond that a
 * partition only remembers that some of its keys are among them, and finds out by a walk over
 * everything it holds.
 */

/** What all partitions together may hold: about 10 MB of ids. */
export const UNPUSHED_IDS_MAX = 65_536;

/** Shared by all partitions. */
export class UnpushedBudget {
  readonly limit: number;
  used = 0;

  constructor(limit: number = UNPUSHED_IDS_MAX) {
    this.limit = limit;
  }
}

export class Unpushed {
  readonly #budget: UnpushedBudget;
  /** When each id has changed first. */
  readonly #since = new Map<string, number>();
  #unlistedSince: number | undefined;

  constructor(budget: UnpushedBudget) {
    this.#budget = budget;
  }

  /** Ids known by name. */
  get listed(): number {
    return this.#since.size;
  }

  /** Some keys are not known by name: a walk must find them. */
  get needsWalk(): boolean {
    return this.#unlistedSince !== undefined;
  }

  get empty(): boolean {
    return this.#since.size === 0 && this.#unlistedSince === undefined;
  }

  /** Something can be taken: an id, or the walk that finds some. */
  get ready(): boolean {
    return this.#since.size > 0 || (this.needsWalk && this.#roomToWalk);
  }

  get #roomToWalk(): boolean {
    return this.#budget.used <= this.#budget.limit / 2;
  }

  /** Instant of the oldest change that waits; undefined without one. */
  get oldest(): number | undefined {
    const first = this.#since.values().next();
    const listed = first.done === true ? undefined : first.value;
    if (listed === undefined || this.#unlistedSince === undefined) {
      return listed ?? this.#unlistedSince;
    }
    return Math.min(listed, this.#unlistedSince);
  }

  add(id: string, since: number): void {
    if (this.#since.has(id)) return;
    if (this.#budget.used >= this.#budget.limit) {
      this.#unlistedSince ??= since;
      return;
    }
    this.#budget.used += 1;
    this.#since.set(id, since);
  }

  /** Whether the key may be among them. */
  has(id: string): boolean {
    return this.needsWalk || this.#since.has(id);
  }

  delete(id: string): void {
    if (this.#since.delete(id)) this.#budget.used -= 1;
  }

  /** Ids with the instant of their change, oldest first; they may be deleted meanwhile. */
  entries(): IterableIterator<[string, number]> {
    return this.#since.entries();
  }

  /**
   * Lists every key that is held, when some are unlisted and there is room for more. What changes
   * from here on is listed as ever.
   */
  walk(forEachHeld: (visit: (id: string) => void) => void): void {
    const since = this.#unlistedSince;
    if (since === undefined || this.#since.size > 0) return;
    if (!this.#roomToWalk) return;
    this.#unlistedSince = undefined;
    forEachHeld((id) => {
      // One partition may go beyond the limit here: it is what it holds, and bounded so.
      if (this.#since.has(id)) return;
      this.#budget.used += 1;
      this.#since.set(id, since);
    });
  }

  clear(): void {
    this.#budget.used -= this.#since.size;
    this.#since.clear();
    this.#unlistedSince = undefined;
  }
}
