/**
 * An event as a message for the bus, by the CloudEvents binding for NATS. Structured mode is the
 * one that 1.0.2 of the binding has; binary mode is from its later text (1.0.3-wip, §3.1). Header
 * names are written in lower case, because NATS tells them apart by case (ADR-4), but for
 * `Content-Type`, which the binding names so.
 *
 * A pure function: the same fact gives the same bytes, so an event is encoded when it is sent, and
 * again when it must be sent again.
 */
import type { Fact } from '../core/fact.ts';
import { traceparentText } from '../core/trace.ts';
import type { BusMessage } from './bus.ts';
import { type CloudEvent, type EventContract, eventName, eventOf } from './cloud-event.ts';
import type { OutboxEvent } from './outbox-port.ts';
import { subjectOf } from './subject.ts';

export type Encoding = 'structured' | 'binary';

export interface EncodingContext {
  /** The replica's display name. */
  readonly name: string;
  /** Of namespaces made on demand that of the default one, and so of those no longer known. */
  readonly contractOf: (namespace: string) => EventContract;
}

type Headers = BusMessage['headers'];

/** Structured mode, told by its prefix; JSON is UTF-8, so a charset would say nothing. */
export const STRUCTURED_TYPE = 'application/cloudevents+json';
const STRUCTURED: readonly [string, string] = ['Content-Type', STRUCTURED_TYPE];
const ONLY_STRUCTURED: Headers = [STRUCTURED];

/**
 * What `events.publish` says is not asked: what is in the outbox has its number, and leaving it out
 * would be a gap. @throws Error for a fact that is no event: it should never have got there
 */
export function encodeEvent(
  event: OutboxEvent,
  { name: replica, contractOf }: EncodingContext,
  encoding: Encoding,
  /** Of the span that publishes it; absent: of the request that acted, or else granted. */
  publishing?: Uint8Array,
): BusMessage {
  const { stream, actor, sequence, fact } = event;
  const name = eventName(fact);
  if (name === undefined) throw new Error(`Cannot encode ${fact.kind}: it is no event`);
  const source = { name: replica, actor, stream, sequence };
  const cloud = eventOf(name, fact, source, contractOf(fact.namespace));
  const structured = encoding === 'structured';
  const trace =
    publishing === undefined
      ? (fact.actingTraceparent ?? fact.traceparent)
      : traceparentText(publishing);
  return {
    stream,
    subject: subjectOf(name, fact.namespace, reasonOf(fact)),
    id: cloud.id,
    headers: structured ? structuredHeaders(trace) : binaryHeaders(cloud, trace),
    body: Buffer.from(JSON.stringify(structured ? cloud : cloud.data)),
  };
}

function reasonOf(fact: Fact): string | undefined {
  return fact.kind === 'entry.ended' || fact.kind === 'lease.ended' ? fact.reason : undefined;
}

/** The header carries what acted, the attribute what granted. */
function structuredHeaders(trace: string | undefined): Headers {
  return trace === undefined ? ONLY_STRUCTURED : [STRUCTURED, ['traceparent', trace]];
}

/** Every attribute but `data` is a header of its own. */
function binaryHeaders(event: CloudEvent, trace: string | undefined): Headers {
  const headers: (readonly [string, string])[] = [];
  for (const [attribute, value] of Object.entries(event)) {
    if (attribute !== 'data') headers.push([`ce-${attribute}`, headerText(value)]);
  }
  if (trace !== undefined) headers.push(['traceparent', trace]);
  return headers;
}

const PLAIN = /^[!#$&-~]*$/;
const TO_ENCODE = /[^!#$&-~]/gu;

/** Percent-encoded as the binding says: space, `"`, `%`, and all that is not printable ASCII. */
function headerText(value: string): string {
  if (PLAIN.test(value)) return value;
  return value.replace(TO_ENCODE, (character) => encodeURIComponent(character.toWellFormed()));
}
