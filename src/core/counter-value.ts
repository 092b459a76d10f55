/**
 * The number in a counter. Text, so that every client can read it; a sum over values, because
 * each run of a sidecar adds up its own part (PROTOCOL §3.5 rule 2).
 */
import type { State } from './state.ts';

const INTEGER = /^-?[0-9]+$/;
/** Leading zeros are allowed, but not without end. */
const TEXT_BYTES_MAX = 64;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** undefined: not an integer within ± (2^53 − 1). */
export function parseInteger(bytes: Uint8Array): number | undefined {
  if (bytes.length > TEXT_BYTES_MAX) return undefined;
  const text = decoder.decode(bytes);
  if (!INTEGER.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

export function counterText(value: number): Uint8Array {
  return encoder.encode(String(value));
}

/** The sum of the parts. Every part was written by an increment, so each is an integer. */
export function counterValue(state: State, rows: readonly number[]): number {
  let sum = 0;
  for (const row of rows) sum += parseInteger(state.entries.valueView(row)) ?? 0;
  return sum;
}
