/** Events on a real NATS server, as a sidecar publishes them, for those who read them. */
import { DiscardPolicy, headers as noHeaders, type NatsConnection, RetentionPolicy } from 'nats';
import type { Fact, LastSequences } from '../../src/core/fact.ts';
import type { BusMessage, StreamName } from '../../src/events/bus.ts';
import type { EventContract } from '../../src/events/cloud-event.ts';
import { type Encoding, encodeEvent } from '../../src/events/message.ts';
import { STREAM_NAMES } from '../../src/events/nats/streams.ts';
import { STREAM_SUBJECTS } from '../../src/events/subject.ts';

const CONTRACT: EventContract = { sensitive: false, events: { values: 'none', publish: 'all' } };

/** Both streams, as a sidecar makes them. */
export async function makeStreams(nats: NatsConnection): Promise<void> {
  const manager = await nats.jetstreamManager();
  for (const stream of ['endings', 'events'] as const) {
    await manager.streams.add({
      name: STREAM_NAMES[stream],
      subjects: [...STREAM_SUBJECTS[stream]],
      retention: RetentionPolicy.Limits,
      discard: stream === 'endings' ? DiscardPolicy.New : DiscardPolicy.Old,
    });
  }
}

export interface Told {
  readonly stream: StreamName;
  readonly sequence: number;
  readonly fact: Fact;
  /** The run that tells it. */
  readonly actor?: string;
  readonly encoding?: Encoding;
  /** Instead of the event's own: one that the server does not know any more. */
  readonly messageId?: string;
}

export const ACTOR = '00000000000000aa';
export const OTHER_ACTOR = '00000000000000bb';
export const SOURCE = `/leasehold/one/${ACTOR}`;

export function messageOf(told: Told): BusMessage {
  const { stream, sequence, fact, actor = ACTOR, encoding = 'structured' } = told;
  const context = { name: 'one', contractOf: () => CONTRACT };
  return encodeEvent({ stream, actor, sequence, fact }, context, encoding);
}

/** A sidecar's publisher without its outbox: what it is told, in the order it is told. */
export class Publishing {
  readonly #nats: NatsConnection;
  readonly #jetstream: boolean;

  constructor(nats: NatsConnection, jetstream = true) {
    this.#nats = nats;
    this.#jetstream = jetstream;
  }

  async publish(...told: readonly Told[]): Promise<void> {
    for (const one of told) {
      const message = messageOf(one);
      const headers = noHeaders();
      headers.set('Nats-Msg-Id', one.messageId ?? message.id);
      for (const [name, value] of message.headers) headers.set(name, value);
      if (this.#jetstream) {
        await this.#nats.jetstream().publish(message.subject, message.body, { headers });
      } else {
        this.#nats.publish(message.subject, message.body, { headers });
      }
    }
    await this.#nats.flush();
  }
}

const AT = Date.UTC(2026, 0, 2, 3, 4, 5);

const common = (namespace: string) => ({
  at: AT, wallMs: AT, namespace, lease: 'l-1', holder: 'web-1',
});
const entryOf = (key: string, namespace: string) => ({
  ...common(namespace),
  key,
  dot: { actor: ACTOR, seq: 1 },
  born: { actor: ACTOR, seq: 1 },
  contentType: 'text/plain',
  size: 5,
  deadline: AT,
  implicit: false,
});

/** The ending of an entry; the same key and namespace give the same `endingId`. */
export function ended(sequence: number, key: string, namespace = 'sessions'): Told {
  const fact: Fact = {
    ...entryOf(key, namespace), kind: 'entry.ended', reason: 'expired', cause: undefined,
  };
  return { stream: 'endings', sequence, fact };
}

export function created(sequence: number, key: string, namespace = 'sessions'): Told {
  const fact: Fact = {
    ...entryOf(key, namespace),
    kind: 'entry.written',
    created: true,
    hlc: 1,
    context: [],
    ttlMs: 1_000,
    grantedAt: AT,
    previousEtag: undefined,
    previousLease: undefined,
    value: new TextEncoder().encode('hello'),
  };
  return { stream: 'events', sequence, fact };
}

/** Says where a run has ended, as its successor does after a crash. */
export function closed(sequence: number, actor: string, lastSequence: LastSequences): Told {
  const ofNothing = { ...common(''), lease: '', holder: '' };
  const fact: Fact = { ...ofNothing, kind: 'source.closed', actor, lastSequence };
  return { stream: 'events', sequence, fact };
}
