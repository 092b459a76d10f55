/**
 * A hybrid logical clock (Kulkarni, Demirbas et al. 2014) in one double: milliseconds since 2020
 * times 4096, plus a counter of 12 bits. It orders writes by wall clock where clocks agree, never
 * goes back, and always passes what a writer had seen. Exact until 2089, when 2^53 is reached; a
 * counter that runs over moves the millisecond forward, which the logical rule allows.
 */
/** 2020-01-01T00:00:00Z. */
const EPOCH_MS = 1577836800000;
const TICKS = 4096;

/** The wall clock of a stamp, milliseconds since 1970. */
export function wallOf(stamp: number): number {
  return Math.floor(stamp / TICKS) + EPOCH_MS;
}

export class HybridClock {
  #last = 0;

  /** The next stamp at wall clock `wallMs`, past everything minted or witnessed so far. */
  mint(wallMs: number): number {
    const physical = Math.max(0, Math.floor(wallMs - EPOCH_MS)) * TICKS;
    this.#last = physical > this.#last ? physical : this.#last + 1;
    return this.#last;
  }

  /** Everything minted later will be greater than `stamp`. */
  witness(stamp: number): void {
    if (stamp > this.#last) this.#last = stamp;
  }
}
