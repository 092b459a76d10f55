/**
 * Whether wall clock and monotonic clock move apart. They do when the host was suspended (the
 * monotonic clock of Linux stands still meanwhile), when a virtual machine was restored, and when
 * somebody sets the clock. A process that is merely stopped shows elsewhere: as a late turn of its
 * event loop.
 */
import type { Clocks } from '../machine/machine.ts';

/** Less is the work of whoever keeps clocks in time: 500 ppm of a second are half a millisecond. */
const GAP_MS = 100;
/** Two readings further apart say nothing: the process stood still between them. */
const READING_MS_MAX = 10;

export class ClockGaps {
  readonly #clocks: Clocks;
  #offsetMs: number | undefined;
  count = 0;

  constructor(clocks: Clocks) {
    this.#clocks = clocks;
    this.look();
  }

  /** Call it every second or so. Returns by how much the wall clock jumped; 0: it did not. */
  look(): number {
    const before = this.#clocks.monotonicMs();
    const offsetMs = this.#clocks.wallMs() - before;
    if (this.#clocks.monotonicMs() - before > READING_MS_MAX) return 0;
    const gapMs = this.#offsetMs === undefined ? 0 : offsetMs - this.#offsetMs;
    this.#offsetMs = offsetMs;
    if (Math.abs(gapMs) < GAP_MS) return 0;
    this.count++;
    return gapMs;
  }
}
