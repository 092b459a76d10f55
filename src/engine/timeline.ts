/**
 * The process timeline: milliseconds, fractional, that start near the wall clock and then follow
 * the monotonic clock, so that a stepped wall clock moves no deadline. Across a restart the
 * timeline goes on where the journal left it, plus the wall-clock time that passed meanwhile; a
 * wall clock that is behind counts as no time at all (late, never early).
 */
import type { Clocks } from '../machine/machine.ts';

export class Timeline {
  readonly #clocks: Clocks;
  #anchorNow: number;
  #anchorMonotonic: number;

  constructor(clocks: Clocks) {
    this.#clocks = clocks;
    this.#anchorNow = clocks.wallMs();
    this.#anchorMonotonic = clocks.monotonicMs();
  }

  /** Continues an earlier run that was at `lastNowMs` when the wall clock read `lastWallMs`. */
  continueFrom(lastNowMs: number, lastWallMs: number): void {
    const elapsedMs = Math.max(0, this.#clocks.wallMs() - lastWallMs);
    this.#anchorNow = lastNowMs + elapsedMs;
    this.#anchorMonotonic = this.#clocks.monotonicMs();
  }

  now(): number {
    return this.#anchorNow + (this.#clocks.monotonicMs() - this.#anchorMonotonic);
  }

  wallMs(): number {
    return this.#clocks.wallMs();
  }

  /** Monotonic milliseconds: for durations, not for deadlines. */
  monotonicMs(): number {
    return this.#clocks.monotonicMs();
  }
}
