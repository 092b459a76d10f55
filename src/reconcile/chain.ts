/**
 * The hash chain over a partition's history, computed on this side. What was pushed and answered
 * `applied` is known to the last bit, so a cursor that was at the tail can be moved past the own
 * writes without reading them back, and only when nobody else's lie between.
 */
import { hash } from 'node:crypto';
import type { PushedRecord } from '../ledger/ledger.ts';

const CHAIN_DIGITS = 16;

/** The chain after one logged change of a record that now holds exactly these siblings. */
export function chainAfter(chain: string, { id, siblings }: PushedRecord): string {
  let high = 0;
  let low = 0;
  for (const { hashHigh, hashLow } of siblings) {
    high = (high + hashHigh) >>> 0;
    low = (low + hashLow) >>> 0;
  }
  return hash('sha1', `${chain}${id}${hex(high)}${hex(low)}`, 'hex').slice(0, CHAIN_DIGITS);
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0');
}
