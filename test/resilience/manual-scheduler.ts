/** A scheduler whose time is led by the test; its chance is a list, or always one half. */
import type { Scheduler } from '../../src/resilience/scheduler.ts';

interface Timer {
  readonly at: number;
  readonly work: () => void;
}

export class ManualScheduler implements Scheduler {
  #now = 0;
  #timers: Timer[] = [];
  readonly chances: number[] = [];

  now(): number {
    return this.#now;
  }

  random(): number {
    return this.chances.shift() ?? 0.5;
  }

  after(delayMs: number, work: () => void): () => void {
    const timer = { at: this.#now + delayMs, work };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  }

  /** Timers that wait. */
  get waiting(): number {
    return this.#timers.length;
  }

  /** Moves on by `ms`, with every timer on the way at its instant and in its order. */
  pass(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = this.#timers
        .filter(({ at }) => at <= end)
        .reduce<Timer | undefined>((first, one) => (first && first.at <= one.at ? first : one), undefined);
      if (due === undefined) break;
      this.#timers = this.#timers.filter((each) => each !== due);
      this.#now = Math.max(this.#now, due.at);
      due.work();
    }
    this.#now = end;
  }
}
