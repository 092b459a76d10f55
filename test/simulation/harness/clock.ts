/**
 * What code under test uses in place of `Date.now`, `performance.now`, `setTimeout` and their kin:
 * the clocks and timers of one simulated process. While it is paused, no timer of it goes off.
 */
import type { SimulatedProcess } from '../machine/simulated-process.ts';

/** What `setTimeout` and `setInterval` give. */
export type Timer = number;

export interface Clock {
  /** As `Date.now()`: follows steps of the wall clock. */
  now(): number;
  /** As `performance.now()`: never goes back, and stands still while the machine is suspended. */
  monotonicMs(): number;
  setTimeout(work: () => void, ms?: number): Timer;
  clearTimeout(timer: Timer | undefined): void;
  setInterval(work: () => void, ms?: number): Timer;
  clearInterval(timer: Timer | undefined): void;
  sleep(ms: number): Promise<void>;
  /** As `AbortSignal.timeout()`, which counts real time. */
  timeout(ms: number): AbortSignal;
}

export function createClock(process: SimulatedProcess): Clock {
  const waiting = new Map<Timer, () => void>();
  let timers = 0;

  const clear = (timer: Timer | undefined): void => {
    if (timer === undefined) return;
    waiting.get(timer)?.();
    waiting.delete(timer);
  };
  const start = (ms: number, work: () => void, repeats: boolean): Timer => {
    timers += 1;
    const timer = timers;
    const wait = (): void => {
      // As Node takes what is no time, or not even a number.
      waiting.set(timer, process.after(ms >= 1 ? ms : 1, goesOff));
    };
    const goesOff = (): void => {
      if (repeats) wait();
      else waiting.delete(timer);
      work();
    };
    wait();
    return timer;
  };

  return {
    now: () => Math.floor(process.wallMs()),
    monotonicMs: () => process.monotonicMs(),
    setTimeout: (work, ms = 0) => start(ms, work, false),
    clearTimeout: clear,
    setInterval: (work, ms = 0) => start(ms, work, true),
    clearInterval: clear,
    sleep: (ms) => new Promise((resolve) => void start(ms, resolve, false)),
    timeout: (ms) => {
      if (!Number.isInteger(ms) || ms < 0) throw new RangeError(`A timeout takes whole milliseconds, not ${ms}`);
      const controller = new AbortController();
      const late = (): void => controller.abort(new DOMException('The operation timed out', 'TimeoutError'));
      start(ms, late, false);
      return controller.signal;
    },
  };
}
