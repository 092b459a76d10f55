/** What has been started, how long it took, and how to take it back when a later part fails. */
import type { Clocks } from './machine/machine.ts';
import { exceptionFields } from './log/exception-fields.ts';
import type { Log } from './log/log.ts';

export class BootTree {
  readonly #log: Log;
  readonly #undo: { readonly part: string; readonly action: () => unknown }[] = [];
  readonly #marks: Record<string, number> = {};
  readonly #clocks: Pick<Clocks, 'monotonicMs'>;
  #since: number;

  constructor(log: Log, clocks: Pick<Clocks, 'monotonicMs'>) {
    this.#log = log;
    this.#clocks = clocks;
    this.#since = clocks.monotonicMs();
  }

  mark(part: string): void {
    const now = this.#clocks.monotonicMs();
    this.#marks[part] = Math.round(now - this.#since);
    this.#since = now;
  }

  tell(): void {
    this.#log.debug({ partsMs: this.#marks }, 'boot');
  }

  undo(part: string, action: () => unknown): void {
    this.#undo.push({ part, action });
  }

  forget(part: string): void {
    const index = this.#undo.findIndex((entry) => entry.part === part);
    if (index >= 0) this.#undo.splice(index, 1);
  }

  async unwind(): Promise<void> {
    for (const { part, action } of this.#undo.reverse()) {
      try {
        await action();
      } catch (error) {
        this.#log.warn({ part, ...exceptionFields(error) }, 'could not close a part');
      }
    }
  }
}
