/**
 * Whether a stream still has what it acknowledged. It has not when it is another stream under the
 * same name (created at another instant), when it ends before the highest place that it gave to one
 * of ours, or when it gives out a place that is not above that one. Which stream it was, and that
 * place, outlive the process by the outbox.
 *
 * In doubt it has lost everything: publishing again costs duplicates, which readers drop. Given up:
 * a stream that went back while nobody asked, and that others have filled again beyond that place,
 * looks as if nothing had happened.
 */
import type { StreamState } from './bus.ts';
import type { OutboxStream } from './outbox-port.ts';

/** In place of an instant: no stream that there is can be the one that acknowledged our events. */
const UNKNOWN = '';

export class StreamHistory {
  readonly #outbox: OutboxStream;
  /** Undefined: nothing was ever acknowledged, and the stream was not looked at. */
  #created: string | undefined;
  #highest: number;
  /** Whether it was looked at since it may last have become another. */
  #isKnown = false;

  constructor(outbox: OutboxStream) {
    this.#outbox = outbox;
    this.#created = outbox.lastSeen?.created;
    this.#highest = outbox.lastSeen?.sequence ?? 0;
  }

  /** The connection is a new one: the server may have lost something meanwhile. */
  reconnected(): void {
    this.#isKnown = false;
  }

  /** The highest place in the stream that acknowledged one of ours; 0 before the first. */
  get highest(): number {
    return this.#highest;
  }

  /**
   * One of ours was acknowledged at `place`; told in the order of the outbox. Why what was
   * acknowledged before must be taken for lost; undefined: all is well.
   */
  acknowledged(place: number, repeated: boolean): string | undefined {
    // Core NATS has no places.
    if (place === 0) return undefined;
    if (!this.#isKnown) this.#created = UNKNOWN;
    const before = this.#highest;
    if (!repeated && place <= before) {
      this.#highest = place;
      return `it gave out place ${place} after ${before}`;
    }
    this.#highest = Math.max(before, place);
    return undefined;
  }

  /** Compares the stream as it is now; `highest` is what it was when that was asked for. */
  compare(state: StreamState, highest: number): string | undefined {
    const { created, lastSequence } = state;
    const known = this.#created;
    this.#created = created;
    this.#isKnown = true;
    if (known === UNKNOWN) {
      this.#highest = 0;
      return 'it is not known which stream acknowledged them';
    }
    if (known !== undefined && known !== created) {
      this.#highest = 0;
      return `it was created at ${created}, the one before at ${known}`;
    }
    if (lastSequence < highest) {
      this.#highest = lastSequence;
      return `it ends at place ${lastSequence}, after it had given out ${highest}`;
    }
    return undefined;
  }

  /** Writes down where the stream stands, for the next run; does so before events leave. */
  note(): void {
    const created = this.#created;
    if (created === undefined || this.#highest === 0) return;
    const last = this.#outbox.lastSeen;
    if (last?.created === created && last.sequence === this.#highest) return;
    this.#outbox.noteStream({ created, sequence: this.#highest });
  }

  /** The next run is to take everything for lost, should this one not come to `note` again. */
  disown(): void {
    const last = this.#outbox.lastSeen;
    if (last === undefined || last.created === UNKNOWN) return;
    this.#outbox.noteStream({ created: UNKNOWN, sequence: 0 });
  }
}
