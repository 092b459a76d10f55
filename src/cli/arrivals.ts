/**
 * Which events have arrived, so that a reader sees each once and hears of what is missing. Two
 * things are remembered, both bounded: for each source and stream where it stands, and the endings
 * seen last. An event may come again with its own id, after a lost acknowledgement or a stream that
 * was replaced; and an ending may be told by two sidecars, under two ids and one `endingId`.
 */
import { type EventDocument, type EventPlace, placeOf } from './bus-event.ts';

/** Sequences from and to, both included. */
export interface Missing {
  readonly source: string;
  readonly stream: string;
  readonly from: number;
  readonly to: number;
}

export interface Arrival {
  /**
   * `next`: as it should be. `late`: it stands before others that have arrived already. `repeat`:
   * this event has arrived before. `told`: another event has told this ending.
   */
  readonly kind: 'next' | 'late' | 'repeat' | 'told';
  /** What should have come before it. */
  readonly missing?: Missing;
}

/** A source is one run of a sidecar, so those that were heard of longest ago have ended. */
const SOURCES_MAX = 1_024;
const GAPS_MAX = 256;
/** At about 100 bytes each. */
const ENDINGS_MAX = 100_000;

interface Place {
  /** Before this one nothing is known. */
  first: number;
  next: number;
  /** Ranges between the two that have not arrived, in order; both ends included. */
  readonly gaps: [from: number, to: number][];
}

export class Arrivals {
  readonly #places = new Map<string, Place>();
  readonly #endings = new Set<string>();

  take(event: EventDocument): Arrival {
    const at = placeOf(event);
    const placed: Arrival = at === undefined ? { kind: 'next' } : this.#place(at);
    if (placed.kind === 'repeat') return placed;
    return this.#wasTold(event) ? { ...placed, kind: 'told' } : placed;
  }

  #place(at: EventPlace): Arrival {
    const { source, stream, sequence } = at;
    const name = `${stream} ${source}`;
    const place = this.#places.get(name) ?? { first: sequence, next: sequence, gaps: [] };
    // Set anew each time, which keeps the map in the order of last use.
    this.#places.delete(name);
    this.#places.set(name, place);
    if (this.#places.size > SOURCES_MAX) this.#places.delete(this.#places.keys().next().value!);

    if (sequence < place.first) return { kind: 'late' };
    if (sequence < place.next) return { kind: fill(place, sequence) ? 'late' : 'repeat' };
    const from = place.next;
    place.next = sequence + 1;
    if (sequence === from) return { kind: 'next' };
    place.gaps.push([from, sequence - 1]);
    forgetOldGaps(place);
    return { kind: 'next', missing: { source, stream, from, to: sequence - 1 } };
  }

  #wasTold(event: EventDocument): boolean {
    const data = event['data'] as EventDocument | undefined;
    const ending = data?.['endingId'];
    if (typeof ending !== 'string') return false;
    if (this.#endings.has(ending)) return true;
    this.#endings.add(ending);
    if (this.#endings.size > ENDINGS_MAX) this.#endings.delete(this.#endings.values().next().value!);
    return false;
  }
}

/** Takes a sequence out of the gap it is in; false: it is in none. */
function fill(place: Place, sequence: number): boolean {
  const { gaps } = place;
  const index = gaps.findIndex(([from, to]) => from <= sequence && sequence <= to);
  if (index < 0) return false;
  const [from, to] = gaps[index]!;
  const rest: [number, number][] = [];
  if (from < sequence) rest.push([from, sequence - 1]);
  if (sequence < to) rest.push([sequence + 1, to]);
  gaps.splice(index, 1, ...rest);
  forgetOldGaps(place);
  return true;
}

/** What is not remembered as missing any more must not pass for a repeat when it comes. */
function forgetOldGaps(place: Place): void {
  while (place.gaps.length > GAPS_MAX) place.first = place.gaps.shift()![1] + 1;
}
