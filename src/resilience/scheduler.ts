/**
 * Time and chance as one port. Whatever waits, retries or spreads takes a `Scheduler`, so that a
 * test or a simulator can lead it through hours in an instant and repeat every step of it.
 */
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

/** Longer timers than this overflow in Node and fire at once. */
const DELAY_MAX_MS = 2 ** 31 - 1;

/** The machine's time and chance; `timeline` tells the instants. */
export function systemScheduler(timeline: { now(): number }): Scheduler {
  return {
    now: () => timeline.now(),
    random: Math.random,
    after(delayMs, work) {
      // Node counts in whole milliseconds and may fire one early, and a timeline may be moved on
      // while somebody waits: what decides is this clock, which only runs.
      const dueAt = performance.now() + delayMs;
      const wait = (): NodeJS.Timeout => {
        const leftMs = Math.ceil(dueAt - performance.now());
        return setTimeout(look, Math.min(Math.max(leftMs, 0), DELAY_MAX_MS));
      };
      const look = (): void => {
        if (performance.now() >= dueAt) work();
        else timer = wait();
      };
      let timer = wait();
      return () => clearTimeout(timer);
    },
  };
}
