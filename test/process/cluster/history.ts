/**
 * What clients of several sidecars did, as they know it: what they asked, between which instants,
 * and what they were told. Every value is written once and tells which write it was, so that it is
 * recognised wherever it turns up. Instants are monotonic milliseconds of the testing process.
 */
import type { Span } from '../crash/span.ts';

/** `unknown`: no answer ever came; it may have been done or not. */
export type Outcome = 'done' | 'refused' | 'unknown';

/** What its clients were promised about one lease. */
export class Term {
  readonly id: string;
  /** The deadline lies between these. */
  earliest = Number.NEGATIVE_INFINITY;
  latest = Number.NEGATIVE_INFINITY;
  /** Somebody asked to release it, and was told so or got no answer. */
  release: { readonly span: Span; readonly outcome: Outcome } | undefined;

  constructor(id: string) {
    this.id = id;
  }

  /** A reply, asked and given within `span`, said that so much remained. */
  told(span: Span, remainingMs: number): void {
    this.earliest = Math.max(this.earliest, span.from + remainingMs);
    this.latest = Math.max(this.latest, span.to + remainingMs + 1);
  }

  /** It may have been renewed for so long, or may yet be when the ledger knows. */
  perhaps(span: Span, ttlMs: number): void {
    this.latest = Math.max(this.latest, span.to + ttlMs);
  }
}

interface Act {
  readonly namespace: string;
  readonly key: string;
  /** Which sidecar was asked. */
  readonly sidecar: number;
  readonly span: Span;
  readonly outcome: Outcome;
}

export interface Write extends Act {
  readonly kind: 'write';
  readonly value: string;
  /** Values that it named as those it replaces, by a version or a context. */
  readonly saw: readonly string[];
  /** It named nothing: it replaces what the namespace's policy says. */
  readonly isBlind: boolean;
  /** Known from the answer. */
  readonly term: Term | undefined;
  /** As answered: of all the values that stood there then. */
  readonly etag?: string;
}

export interface Delete extends Act {
  readonly kind: 'delete';
  readonly saw: readonly string[];
  readonly isBlind: boolean;
}

export interface Increment extends Act {
  readonly kind: 'increment';
  /** Positive. */
  readonly by: number;
  readonly term: Term | undefined;
}

export class History {
  readonly acts: (Write | Delete | Increment)[] = [];
  readonly #terms = new Map<string, Term>();

  /** The term of a lease, by its id; ids are never used twice. */
  term(id: string): Term {
    let term = this.#terms.get(id);
    if (term === undefined) {
      term = new Term(id);
      this.#terms.set(id, term);
    }
    return term;
  }

  add(act: Write | Delete | Increment): void {
    this.acts.push(act);
  }

  /** Acts by namespace and key. */
  byPlace(): Map<string, Place> {
    const places = new Map<string, Place>();
    for (const act of this.acts) {
      const name = placeName(act.namespace, act.key);
      let place = places.get(name);
      if (place === undefined) {
        place = { namespace: act.namespace, key: act.key, writes: [], deletes: [], increments: [] };
        places.set(name, place);
      }
      if (act.kind === 'write') place.writes.push(act);
      else if (act.kind === 'delete') place.deletes.push(act);
      else place.increments.push(act);
    }
    return places;
  }
}

/** All that was asked about one key. */
export interface Place {
  readonly namespace: string;
  readonly key: string;
  readonly writes: Write[];
  readonly deletes: Delete[];
  readonly increments: Increment[];
}

export function placeName(namespace: string, key: string): string {
  return `${namespace}/${key}`;
}

/** What was done at one key, in the order in which it was asked for; instants since `origin`. */
export function storyOf(place: Place, origin: number): string[] {
  const acts = [...place.writes, ...place.deletes, ...place.increments];
  acts.sort((left, right) => left.span.from - right.span.from);
  const at = (instant: number): string => String(Math.round(instant - origin));
  return acts.map((act) => {
    const { span, sidecar, outcome, kind } = act;
    const when = `${at(span.from)}-${at(span.to)} at sidecar ${sidecar}: ${kind} ${outcome}`;
    if (act.kind === 'increment') return `${when}, by ${act.by}`;
    const seen = act.isBlind ? 'blind' : `having seen ${act.saw.map(briefly).join(', ')}`;
    if (act.kind === 'delete') return `${when}, ${seen}`;
    const { value, term, etag = '' } = act;
    const until =
      term === undefined ? '' : ` under ${term.id} until ${at(term.earliest)}-${at(term.latest)}`;
    return `${when}, ${briefly(value)} ${etag}, ${seen}${until}`;
  });
}

/** What tells a value from all others. */
export function briefly(value: string): string {
  return `"${value.slice(0, value.indexOf(':') + 1)}"`;
}
