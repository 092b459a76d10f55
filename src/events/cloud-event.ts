/**
 * A committed fact as a CloudEvent 1.0, in its JSON form. A pure function of the fact and its
 * namespace's contract, so an event published twice, or by a later run, is the same event, and
 * nothing but compact facts need be kept until then.
 *
 * A burst of endings has a few microseconds for each: objects are written as literals, in the order
 * in which they go out, and each instant becomes text once.
 */
import { hash } from 'node:crypto';
import { dotText } from '../core/dot.ts';
import type { Dot, Fact } from '../core/fact.ts';
import { murmur3 } from '../core/placement.ts';
import { keyHash } from '../key-hash.ts';
import { type EventName, eventTypeOf, isEnding, isOfProcess } from './event-types.ts';
import { NO_NAMESPACE } from './subject.ts';

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
  readonly partitionkey: string;
  /** Of the request that granted what this is about. */
  readonly traceparent?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const SEQUENCE_DIGITS = 16;
const ENDING_ID_LENGTH = 22;
const HASH_DIGITS = 8;
/**
 * A NATS server takes 1 MiB per message where nothing else is configured. Base64 makes 683 KiB of
 * this, which leaves room for a key and headers in their longest escapes. An event that no server
 * takes would hold up all behind it.
 */
const VALUE_TOLD_BYTES_MAX = 512 * 1024;

type FactOf<K extends Fact['kind']> = Extract<Fact, { readonly kind: K }>;
type EntryFact = Extract<Fact, { readonly key: string }>;
type Data = Record<string, unknown>;

/** Names one ending, whoever records it: it depends on what was granted, not on who saw it end. */
function endingId(kind: 'entry' | 'lease', namespace: string, name: string, begun: Dot): string {
  // The JSON of all of it in an array; only a name may need escapes.
  const identity = `["${kind}","${namespace}",${JSON.stringify(name)},"${begun.actor}",${begun.seq}]`;
  return hash('sha256', identity, 'base64url').slice(0, ENDING_ID_LENGTH);
}

/** undefined: a fact that is no event of its own. */
export function eventName(fact: Fact): EventName | undefined {
  switch (fact.kind) {
    case 'lease.granted':
      return fact.adopted === true ? 'lease.adopted' : 'lease.granted';
    case 'lease.renewed':
      return fact.implicit ? undefined : 'lease.renewed';
    case 'entry.written':
      return fact.created ? 'entry.created' : 'entry.updated';
    case 'entry.buried':
      return undefined;
    default:
      return fact.kind;
  }
}

/** Whether a namespace tells it; endings, and what is of no namespace, are always told. */
function isTold(name: EventName, { events: { publish } }: EventContract): boolean {
  return publish === 'all' || isEnding(name) || publish.includes(name) || isOfProcess(name);
}

/** The event of `fact`, or undefined when it is none or its namespace does not tell it. */
export function cloudEvent(
  fact: Fact,
  source: EventSource,
  contract: EventContract,
): CloudEvent | undefined {
  const name = eventName(fact);
  if (name === undefined || !isTold(name, contract)) return undefined;
  return eventOf(name, fact, source, contract);
}

/** `/leasehold/<name>/<actor>`: a URI reference. */
export function sourcePath(name: string, actor: string): string {
  return `/leasehold/${encodeURIComponent(name)}/${actor}`;
}

/**
 * The event of `fact`, whose `eventName` is `name`, whether its namespace tells it or not. Instants
 * of the fact become wall-clock time by the offset the fact itself carries.
 */
export function eventOf(
  name: EventName,
  fact: Fact,
  source: EventSource,
  contract: EventContract,
): CloudEvent {
  const offset = fact.wallMs - fact.at;
  const at = instantText(fact.at + offset);
  const data: Data = { namespace: fact.namespace, lease: fact.lease, holder: fact.holder, at };
  addDetails(data, fact, contract, offset, source.name);
  return {
    specversion: '1.0',
    id: `${source.actor}:${source.stream}:${source.sequence}`,
    source: sourcePath(source.name, source.actor),
    type: eventTypeOf(name),
    subject: subjectAttribute(fact, contract, source.name),
    time: at,
    datacontenttype: 'application/json',
    sequence: String(source.sequence).padStart(SEQUENCE_DIGITS, '0'),
    partitionkey: partitionKey(fact, source.name),
    ...(fact.traceparent === undefined ? undefined : { traceparent: fact.traceparent }),
    data,
  };
}

/** What is told together happened within a few seconds: their text is made once. A power of two. */
const SECONDS_KEPT = 8;
const keptSeconds: number[] = new Array(SECONDS_KEPT).fill(Number.NaN);
const keptTexts: string[] = new Array(SECONDS_KEPT).fill('');

/** RFC 3339 with milliseconds; fractions of them are cut off, as `Date` does. */
function instantText(wallMs: number): string {
  const instant = Math.trunc(wallMs);
  const second = Math.floor(instant / 1000);
  const slot = second & (SECONDS_KEPT - 1);
  if (keptSeconds[slot] !== second) {
    keptTexts[slot] = new Date(second * 1000).toISOString().slice(0, -'000Z'.length);
    keptSeconds[slot] = second;
  }
  const ms = instant - second * 1000;
  return `${keptTexts[slot]}${ms < 100 ? (ms < 10 ? '00' : '0') : ''}${ms}Z`;
}

function subjectAttribute(fact: Fact, contract: EventContract, replica: string): string {
  switch (fact.kind) {
    case 'reconcile.repaired':
      return fact.namespace;
    case 'pressure.changed':
      return attributeText(replica);
    case 'source.closed':
      return sourcePath(replica, fact.actor);
    default:
      if (!('key' in fact)) return attributeText(fact.lease);
      return contract.sensitive ? keyHash(fact.namespace, fact.key) : attributeText(`${fact.namespace}/${fact.key}`);
  }
}

const PLAIN = /^[ -~]*$/;
/** What the text of an attribute may not hold (CloudEvents 1.0.2, §3.2): controls, nonsense. */
const FORBIDDEN = /[\p{Cc}\p{Cs}\p{NChar}]/gu;

/** Percent-encodes what may not stand there, and nothing else: `data` has the key as it is. */
function attributeText(text: string): string {
  if (PLAIN.test(text)) return text;
  return text.replace(FORBIDDEN, (character) => encodeURIComponent(character.toWellFormed()));
}

/**
 * `<namespace>:<hash>`, where the hash is MurmurHash3 (32 bits, hexadecimal) of the key or, of
 * events without one, of what they are about. All events of a key have the same, at every sidecar,
 * and the ledger's partition of a key follows from the same hash. It names no key, so it stands in
 * sensitive namespaces too.
 */
function partitionKey(fact: Fact, replica: string): string {
  const { namespace } = fact;
  const what = 'key' in fact ? fact.key : fact.lease || namespace || replica;
  const digits = textHash(what).toString(16).padStart(HASH_DIGITS, '0');
  return `${namespace === '' ? NO_NAMESPACE : namespace}:${digits}`;
}

/** Keys have at most 512 bytes; whatever is longer is written elsewhere. */
const scratch = Buffer.alloc(1024);
const UTF8_BYTES_PER_UNIT = 3;

function textHash(text: string): number {
  if (text.length * UTF8_BYTES_PER_UNIT > scratch.length) return murmur3(Buffer.from(text));
  return murmur3(scratch, 0, scratch.write(text));
}

function addDetails(
  data: Data,
  fact: Fact,
  contract: EventContract,
  offset: number,
  replica: string,
): void {
  switch (fact.kind) {
    case 'lease.granted':
      data['ttlMs'] = fact.ttlMs;
      data['deadline'] = instantText(fact.deadline + offset);
      return;
    case 'lease.renewed':
      data['ttlMs'] = fact.ttlMs;
      data['deadline'] = instantText(fact.deadline + offset);
      data['renewals'] = fact.renewals;
      return;
    case 'lease.transferred':
      data['previousHolder'] = fact.previousHolder;
      return;
    case 'lease.ended':
      addEnding(data, fact, offset, endingId('lease', fact.namespace, fact.lease, fact.origin));
      data['entries'] = fact.entries;
      return;
    case 'entry.written':
      addEntry(data, fact, contract);
      addPrevious(data, fact);
      addValue(data, fact.value, contract);
      return;
    case 'entry.reverted':
      addEntry(data, fact, contract);
      addPrevious(data, fact);
      return;
    case 'entry.conflict':
      addEntry(data, fact, contract);
      data['policy'] = fact.policy;
      data['siblings'] = fact.siblings;
      return;
    case 'entry.ended':
      addEntry(data, fact, contract);
      addEnding(data, fact, offset, endingId('entry', fact.namespace, fact.key, fact.born));
      return;
    case 'pressure.changed':
      data['level'] = fact.level;
      data['previousLevel'] = fact.previous;
      data['source'] = fact.source;
      data['fill'] = fact.fill;
      return;
    case 'reconcile.repaired':
      data['partition'] = fact.partition;
      data['pushed'] = fact.pushed;
      data['pulled'] = fact.pulled;
      data['ended'] = fact.ended;
      data['against'] = fact.against;
      return;
    case 'source.closed':
      data['source'] = sourcePath(replica, fact.actor);
      data['lastSequences'] = fact.lastSequence;
      return;
    case 'entry.buried':
      return;
  }
}

function addEntry(data: Data, fact: EntryFact, contract: EventContract): void {
  if (contract.sensitive) data['keyHash'] = keyHash(fact.namespace, fact.key);
  else data['key'] = fact.key;
  data['etag'] = `"${dotText(fact.dot.actor, fact.dot.seq)}"`;
  data['contentType'] = fact.contentType;
  data['size'] = fact.size;
}

function addPrevious(data: Data, fact: FactOf<'entry.written' | 'entry.reverted'>): void {
  if (fact.previousEtag !== undefined) data['previousEtag'] = `"${fact.previousEtag}"`;
  if (fact.previousLease !== undefined) data['previousLease'] = fact.previousLease;
}

function addValue(data: Data, value: Uint8Array, contract: EventContract): void {
  // A hash of a secret with few possible values is the secret: nothing of it goes out.
  if (contract.sensitive || contract.events.values === 'none') return;
  if (contract.events.values === 'full' && value.length <= VALUE_TOLD_BYTES_MAX) {
    data['value'] = Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64');
  } else {
    data['valueHash'] = hash('sha256', value, 'hex');
  }
}

function addEnding(
  data: Data,
  fact: FactOf<'lease.ended' | 'entry.ended'>,
  offset: number,
  id: string,
): void {
  data['reason'] = fact.reason;
  if (fact.cause !== undefined) data['cause'] = fact.cause;
  data['endingId'] = id;
  data['deadline'] = instantText(fact.deadline + offset);
  data['latenessMs'] = Math.max(0, Math.round(fact.at - fact.deadline));
}
