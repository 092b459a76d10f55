/**
 * A log-linear histogram: 32 linear steps in every power of two, so any percentile is within 3 %
 * of the truth, from 1/1024 of the unit to 2^30 units, in 5 KiB whatever is recorded.
 */
const SUB_BITS = 5;
const SUB = 1 << SUB_BITS;
const SCALE = 1024;
const EXPONENTS = 41;

export class Histogram {
  #counts = new Float64Array(EXPONENTS * SUB);
  #total = 0;
  #max = 0;
  #sum = 0;

  get count(): number {
    return this.#total;
  }

  get max(): number {
    return this.#max;
  }

  get mean(): number {
    return this.#total === 0 ? 0 : this.#sum / this.#total;
  }

  /** Values below 0 count as 0. */
  record(value: number): void {
    this.#counts[indexOf(value)]! += 1;
    this.#total += 1;
    this.#sum += value;
    if (value > this.#max) this.#max = value;
  }

  /** The value that `fraction` (0–1) of the records do not exceed; 0 when there are none. */
  percentile(fraction: number): number {
    if (this.#total === 0) return 0;
    const wanted = Math.max(1, Math.ceil(fraction * this.#total));
    let seen = 0;
    for (let index = 0; index < this.#counts.length; index += 1) {
      seen += this.#counts[index]!;
      // The last record is known exactly; a step's upper edge would overstate it.
      if (seen >= wanted) return Math.min(upperEdge(index), this.#max);
    }
    return this.#max;
  }

  add(other: Histogram): void {
    for (let index = 0; index < this.#counts.length; index += 1) {
      this.#counts[index]! += other.#counts[index]!;
    }
    this.#total += other.#total;
    this.#sum += other.#sum;
    if (other.#max > this.#max) this.#max = other.#max;
  }
}

function indexOf(value: number): number {
  const scaled = Math.max(0, value) * SCALE;
  if (scaled < SUB) return Math.floor(scaled);
  const exponent = Math.floor(Math.log2(scaled));
  const step = Math.floor((scaled / 2 ** exponent - 1) * SUB);
  const index = (exponent - SUB_BITS + 1) * SUB + step;
  return Math.min(index, EXPONENTS * SUB - 1);
}

function upperEdge(index: number): number {
  if (index < SUB) return (index + 1) / SCALE;
  const exponent = Math.floor(index / SUB) + SUB_BITS - 1;
  const step = index % SUB;
  return (2 ** exponent * (1 + (step + 1) / SUB)) / SCALE;
}
