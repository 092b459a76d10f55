/**
 * A histogram with fixed bounds: counts in a typed array and a sum, so that adding a value costs a
 * few comparisons and no memory. Whoever observes something owns one; whoever tells of it reads the
 * counts. A count per bucket, not a running one: that is for the format to make.
 */
export class Histogram {
  /** Upper bounds, inclusive, ascending; one bucket more is for what is above the last. */
  readonly bounds: readonly number[];
  /** How many fell into each bucket. */
  readonly counts: Float64Array;
  /** Of all values. */
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  add(value: number): void {
    const { bounds } = this;
    let bucket = 0;
    // Most values are small, and most bounds few: a search would cost more than it saves.
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++;
    this.counts[bucket]!++;
    this.sum += value;
  }

  get count(): number {
    let count = 0;
    for (const each of this.counts) count += each;
    return count;
  }
}
