/** `--since` of a bus: where in its streams reading begins. */
import { CommandFailure, EXIT } from './exit.ts';

export type Since = 'start' | 'now' | Date;

const UNIT_MS = new Map([
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

/**
 * `start`, `now`, or an age before `nowMs`: `30s`, `10m`, `2h`, `1d`.
 *
 * @throws CommandFailure for anything else
 */
export function parseSince(written: string, nowMs: number): Since {
  if (written === 'start' || written === 'now') return written;
  const match = /^(\d{1,6})([smhd])$/.exec(written);
  if (match === null) {
    throw new CommandFailure(
      EXIT.usage,
      `"${written}" is no place in a stream: write start, now, or an age like 30s, 10m, 2h, 1d`,
    );
  }
  return new Date(Math.max(0, nowMs - Number(match[1]) * UNIT_MS.get(match[2]!)!));
}
