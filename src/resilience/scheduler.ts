/**
 * Time and chance as one port. Whatever waits, retries or spreads takes a `Scheduler`, so that a
 * test or a simulator can lead it through hours in an instant and repeat every step of it.
 */
import type { Machine } from '../machine/machine.ts';

export interface Scheduler {
  /** An instant of the timeline, in milliseconds. */
  now(): number;
  /**
   * Calls `work` once, not before `delayMs` have passed and never within this call. Returns what
   * calls it off; calling that later, or twice, does nothing.
   */
  after(delayMs: number, work: () => void): () => void;
  /** A number from 0 up to, not including, 1. */
  random(): number;
}

/** The machine's time and chance; `timeline` tells the instants, which may be moved on meanwhile. */
export function schedulerOn(
  machine: Pick<Machine, 'after' | 'random'>,
  timeline: { now(): number },
): Scheduler {
  return {
    now: () => timeline.now(),
    random: () => machine.random(),
    after: (delayMs, work) => machine.after(delayMs, work),
  };
}
