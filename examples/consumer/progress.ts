/**
 * What a consumer must remember to handle every event once: where it is in each source and stream,
 * and which endings it has handled lately. Small enough for one JSON file, and bounded.
 *
 * Time comes in with the call, so all of this can be tested without waiting.
 */

export type Stream = 'endings' | 'events';

/** How many endings are remembered, at about 60 bytes each. Repeats that come later get through. */
const ENDINGS_MAX = 10_000;
/** Those heard of longest ago are forgotten first: by then they are over. */
const PLACES_MAX = 1_000;

interface Gap {
  readonly from: number;
  readonly to: number;
  readonly seenAtMs: number;
}

interface Place {
  next: number;
  gaps: readonly Gap[];
}

export interface SavedProgress {
  readonly places: readonly (readonly [name: string, place: Place])[];
  readonly endings: readonly string[];
}

export class Progress {
  readonly #places: Map<string, Place>;
  /** In the order they came. */
  readonly #endings: Set<string>;

  constructor(saved: SavedProgress = { places: [], endings: [] }) {
    this.#places = new Map(saved.places);
    this.#endings = new Set(saved.endings);
  }

  /** Whether the event with this place is to be handled; false: it has been. */
  isNew(stream: Stream, source: string, sequence: number, nowMs: number): boolean {
    const place = this.#placeOf(stream, source);
    if (sequence < place.next) return fill(place, sequence);
    advance(place, sequence - 1, nowMs);
    place.next = sequence + 1;
    return true;
  }

  /** Whether this ending is to be handled; false: it has been, perhaps told by another sidecar. */
  isNewEnding(endingId: string): boolean {
    if (this.#endings.has(endingId)) return false;
    this.#endings.add(endingId);
    if (this.#endings.size > ENDINGS_MAX) this.#endings.delete(this.#endings.values().next().value!);
    return true;
  }

  /** `source.closed`: the source is no more. Whatever it still owes is missing from now on. */
  close(source: string, last: Readonly<Record<Stream, number>>, nowMs: number): void {
    for (const stream of ['endings', 'events'] as const) {
      advance(this.#placeOf(stream, source), last[stream], nowMs);
    }
  }

  /**
   * Gaps that have been open for `waitMs`, in words. They are given up: what the caller does now,
   * such as listing again, must make up for whatever was in them.
   */
  giveUp(waitMs: number, nowMs: number): string[] {
    const isOld = (gap: Gap): boolean => nowMs - gap.seenAtMs >= waitMs;
    const given: string[] = [];
    for (const [name, place] of this.#places) {
      given.push(...place.gaps.filter(isOld).map(({ from, to }) => `${from} to ${to} of ${name}`));
      place.gaps = place.gaps.filter((gap) => !isOld(gap));
    }
    return given;
  }

  save(): SavedProgress {
    return { places: [...this.#places], endings: [...this.#endings] };
  }

  #placeOf(stream: Stream, source: string): Place {
    const name = `${stream} of ${source}`;
    const place = this.#places.get(name) ?? { next: 1, gaps: [] };
    // Set anew, so that the map is in the order of last use.
    this.#places.delete(name);
    this.#places.set(name, place);
    if (this.#places.size > PLACES_MAX) this.#places.delete(this.#places.keys().next().value!);
    return place;
  }
}

/** Everything up to `last` should have come: what has not is a gap. */
function advance(place: Place, last: number, nowMs: number): void {
  if (place.next > last) return;
  place.gaps = [...place.gaps, { from: place.next, to: last, seenAtMs: nowMs }];
  place.next = last + 1;
}

/** Takes a sequence out of the gap it is in; false: it is in none, so it was handled. */
function fill(place: Place, sequence: number): boolean {
  const gap = place.gaps.find(({ from, to }) => from <= sequence && sequence <= to);
  if (gap === undefined) return false;
  const parts = [{ ...gap, to: sequence - 1 }, { ...gap, from: sequence + 1 }];
  place.gaps = place.gaps
    .filter((one) => one !== gap)
    .concat(parts.filter(({ from, to }) => from <= to));
  return true;
}
