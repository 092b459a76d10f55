/**
 * A committed fact as a CloudEvent 1.0, in its JSON form. A pure function of the fact and its
 * namespace's contract, so an event published twice, or by a later run, is the same event, and
 * nothing but compact facts need be kept until then.
 */
import { createHash } from 'node:crypto';
import { dotText } from '../core/dot.ts';
import type { Dot, Fact } from '../core/fact.ts';

/** What a namespace lets out. */
export interface EventContract {
  readonly sensitive: boolean;
  readonly events: {
    readonly values: 'none' | 'hash' | 'full';
    /** Which events are told, as noun.verb; endings always are. */
    readonly publish: 'all' | readonly string[];
  };
}

export interface EventSource {
  /** The replica's display name. */
  readonly name: string;
  /** The run that committed the fact. */
  readonly actor: string;
  readonly stream: string;
  readonly sequence: number;
}

export interface CloudEvent {
  readonly specversion: '1.0';
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly datacontenttype: 'application/json';
  readonly sequence: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const SEQUENCE_DIGITS = 16;
const ENDING_ID_LENGTH = 22;

type EntryFact = Extract<Fact, { readonly key: string }>;

function sha256(text: string | Uint8Array, encoding: 'hex' | 'base64url'): string {
  return createHash('sha256').update(text).digest(encoding);
}

/** Names one ending, whoever records it: it depends on what was granted, not on who saw it end. */
function endingId(kind: 'entry' | 'lease', namespace: string, name: string, begun: Dot): string {
  const identity = JSON.stringify([kind, namespace, name, begun.actor, begun.seq]);
  return sha256(identity, 'base64url').slice(0, ENDING_ID_LENGTH);
}

/** `lease.granted`, `entry.updated` and so on; undefined: a fact that is no event of its own. */
export function eventName(fact: Fact): string | undefined {
  if (fact.kind === 'lease.renewed' && fact.implicit) return undefined;
  if (fact.kind === 'entry.buried') return undefined;
  if (fact.kind === 'lease.granted' && fact.adopted === true) return 'lease.adopted';
  if (fact.kind === 'entry.written') return fact.created ? 'entry.created' : 'entry.updated';
  return fact.kind;
}

function isTold(name: string, { events: { publish } }: EventContract): boolean {
  return name.endsWith('.ended') || publish === 'all' || publish.includes(name);
}

function lateness(at: number, deadline: number): number {
  return Math.max(0, Math.round(at - deadline));
}

function etagText(dot: Dot): string {
  return `"${dotText(dot.actor, dot.seq)}"`;
}

function optional(name: string, value: unknown): Record<string, unknown> {
  return value === undefined ? {} : { [name]: value };
}

/**
 * The event of `fact`, or undefined when it is none or its namespace does not tell it. Instants of
 * the fact become wall-clock time by the offset the fact itself carries.
 */
export function cloudEvent(
  fact: Fact,
  source: EventSource,
  contract: EventContract,
): CloudEvent | undefined {
  const name = eventName(fact);
  if (name === undefined || !isTold(name, contract)) return undefined;
  const wall = (instant: number): string =>
    new Date(instant + (fact.wallMs - fact.at)).toISOString();
  const { namespace, lease, holder } = fact;
  return {
    specversion: '1.0',
    id: `${source.actor}:${source.stream}:${source.sequence}`,
    source: `/leasehold/${encodeURIComponent(source.name)}/${source.actor}`,
    type: `leasehold.${name}.v1`,
    subject: subjectOf(fact, contract),
    time: wall(fact.at),
    datacontenttype: 'application/json',
    sequence: String(source.sequence).padStart(SEQUENCE_DIGITS, '0'),
    data: { namespace, lease, holder, at: wall(fact.at), ...detailsOf(fact, contract, wall) },
  };
}

function keyHash(fact: EntryFact): string {
  return sha256(`${fact.namespace}/${fact.key}`, 'hex');
}

function subjectOf(fact: Fact, contract: EventContract): string {
  if (fact.kind === 'reconcile.repaired') return fact.namespace;
  if (!('key' in fact)) return fact.lease;
  return contract.sensitive ? keyHash(fact) : `${fact.namespace}/${fact.key}`;
}

function detailsOf(
  fact: Fact,
  contract: EventContract,
  wall: (instant: number) => string,
): Record<string, unknown> {
  switch (fact.kind) {
    case 'lease.granted':
      return { ttlMs: fact.ttlMs, deadline: wall(fact.deadline) };
    case 'lease.renewed':
      return { ttlMs: fact.ttlMs, deadline: wall(fact.deadline), renewals: fact.renewals };
    case 'lease.transferred':
      return { previousHolder: fact.previousHolder };
    case 'lease.ended':
      return {
        reason: fact.reason,
        ...optional('cause', fact.cause),
        endingId: endingId('lease', fact.namespace, fact.lease, fact.origin),
        deadline: wall(fact.deadline),
        latenessMs: lateness(fact.at, fact.deadline),
        entries: fact.entries,
      };
    case 'entry.written':
    case 'entry.reverted':
      return {
        ...entryDetails(fact, contract),
        ...optional('previousEtag', quotedOrNothing(fact.previousEtag)),
        ...optional('previousLease', fact.previousLease),
        ...(fact.kind === 'entry.written' ? valueDetails(fact.value, contract) : {}),
      };
    case 'entry.conflict':
      return { ...entryDetails(fact, contract), policy: fact.policy, siblings: fact.siblings };
    case 'entry.ended':
      return {
        ...entryDetails(fact, contract),
        reason: fact.reason,
        ...optional('cause', fact.cause),
        endingId: endingId('entry', fact.namespace, fact.key, fact.born),
        deadline: wall(fact.deadline),
        latenessMs: lateness(fact.at, fact.deadline),
      };
    case 'reconcile.repaired': {
      const { partition, pushed, pulled, ended } = fact;
      return { partition, pushed, pulled, ended };
    }
    case 'entry.buried':
      return {};
  }
}

function quotedOrNothing(etag: string | undefined): string | undefined {
  return etag === undefined ? undefined : `"${etag}"`;
}

function entryDetails(fact: EntryFact, contract: EventContract): Record<string, unknown> {
  return {
    ...(contract.sensitive ? { keyHash: keyHash(fact) } : { key: fact.key }),
    etag: etagText(fact.dot),
    contentType: fact.contentType,
    size: fact.size,
  };
}

function valueDetails(value: Uint8Array, contract: EventContract): Record<string, unknown> {
  // A hash of a secret with few possible values is the secret: nothing of it goes out.
  if (contract.sensitive || contract.events.values === 'none') return {};
  if (contract.events.values === 'hash') return { valueHash: sha256(value, 'hex') };
  return { value: Buffer.from(value).toString('base64') };
}
