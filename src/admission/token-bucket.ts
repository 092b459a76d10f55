/**
 * A rate with bursts: tokens come at a steady rate up to a bound, and who takes one may go on. More
 * may be taken at once than there are, as long as there is one: a batch larger than the bound would
 * never pass otherwise. What is owed then is waited for by whoever comes next.
 */
/** Reckoning with fractions is off by less than this. */
const ROUNDING = 1e-9;

export class TokenBucket {
  readonly perS: number;
  readonly burst: number;
  #tokens: number;
  #at: number;

  constructor(perS: number, burst: number, now: number) {
    this.perS = perS;
    this.burst = burst;
    this.#tokens = burst;
    this.#at = now;
  }

  /** Whether somebody may take tokens now. */
  has(now: number): boolean {
    return this.#left(now) >= 1 - ROUNDING;
  }

  take(count: number, now: number): void {
    this.#tokens = this.#left(now) - count;
    this.#at = now;
  }

  /** Whole tokens. */
  remaining(now: number): number {
    return Math.max(0, Math.floor(this.#left(now) + ROUNDING));
  }

  /** Milliseconds until there is one token more than `remaining` tells; 0 when it is full. */
  nextMs(now: number): number {
    const left = this.#left(now);
    if (left >= this.burst) return 0;
    const next = Math.min(this.burst, Math.max(1, Math.floor(left + ROUNDING) + 1));
    return Math.max(0, ((next - left - ROUNDING) * 1000) / this.perS);
  }

  #left(now: number): number {
    const come = (Math.max(0, now - this.#at) * this.perS) / 1000;
    return Math.min(this.burst, this.#tokens + come);
  }
}
