/** One timeline for several sidecars and their ledger; everything on it happens in a fixed order. */
import type { Scheduler } from '../../src/resilience/scheduler.ts';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly work: () => void;
  cancelled: boolean;
}

/** Numbers from 0 to 1 that follow from a seed (mulberry32). */
export function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Promises that can settle have settled after this. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export class SimulatedTime {
  #now: number;
  #order = 0;
  #timers: Timer[] = [];

  constructor(startMs: number) {
    this.#now = startMs;
  }

  now(): number {
    return this.#now;
  }

  after(delayMs: number, work: () => void): () => void {
    const timer: Timer = {
      at: this.#now + Math.max(0, delayMs), order: this.#order++, work, cancelled: false,
    };
    // Sorted by instant, then by order of making: from the back, since most timers are far.
    let index = this.#timers.length;
    while (index > 0 && this.#timers[index - 1]!.at > timer.at) index--;
    this.#timers.splice(index, 0, timer);
    return () => {
      timer.cancelled = true;
    };
  }

  /** Moves on, with everything that falls due on the way. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settled();
    for (;;) {
      while (this.#timers[0]?.cancelled === true) this.#timers.shift();
      const next = this.#timers[0];
      if (next === undefined || next.at > end) break;
      this.#timers.shift();
      this.#now = Math.max(this.#now, next.at);
      next.work();
      await settled();
    }
    this.#now = end;
  }

  /** A clock of its own: ahead by `aheadMs`, faster by `rate`. */
  clock(random: () => number, aheadMs = 0, rate = 1): LocalClock {
    return new LocalClock(this, random, aheadMs, rate);
  }
}

/** What one process takes for the time. */
export class LocalClock implements Scheduler {
  readonly #time: SimulatedTime;
  readonly #start: number;
  readonly #aheadMs: number;
  readonly #rate: number;
  readonly random: () => number;
  #lostMs = 0;
  #suspendedAt: number | undefined;
  #held: (() => void)[] = [];

  constructor(time: SimulatedTime, random: () => number, aheadMs: number, rate: number) {
    this.#time = time;
    this.#start = time.now();
    this.#aheadMs = aheadMs;
    this.#rate = rate;
    this.random = random;
  }

  now(): number {
    const elapsed = (this.#suspendedAt ?? this.#time.now()) - this.#start - this.#lostMs;
    return this.#start + this.#aheadMs + elapsed * this.#rate;
  }

  after(delayMs: number, work: () => void): () => void {
    const dueAt = this.now() + delayMs;
    let cancel = () => {};
    let cancelled = false;
    const look = () => {
      if (cancelled) return;
      if (this.#suspendedAt !== undefined) {
        this.#held.push(look);
        return;
      }
      const leftMs = dueAt - this.now();
      // Rounding must not make it fire a hair early, nor wait for nothing.
      if (leftMs > 1e-6) cancel = this.#time.after(leftMs / this.#rate, look);
      else work();
    };
    cancel = this.#time.after(delayMs / this.#rate, look);
    return () => {
      cancelled = true;
      cancel();
    };
  }

  /** The machine sleeps: this clock stands still, and nothing happens here. */
  suspend(): void {
    this.#suspendedAt = this.#time.now();
  }

  resume(): void {
    if (this.#suspendedAt === undefined) return;
    this.#lostMs += this.#time.now() - this.#suspendedAt;
    this.#suspendedAt = undefined;
    for (const look of this.#held.splice(0)) look();
  }
}
