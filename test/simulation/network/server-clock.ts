/** The clock of a server: true time at a rate of its own, and whatever it was stepped by. */
import type { Kernel } from '../kernel/kernel.ts';

export class ServerClock {
  readonly #kernel: Kernel;
  #rate = 1;
  #anchorTrueMs: number;
  #anchorMs: number;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#anchorTrueMs = kernel.nowMs;
    this.#anchorMs = kernel.nowMs;
  }

  /** Unix milliseconds, as far as it knows. */
  readonly now = (): number =>
    this.#anchorMs + (this.#kernel.nowMs - this.#anchorTrueMs) * this.#rate;

  get offsetMs(): number {
    return this.now() - this.#kernel.nowMs;
  }

  step(ms: number): void {
    this.#anchorMs += ms;
  }

  setRate(rate: number): void {
    this.#anchorMs = this.now();
    this.#anchorTrueMs = this.#kernel.nowMs;
    this.#rate = rate;
  }
}
