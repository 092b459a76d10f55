/** A clock that goes when it is told to, and the timers on it. */
export class FakeMachine {
  #nowMs = 1000;
  readonly #timers = new Set<{ readonly atMs: number; readonly work: () => void }>();

  readonly monotonicMs = (): number => this.#nowMs;

  readonly after = (delayMs: number, work: () => void): (() => void) => {
    const timer = { atMs: this.#nowMs + delayMs, work };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  };

  get timers(): number {
    return this.#timers.size;
  }

  pass(ms: number): void {
    const until = this.#nowMs + ms;
    for (;;) {
      const [next] = [...this.#timers].sort((left, right) => left.atMs - right.atMs);
      if (next === undefined || next.atMs > until) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.work();
    }
    this.#nowMs = until;
  }
}
