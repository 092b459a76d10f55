/**
 * Contexts of spans by the lease they were about, so that a later span can be linked with them. The
 * newest ones only, and lost with the process: what is missing makes a story shorter, never wrong.
 */
export class TraceMemory {
  readonly #limit: number;
  readonly #traces = new Map<string, Uint8Array>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(lease: string): Uint8Array | undefined {
    return this.#traces.get(lease);
  }

  /** Beyond the limit the oldest goes. */
  set(lease: string, trace: Uint8Array): void {
    this.#traces.delete(lease);
    if (this.#traces.size >= this.#limit) this.#traces.delete(this.#traces.keys().next().value!);
    this.#traces.set(lease, trace);
  }

  delete(lease: string): void {
    this.#traces.delete(lease);
  }
}
