/**
 * When somebody who was refused should come back: how long the queue in front of it takes to drain,
 * times a chance between one and two, so that those who were refused together do not come back
 * together (PROTOCOL 5.3: ⌈base · U(1, 2)⌉).
 */

/** Sooner costs more than it brings. Later, things are not what they were: a rate is no forecast. */
const LEAST_MS = 100;
const MOST_MS = 10_000;
/** When nobody knows: a second lets the journal, the sweep or the ledger make progress. */
export const UNKNOWN_MS = 1_000;

/** Whole milliseconds. `baseMs`: until there is room at the rate of draining, if that is known. */
export function retryAfterMs(baseMs: number | undefined, random: () => number): number {
  const base = Math.min(Math.max(baseMs ?? UNKNOWN_MS, LEAST_MS), MOST_MS);
  return Math.ceil(base * (1 + random()));
}
