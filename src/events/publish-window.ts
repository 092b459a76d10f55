/**
 * What of one stream is on its way: a ring with a slot for each event that was sent and is not yet
 * settled, in order. Outcomes arrive in any order and leave in order. Everything is preallocated,
 * the callbacks too: an event on its way costs no memory of its own.
 *
 * How many may be outstanding starts at one and doubles each time as many have been stored (slow
 * start, https://www.rfc-editor.org/rfc/rfc5681 §3.1): who comes back after trouble sends a single
 * probe first.
 */
import type { PublishOutcome } from './bus.ts';

const SENT = 1;
const FAILED = 2;
/** Not sent, since it is no longer held. */
const SKIPPED = 3;
const STORED = 4;
/** The bus had it already. */
const REPEATED = 5;

/** What became of the oldest event: undefined while that is open, or when it failed. */
export type Head = 'stored' | 'repeated' | 'skipped' | undefined;

const HEADS: Readonly<Record<number, Head>> = {
  [SKIPPED]: 'skipped', [STORED]: 'stored', [REPEATED]: 'repeated',
};

export class PublishWindow {
  readonly #limit: number;
  readonly #mask: number;
  readonly #states: Uint8Array;
  /** Where in the stream each is, once stored. */
  readonly #places: Float64Array;
  /** When what each tells of happened. */
  readonly #instants: Float64Array;
  readonly #callbacks: readonly ((outcome: PublishOutcome) => void)[];
  #allowed = 1;
  #from: number;
  #next: number;
  #outstanding = 0;

  /** `settled` is told of each outcome, in the order in which they arrive. */
  constructor(
    limit: number,
    start: number,
    settled: (slot: number, outcome: PublishOutcome) => void,
  ) {
    this.#limit = limit;
    this.#from = start;
    this.#next = start;
    // A power of two: a slot is the low bits of an index.
    const slots = 2 ** Math.ceil(Math.log2(limit));
    this.#mask = slots - 1;
    this.#states = new Uint8Array(slots);
    this.#places = new Float64Array(slots);
    this.#instants = new Float64Array(slots);
    this.#callbacks = Array.from({ length: slots }, (_, slot) => (outcome: PublishOutcome) => {
      // The port promises one outcome; a second must not count against the slot's next tenant.
      if (this.#states[slot] !== SENT) return;
      this.#outstanding -= 1;
      if (outcome.ok) {
        this.#states[slot] = outcome.duplicate ? REPEATED : STORED;
        this.#places[slot] = outcome.sequence;
      } else {
        this.#states[slot] = FAILED;
      }
      settled(slot, outcome);
    });
  }

  /** Index of the oldest event that is not settled. */
  get from(): number {
    return this.#from;
  }

  /** Index of the next event to be sent. */
  get next(): number {
    return this.#next;
  }

  /** Sent, and without an outcome. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** How many may be between `from` and `next` now. */
  get allowed(): number {
    return this.#allowed;
  }

  get hasRoom(): boolean {
    return this.#next - this.#from < this.#allowed;
  }

  /** Takes a slot for the event at `next`, which is sent now and happened at `instant`. */
  take(instant: number): number {
    const slot = this.#next & this.#mask;
    this.#instants[slot] = instant;
    this.#states[slot] = SENT;
    this.#next += 1;
    this.#outstanding += 1;
    return slot;
  }

  callback(slot: number): (outcome: PublishOutcome) => void {
    return this.#callbacks[slot]!;
  }

  /** Passes over the event at `next`. */
  skip(): void {
    this.#states[this.#next & this.#mask] = SKIPPED;
    this.#next += 1;
  }

  get head(): Head {
    return this.#from === this.#next ? undefined : HEADS[this.#states[this.#from & this.#mask]!];
  }

  /** Where in the stream the oldest event is, when it is `stored` or `repeated`. */
  get headPlace(): number {
    return this.#places[this.#from & this.#mask]!;
  }

  /** When the oldest event happened; it was sent. */
  get headInstant(): number {
    return this.#instants[this.#from & this.#mask]!;
  }

  /** The oldest event is done with. */
  drop(): void {
    this.#from += 1;
  }

  /** As many more may be outstanding as have been stored. */
  widen(stored: number): void {
    this.#allowed = Math.min(this.#limit, this.#allowed + stored);
  }

  narrow(): void {
    this.#allowed = 1;
  }

  /** Goes on from `index`; nothing may be outstanding. */
  restart(index: number): void {
    if (this.#outstanding > 0) {
      throw new Error(`Cannot restart the window: ${this.#outstanding} events are on their way`);
    }
    this.#from = index;
    this.#next = index;
  }
}
