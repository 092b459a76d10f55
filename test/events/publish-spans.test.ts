/** Spans of messages on their way: whose part they are, and what became of them. */
import { expect, test } from 'vitest';
import { parseTraceparent, traceparentText } from '../../src/core/trace.ts';
import type { BusMessage, PublishOutcome } from '../../src/events/bus.ts';
import { encodeEvent } from '../../src/events/message.ts';
import type { OutboxEvent } from '../../src/events/outbox-port.ts';
import { PublishSpans } from '../../src/events/publish-spans.ts';
import { leaseStory } from '../../src/tracing/lease-story.ts';
import { recordedTrace, RecordingTracing } from '../tracing/recording-tracing.ts';
import { ACTING, ACTOR, FACTS, GRANTING } from './facts.ts';

const MESSAGE = { id: 'run:endings:1' } as BusMessage;

function world() {
  const tracing = new RecordingTracing();
  const story = leaseStory(tracing, () => false);
  return { tracing, story, spans: new PublishSpans(story, 'nats', 'web') };
}

function eventOf(name: keyof typeof FACTS, traces: object = {}): OutboxEvent {
  const fact = { ...FACTS[name], ...traces } as OutboxEvent['fact'];
  return { stream: 'endings', actor: ACTOR, sequence: 1, fact };
}

test('an ending is published under the span of the ending, whoever came upon it', () => {
  const { tracing, story, spans } = world();
  const ending = recordedTrace();
  const event = eventOf('lease.ended', { traceparent: GRANTING, actingTraceparent: ACTING });
  story.ended.set(event.fact.lease, ending);
  spans.begin(event, false);
  expect(tracing.spans).toMatchObject([{
    name: 'publish leasehold.v1.lease.ended.{reason}.{namespace}', parent: ending,
    links: [{ trace: parseTraceparent(GRANTING), kind: 'granted' }],
  }]);
});

test('anything else is a part of the request that asked for it, or stands alone with its grant', () => {
  const { tracing, spans } = world();
  spans.begin(eventOf('entry.created', { traceparent: GRANTING, actingTraceparent: ACTING }), false);
  spans.begin(eventOf('entry.created', { traceparent: GRANTING }), false);
  expect(tracing.spans.map(({ parent }) => parent)).toEqual([parseTraceparent(ACTING), undefined]);
});

test('of renewals told together, the last recorded one is what is told', () => {
  const { tracing, story, spans } = world();
  const renewing = recordedTrace();
  const event = eventOf('lease.renewed', { traceparent: GRANTING });
  story.renewed.set(event.fact.lease, renewing);
  spans.begin(event, false);
  expect(tracing.spans[0]!.parent).toBe(renewing);
});

test('what nobody recorded has no span, and keeps the header it had', () => {
  const { tracing, spans } = world();
  const unrecorded = `${ACTING.slice(0, -2)}00`;
  const event = eventOf('entry.created', { actingTraceparent: unrecorded });
  expect(spans.begin(event, false)).toBeUndefined();
  expect(tracing.spans).toEqual([]);
  const contract = { sensitive: false, events: { values: 'none', publish: 'all' } } as const;
  const context = { name: 'web', contractOf: () => contract };
  const header = (publishing?: Uint8Array) =>
    encodeEvent(event, context, 'structured', publishing).headers.find(([name]) => name === 'traceparent')?.[1];
  expect(header()).toBe(unrecorded);
  const publishing = recordedTrace();
  expect(header(publishing)).toBe(traceparentText(publishing));
});

test.each<[PublishOutcome, object]>([
  [{ ok: true, sequence: 1, duplicate: false }, { failure: undefined }],
  [{ ok: true, sequence: 1, duplicate: true }, { attributes: { 'leasehold.publish.duplicate': true } }],
  [{ ok: false, fault: { kind: 'full', detail: 'no room' } }, { failure: 'full' }],
])('ends with its outcome, which is handed on: %j', (outcome, expected) => {
  const { tracing, spans } = world();
  const outcomes: PublishOutcome[] = [];
  const span = spans.begin(eventOf('entry.created', { actingTraceparent: ACTING }), true)!;
  const done = span.sending(MESSAGE, (each) => void outcomes.push(each));
  expect(tracing.spans[0]!.ends).toBe(0);
  done(outcome);
  expect(outcomes).toEqual([outcome]);
  expect(tracing.spans[0]).toMatchObject({
    ends: 1, ...expected,
    attributes: {
      'messaging.message.id': MESSAGE.id, 'leasehold.publish.again': true,
      ...('attributes' in expected ? (expected.attributes as object) : {}),
    },
  });
});
