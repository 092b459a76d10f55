/**
 * The bounds of every histogram, in milliseconds. Each has the budgets that its values are judged by
 * among its bounds, so that a share "within the budget" is exact and not guessed between two bounds.
 */

/** A small request takes a quarter of a millisecond; 10 s is a client's patience. */
export const REQUEST_MS: readonly number[] = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 1_000, 2_500, 10_000,
];

/** Promised: 99 in 100 within 10 ms, and a pile of 200 000 within 250 ms. */
export const LATENESS_MS: readonly number[] = [1, 2.5, 5, 10, 25, 50, 100, 250, 1_000, 10_000];

/** From the shortest lease to the longest usual one. */
export const LIFETIME_MS: readonly number[] = [
  100, 1_000, 5_000, 15_000, 30_000, 60_000, 300_000, 900_000, 3_600_000, 21_600_000, 86_400_000,
];

/** Into the page cache: microseconds, until the kernel makes a write wait. */
export const APPEND_MS: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 10, 50, 100, 1_000,
];

/** To the disk: a tenth of a millisecond on a good one, tens on a bad one. */
export const SYNC_MS: readonly number[] = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 1_000];

/** From commit to the word of the bus; minutes, when that was away. */
export const DELIVERY_MS: readonly number[] = [
  1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 5_000, 15_000, 60_000, 300_000,
];

/** 5 ms is what the sweep aims at, 10 ms what it must keep. */
export const LOOP_MS: readonly number[] = [1, 2.5, 5, 10, 25, 50, 100, 250, 1_000, 5_000, 15_000];
