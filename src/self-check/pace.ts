/**
 * How fast a check may go: slices of about 2 ms with nine times as long between them, and no more bytes
 * a second than it was given. What it does is urgent for nobody.
 */
import type { Clocks, Timers } from '../machine/machine.ts';
import type { ReadPace } from '../journal/read-back.ts';

const SLICE_MS = 2;
const RESTS_PER_SLICE = 9;
/** A process that was paused has not worked meanwhile. */
const WORKED_MS_MAX = 50;
/** A slice ends after so many questions too: where the clock is coarse, or stands still. */
const LOOKS_PER_SLICE = 512;

/** The sidecar stops, and the check with it. */
export class CheckStoppedError extends Error {
  override readonly name = 'CheckStoppedError';
}

export class Pace implements ReadPace {
  readonly #machine: Clocks & Timers;
  readonly #readBytesPerMs: number;
  #sliceSince: number;
  #looks = 0;
  #bytesOwed = 0;
  #wake: (() => void) | undefined;
  #stopped = false;
  /** In all. */
  bytesRead = 0;

  constructor(machine: Clocks & Timers, readPerSecondBytes: number) {
    this.#machine = machine;
    this.#readBytesPerMs = readPerSecondBytes / 1000;
    this.#sliceSince = machine.monotonicMs();
  }

  onRead(bytes: number): void {
    this.bytesRead += bytes;
    this.#bytesOwed += bytes;
    // Waiting for the disk was no work.
    this.#sliceSince = this.#machine.monotonicMs();
  }

  /** Throws `CheckStoppedError`. */
  restWhenDue(): Promise<void> | undefined {
    if (this.#stopped) throw new CheckStoppedError('The check was stopped');
    const workedMs = Math.min(WORKED_MS_MAX, this.#machine.monotonicMs() - this.#sliceSince);
    this.#looks++;
    if (workedMs < SLICE_MS && this.#looks < LOOKS_PER_SLICE && this.#bytesOwed === 0) return undefined;
    return this.rest(Math.max(RESTS_PER_SLICE * workedMs, this.#bytesOwed / this.#readBytesPerMs));
  }

  /** Rejects with `CheckStoppedError` when the check is stopped meanwhile. */
  async rest(ms: number): Promise<void> {
    if (this.#stopped) throw new CheckStoppedError('The check was stopped');
    await new Promise<void>((resolve) => {
      const cancel = this.#machine.after(Math.ceil(ms), resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
    this.#wake = undefined;
    if (this.#stopped) throw new CheckStoppedError('The check was stopped');
    this.#sliceSince = this.#machine.monotonicMs();
    this.#looks = 0;
    this.#bytesOwed = 0;
  }

  /** Whoever rests wakes up at once, and ends. */
  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }
}
