/** The worst case of memory as lines that a person can check by multiplying. */
import type { WorstCase } from './derive.ts';

const MEBIBYTE = 1024 ** 2;

/**
 * One line for each part that costs something, in the order of the sum, and the sum at last:
 *
 *     entries: 100000 × 105 B = 10.0 MiB
 *     together 747.3 MiB, of a limit of 1024.0 MiB
 */
export function describeWorstCase({ lines, bytes }: WorstCase, limitBytes: number): string[] {
  const parts = lines
    .filter((line) => line.bytes > 0)
    .map(
      ({ what, count, bytesEach, bytes: product }) =>
        `${what}: ${count} × ${rounded(bytesEach)} B = ${mebibytes(product)}`,
    );
  return [...parts, `together ${mebibytes(bytes)}, of a limit of ${mebibytes(limitBytes)}`];
}

function mebibytes(bytes: number): string {
  return `${(bytes / MEBIBYTE).toFixed(1)} MiB`;
}

/** Shares such as 8/3 to three digits; whole numbers as they are. */
function rounded(bytesEach: number): string {
  return String(Math.round(bytesEach * 1000) / 1000);
}
