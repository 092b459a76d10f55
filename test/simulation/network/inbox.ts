/**
 * Where messages enter a process: each in an event of its own, in the order in which they came, even
 * when the process was paused or busy and finds several of them at once.
 */
import { PRIORITY } from '../kernel/kernel.ts';
import type { SimulatedProcess } from '../machine/simulated-process.ts';

export class Inbox {
  readonly #process: SimulatedProcess;
  readonly #waiting: (() => void)[] = [];

  constructor(process: SimulatedProcess) {
    this.#process = process;
  }

  /** Called as the message arrives at the machine. */
  put(label: string, work: () => void): void {
    if (!this.#process.alive) return;
    this.#waiting.push(work);
    this.#process.schedule(0, PRIORITY.arrival, label, this.#takeNext);
  }

  readonly #takeNext = (): void => this.#waiting.shift()!();
}
