/**
 * How many a second, lately: a sum in which what is older counts less, by e every `SPAN_MS`. Young
 * sums are scaled up by what they cannot have seen yet, so the first second tells no tenth of the
 * truth.
 */
const SPAN_MS = 5_000;
/** A burst at the very start is no rate. */
const AGE_LEAST_MS = 250;
/** What is slower does not move. */
const LEAST_PER_S = 0.01;

export class AckRate {
  readonly #startedAt: number;
  #sum = 0;
  #at: number;

  /** `now` as in all calls: milliseconds that never go back. */
  constructor(now: number) {
    this.#startedAt = now;
    this.#at = now;
  }

  add(count: number, now: number): void {
    this.#sum = this.#decayed(now) + count;
    this.#at = now;
  }

  perS(now: number): number {
    const age = Math.max(AGE_LEAST_MS, now - this.#startedAt);
    const spanMs = SPAN_MS * (1 - Math.exp(-age / SPAN_MS));
    const perS = (this.#decayed(now) * 1000) / spanMs;
    return perS < LEAST_PER_S ? 0 : perS;
  }

  #decayed(now: number): number {
    return this.#sum * Math.exp(-(now - this.#at) / SPAN_MS);
  }
}
