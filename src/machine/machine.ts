/**
 * What a process gets from the machine it runs on, as one port: time, chance, the event loop and
 * memory; files have a port of their own (journal/file-system.ts). Everything in the house that waits
 * or draws lots asks here, so that a simulator can run the whole sidecar on a machine of its own
 * making and repeat every step.
 */

/** The two clocks of a machine. */
export interface Clocks {
  /** Monotonic milliseconds, any origin. */
  monotonicMs(): number;
  /** Unix milliseconds. */
  wallMs(): number;
}

export interface Timers {
  /**
   * Calls `work` once, not before `delayMs` of the monotonic clock have passed and never within
   * this call. Returns what calls it off; calling that later, or twice, does nothing.
   */
  after(delayMs: number, work: () => void): () => void;
  /** Calls `work` in a later turn of the event loop, after what came in meanwhile. */
  soon(work: () => void): void;
}

/** Counted since the process began. */
export interface LoopReading {
  /** Milliseconds in which the event loop did something. */
  readonly activeMs: number;
  readonly turns: number;
}

export interface Machine extends Clocks, Timers {
  /** A number from 0 up to, not including, 1. */
  random(): number;
  /** Bytes that nobody else has drawn. */
  randomBytes(count: number): Buffer;
  loop(): LoopReading;
  /** Of the whole process. */
  residentBytes(): number;
}

/** Calls `work` every `everyMs`; returns what ends it. Until then it keeps the process alive. */
export function repeat(machine: Pick<Timers, 'after'>, everyMs: number, work: () => void): () => void {
  let cancel: () => void;
  const next = (): void => {
    cancel = machine.after(everyMs, () => {
      next();
      work();
    });
  };
  next();
  return () => cancel();
}
