/**
 * Spans of what happens to leases without anybody asking for it: they expire, are evicted, swept for
 * a sidecar that is gone, ended because the ledger says so. Each is linked with the request that
 * granted the lease, and with the last one that renewed it, when those were recorded.
 *
 * Made from the facts as they are handed on, so that nothing here takes part in what is decided. What
 * a recorded request asks for itself is told by that request's own span.
 */
import type { EndReason } from '../core/command.ts';
import { ENTRY_CONFLICT, ENTRY_ENDED, LEASE_ENDED, RECORD_HEADER_BYTES } from '../core/fact-format.ts';
import type { EntryConflict, EntryEnded, LeaseEnded } from '../core/fact.ts';
import { recordedKind } from '../core/fact-peek.ts';
import { decodeFact } from '../core/fact-reader.ts';
import { sampledTrace } from '../core/trace.ts';
import type { Timers } from '../machine/machine.ts';
import type { LeaseStory } from '../tracing/lease-story.ts';
import { ATTRIBUTES, SPANS } from '../tracing/names.ts';
import { LINKS_MAX, type Span, type SpanLink } from '../tracing/tracing.ts';

type Told = LeaseEnded | EntryEnded | EntryConflict;

/** In one turn of the loop each has a span of its own; what ends beyond that shares spans. */
const SPANS_PER_TURN = 64;

/** Endings of one kind in one namespace, to share a span. */
interface Crowd {
  readonly name: string;
  readonly namespace: string;
  readonly leases: string[];
  readonly links: SpanLink[];
  /** Unix milliseconds of the earliest. */
  startMs: number;
  endings: number;
}

export class EndingSpans {
  readonly #story: LeaseStory;
  readonly #timers: Pick<Timers, 'soon'>;
  readonly #crowds = new Map<string, Crowd>();
  #thisTurn = 0;

  constructor(story: LeaseStory, timers: Pick<Timers, 'soon'>) {
    this.#story = story;
    this.#timers = timers;
  }

  /** Looks at the record in `bytes[start, end)`, which is handed on now. */
  observe(bytes: Uint8Array, start: number, end: number): void {
    const kind = recordedKind(bytes, start + RECORD_HEADER_BYTES);
    if (kind !== LEASE_ENDED && kind !== ENTRY_ENDED && kind !== ENTRY_CONFLICT) return;
    const fact = decodeFact(bytes, start, end) as Told;
    const { renewed, ended } = this.#story;
    const acting = sampledTrace(fact.actingTraceparent);
    const name = nameOf(fact, acting);
    if (name === undefined) {
      // What an earlier lease of this name ended under is not what this one did.
      ended.delete(fact.lease);
      return;
    }
    // An entry ends with its lease, whose span tells of both.
    if (fact.kind === 'entry.ended' && !fact.implicit && ended.get(fact.lease) !== undefined) return;
    const parent = parentOf(name, acting);
    const links = linksOf(fact, parent === acting ? undefined : acting, renewed.get(fact.lease));
    if (fact.kind !== 'entry.conflict') renewed.delete(fact.lease);
    if (this.#thisTurn === 0) this.#timers.soon(this.#turnIsOver);
    this.#thisTurn += 1;
    if (this.#thisTurn > SPANS_PER_TURN) this.#gather(name, fact, links);
    else this.#tell(name, fact, links, parent);
  }

  #tell(
    name: string,
    fact: Told,
    links: readonly SpanLink[],
    parent: Uint8Array | 'none' | undefined,
  ): void {
    const { tracing, isSensitive, ended } = this.#story;
    const span = tracing.start(name, {
      links,
      ...(parent === undefined ? {} : { parent }),
      startMs: startOf(fact),
      attributes: {
        [ATTRIBUTES.namespace]: fact.namespace,
        ...(isSensitive(fact.namespace) ? {} : { [ATTRIBUTES.lease]: fact.lease }),
        ...detailsOf(fact),
      },
    });
    if (fact.kind !== 'entry.conflict') ended.set(fact.lease, span.trace);
    span.end(fact.wallMs);
  }

  #gather(name: string, fact: Told, links: readonly SpanLink[]): void {
    const key = `${name} ${fact.namespace}`;
    let crowd = this.#crowds.get(key);
    if (crowd !== undefined && crowd.links.length + links.length > LINKS_MAX) {
      this.#tellCrowd(crowd);
      crowd = undefined;
    }
    if (crowd === undefined) {
      crowd = { name, namespace: fact.namespace, leases: [], links: [], startMs: startOf(fact), endings: 0 };
      this.#crowds.set(key, crowd);
    }
    crowd.endings += 1;
    crowd.startMs = Math.min(crowd.startMs, startOf(fact));
    crowd.links.push(...links);
    if (fact.kind !== 'entry.conflict') crowd.leases.push(fact.lease);
  }

  #tellCrowd({ name, namespace, leases, links, startMs, endings }: Crowd): void {
    const span: Span = this.#story.tracing.start(name, {
      links, startMs,
      parent: 'none',
      attributes: { [ATTRIBUTES.namespace]: namespace, [ATTRIBUTES.endings]: endings },
    });
    for (const lease of leases) this.#story.ended.set(lease, span.trace);
    span.end();
  }

  readonly #turnIsOver = (): void => {
    this.#thisTurn = 0;
    for (const crowd of this.#crowds.values()) this.#tellCrowd(crowd);
    this.#crowds.clear();
  };
}

const BY_REASON: Partial<Readonly<Record<EndReason, string>>> = {
  expired: SPANS.leaseExpire,
  evicted: SPANS.leaseEvict,
};
/** Causes that the ledger gives. */
const REPAIRS: readonly (string | undefined)[] = ['ledger', 'adopted'];

/** undefined: a recorded request asked for it, and tells it. */
function nameOf(fact: Told, acting: Uint8Array | undefined): string | undefined {
  if (fact.kind === 'entry.conflict') return SPANS.entryConflict;
  if (fact.kind === 'entry.ended' && fact.elsewhere === true) return SPANS.leaseSweep;
  if (REPAIRS.includes(fact.cause)) return SPANS.leaseRepair;
  return BY_REASON[fact.reason] ?? (acting === undefined ? SPANS.leaseEnd : undefined);
}

/** undefined: the round under way, where one is recorded. */
function parentOf(name: string, acting: Uint8Array | undefined): Uint8Array | 'none' | undefined {
  // Whoever came upon it has not brought it about.
  if (name === SPANS.leaseExpire) return 'none';
  if (acting !== undefined) return acting;
  return name === SPANS.leaseEvict || name === SPANS.leaseEnd ? 'none' : undefined;
}

function linksOf(
  { traceparent }: Told,
  acting: Uint8Array | undefined,
  renewed: Uint8Array | undefined,
): SpanLink[] {
  const granted = sampledTrace(traceparent);
  const links: SpanLink[] = [];
  if (granted !== undefined) links.push({ trace: granted, kind: 'granted' });
  if (renewed !== undefined) links.push({ trace: renewed, kind: 'renewed' });
  if (acting !== undefined) links.push({ trace: acting, kind: 'acting' });
  return links;
}

/** Unix milliseconds: an expiry begins at the deadline, and lasts as long as it was late. */
function startOf(fact: Told): number {
  if (fact.kind === 'entry.conflict' || fact.reason !== 'expired') return fact.wallMs;
  return fact.wallMs - latenessOf(fact);
}

function latenessOf({ at, deadline }: Told): number {
  return Math.max(0, at - deadline);
}

function detailsOf(fact: Told) {
  if (fact.kind === 'entry.conflict') return {};
  return {
    [ATTRIBUTES.reason]: fact.reason,
    ...(fact.cause === undefined ? {} : { [ATTRIBUTES.cause]: fact.cause }),
    ...(fact.reason === 'expired' ? { [ATTRIBUTES.latenessMs]: Math.round(latenessOf(fact)) } : {}),
  };
}
