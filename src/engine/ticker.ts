/**
 * Drives the core's sweep with one timer for everything. A slice ends after about 2 ms, so that
 * requests are served between slices of a pile-up; the next slice follows in the same turn of the
 * loop that serves them.
 */
import type { Timers } from '../machine/machine.ts';

const SLICE_MS = 2;
/** Endings between two looks at the clock. */
const SLICE_UNITS = 64;

export interface Tickable {
  now(): number;
  /** Instant of the next work; infinite when there is none. */
  next(): number;
  /** Does up to `budget` units; true when there is more. */
  tick(now: number, budget: number): boolean;
}

export class Ticker {
  readonly #work: Tickable;
  readonly #timers: Timers;
  #cancel: (() => void) | undefined;
  #armedFor = Number.POSITIVE_INFINITY;
  #sliceScheduled = false;
  #stopped = false;

  constructor(work: Tickable, timers: Timers) {
    this.#work = work;
    this.#timers = timers;
  }

  /** Makes sure that the sweep runs when its next work is due. Cheap: call it every turn. */
  arm(): void {
    if (this.#stopped || this.#sliceScheduled) return;
    const next = this.#work.next();
    if (next >= this.#armedFor) return;
    this.#clear();
    if (next === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.ceil(next - this.#work.now());
    if (delayMs <= 0) {
      this.#sliceScheduled = true;
      this.#timers.soon(this.#slice);
      return;
    }
    this.#armedFor = next;
    this.#cancel = this.#timers.after(delayMs, this.#slice);
  }

  readonly #slice = (): void => {
    this.#sliceScheduled = false;
    this.#clear();
    if (this.#stopped) return;
    const startedAt = this.#work.now();
    let now = startedAt;
    while (this.#work.tick(now, SLICE_UNITS)) {
      now = this.#work.now();
      if (now - startedAt >= SLICE_MS) {
        this.#sliceScheduled = true;
        this.#timers.soon(this.#slice);
        return;
      }
    }
    this.arm();
  };

  #clear(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#armedFor = Number.POSITIVE_INFINITY;
  }

  stop(): void {
    this.#stopped = true;
    this.#clear();
  }
}
