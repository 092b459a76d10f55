/**
 * How long to wait before the next attempt: anything up to a ceiling that doubles, evenly spread
 * ("full jitter": https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). Many
 * who failed together do not come back together. Given up: a wait that may be close to nothing now
 * and then, for the least work and the shortest pile-up overall.
 */
export interface BackoffBounds {
  /** The ceiling of the first wait. */
  readonly baseMs: number;
  /** The ceiling of every wait. */
  readonly capMs: number;
}

/** Milliseconds to wait after failed attempt `attempt`, counted from 0. */
export function fullJitter(
  attempt: number,
  { baseMs, capMs }: BackoffBounds,
  random: () => number,
): number {
  return random() * Math.min(capMs, baseMs * 2 ** attempt);
}
