/**
 * Whatever the SDK throws at us ends here, is told, and costs what was to be recorded: it is called
 * from within a step of the engine, between an answer and its client, while events are told.
 */
export class Border {
  readonly #tell: (error: unknown) => void;
  #isTelling = false;

  /** `tell` may itself end here again, as what logs does; it is not called for that. */
  constructor(tell: (error: unknown) => void) {
    this.#tell = tell;
  }

  /** What `work` returns, which is the SDK's alone; `otherwise`, should it throw. */
  attempt<T>(work: () => T, otherwise: T): T {
    try {
      return work();
    } catch (error) {
      this.#told(error);
      return otherwise;
    }
  }

  /** Lets `run` do `work`, which is ours: it is done, once, and what it throws is passed on. */
  around<T>(run: (work: () => T) => T, work: () => T): T {
    let began = false;
    let done: { readonly value: T } | undefined;
    try {
      run(() => {
        began = true;
        done = { value: work() };
        return done.value;
      });
    } catch (error) {
      if (began && done === undefined) throw error;
      this.#told(error);
    }
    return done === undefined ? work() : done.value;
  }

  #told(error: unknown): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    this.#tell(error);
    this.#isTelling = false;
  }
}
