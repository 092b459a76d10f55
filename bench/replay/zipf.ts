/**
 * Zipf ranks by rejection-inversion (Hörmann and Derflinger, 1996): exact for every exponent from
 * 0 (uniform) upwards, constant time and memory however many keys there are. A table of cumulative
 * weights would be as exact, but costs 8 bytes a key and a binary search a draw.
 */
import type { Random } from './random.ts';

/** `log(1 + x) / x`, continued through 0, where the quotient would lose all its digits. */
function logRatio(x: number): number {
  return Math.abs(x) > 1e-8 ? Math.log1p(x) / x : 1 - x * (0.5 - x * (1 / 3 - 0.25 * x));
}

/** `(exp(x) - 1) / x`, continued through 0. */
function expRatio(x: number): number {
  return Math.abs(x) > 1e-8 ? Math.expm1(x) / x : 1 + x * 0.5 * (1 + (x * (1 + 0.25 * x)) / 3);
}

/**
 * Returns a sampler of ranks 1…`count`, where rank k has weight k^-`exponent`.
 *
 * @throws RangeError when `count` is not a positive integer or `exponent` is negative
 */
export function zipfSampler(count: number, exponent: number, random: Random): () => number {
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new RangeError(`Cannot sample ranks: ${count} is not a positive number of keys`);
  }
  if (!(exponent >= 0) || !Number.isFinite(exponent)) {
    throw new RangeError(`Cannot sample ranks: the exponent ${exponent} is negative`);
  }
  // The weight and its integral, both continued to real x; the integral is 0 at x = 1.
  const weight = (x: number): number => Math.exp(-exponent * Math.log(x));
  const integral = (x: number): number => {
    const logX = Math.log(x);
    return expRatio((1 - exponent) * logX) * logX;
  };
  const inverse = (y: number): number => {
    // Rounding may push the argument of log1p just below -1 at the far end of the tail.
    const t = Math.max(y * (1 - exponent), -1);
    return Math.exp(logRatio(t) * y);
  };
  const lowest = integral(1.5) - 1;
  const highest = integral(count + 0.5);
  // Below this distance from the rounded rank a draw is accepted without looking at the weight.
  const shortcut = 2 - inverse(integral(2.5) - weight(2));
  return () => {
    // Each round accepts with a probability above 0.7, so the loop ends at once in practice.
    for (;;) {
      const u = highest + random.next() * (lowest - highest);
      const x = inverse(u);
      const rank = Math.min(Math.max(Math.round(x), 1), count);
      if (rank - x <= shortcut || u >= integral(rank + 0.5) - weight(rank)) return rank;
    }
  };
}
