/**
 * Values that ended here at their final deadline and were not told to the ledger, because a sweep
 * takes them away there. Until it has, the ledger's digests count them; so do these sums.
 */
export interface UnsweptSum {
  count: number;
  high: number;
  low: number;
}

export class Unswept {
  /** By partition, by actor. */
  readonly #sums = new Map<number, Map<string, UnsweptSum>>();

  add(partition: number, actor: string, count: number, high: number, low: number): void {
    let actors = this.#sums.get(partition);
    if (actors === undefined) {
      actors = new Map();
      this.#sums.set(partition, actors);
    }
    const sum = actors.get(actor) ?? { count: 0, high: 0, low: 0 };
    actors.set(actor, sum);
    sum.count += count;
    sum.high = (sum.high + high) >>> 0;
    sum.low = (sum.low + low) >>> 0;
    // A ledger that has lost a sweep sweeps again: nothing is owed for what was paid twice.
    if (sum.count <= 0) actors.delete(actor);
    if (actors.size === 0) this.#sums.delete(partition);
  }

  count(partition: number): number {
    let count = 0;
    for (const sum of this.#sums.get(partition)?.values() ?? []) count += Math.max(0, sum.count);
    return count;
  }

  of(partition: number): ReadonlyMap<string, Readonly<UnsweptSum>> {
    return this.#sums.get(partition) ?? new Map();
  }
}
