/** What has been started, how long it took, and how to take it back when a later part fails. */
import type { Log } from './telemetry/log.ts';

export class BootTree {
  readonly #log: Log;
  readonly #undo: { readonly part: string; readonly action: () => unknown }[] = [];
  readonly #marks: Record<string, number> = {};
  #since = performance.now();

  constructor(log: Log) {
    this.#log = log;
  }

  mark(part: string): void {
    const now = performance.now();
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
        this.#log.warn({ part, error: (error as Error).message }, 'could not close a part');
      }
    }
  }
}
