/**
 * Spans of messages on their way to the bus, from sending to acknowledgement: one for each attempt at
 * an event that something recorded is behind. Its context goes along as the message's `traceparent`
 * header, so that what a consumer does continues the story; the event's own attribute stays that of
 * the grant (https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/distributed-tracing.md).
 */
import { sampledTrace } from '../core/trace.ts';
import type { LeaseStory } from '../tracing/lease-story.ts';
import { ATTRIBUTES } from '../tracing/names.ts';
import type { Span, SpanLink } from '../tracing/tracing.ts';
import type { BusMessage, PublishOutcome } from './bus.ts';
import { eventName, sourcePath } from './cloud-event.ts';
import { eventTypeOf } from './event-types.ts';
import type { OutboxEvent } from './outbox-port.ts';
import type { PublishSpan, PublishTracing } from './stream-publisher.ts';
import { subjectTemplate } from './subject.ts';

export class PublishSpans implements PublishTracing {
  readonly #story: LeaseStory;
  readonly #system: string;
  readonly #replica: string;

  /** `system`: as OpenTelemetry names the bus; `replica`: the sidecar's display name. */
  constructor(story: LeaseStory, system: string, replica: string) {
    this.#story = story;
    this.#system = system;
    this.#replica = replica;
  }

  begin({ fact, actor, stream }: OutboxEvent, again: boolean): PublishSpan | undefined {
    const { ended, renewed } = this.#story;
    const granted = sampledTrace(fact.traceparent);
    const acting = sampledTrace(fact.actingTraceparent);
    const isEnding = fact.kind === 'entry.ended' || fact.kind === 'lease.ended';
    // Of renewals only the last one of a turn is told, without its request; of what was brought about
    // before a restart, the span is forgotten.
    const parent =
      (isEnding ? ended.get(fact.lease) : undefined) ?? acting ??
      (fact.kind === 'lease.renewed' ? renewed.get(fact.lease) : undefined);
    const name = eventName(fact);
    if (name === undefined || (parent === undefined && granted === undefined)) return undefined;
    const links: SpanLink[] = granted === undefined ? [] : [{ trace: granted, kind: 'granted' }];
    const template = subjectTemplate(name, isEnding);
    const span = this.#story.tracing.start(`publish ${template}`, {
      links,
      kind: 'producer',
      parent: parent ?? 'none',
      attributes: {
        [ATTRIBUTES.messagingSystem]: this.#system,
        [ATTRIBUTES.messagingOperation]: 'publish',
        [ATTRIBUTES.messagingOperationType]: 'send',
        [ATTRIBUTES.messagingTemplate]: template,
        [ATTRIBUTES.eventType]: eventTypeOf(name),
        [ATTRIBUTES.eventSource]: sourcePath(this.#replica, actor),
        [ATTRIBUTES.stream]: stream,
        [ATTRIBUTES.namespace]: fact.namespace,
        ...(again ? { [ATTRIBUTES.republished]: true } : {}),
      },
    });
    return new RecordedPublish(span);
  }
}

class RecordedPublish implements PublishSpan {
  readonly #span: Span;

  constructor(span: Span) {
    this.#span = span;
  }

  get trace(): Uint8Array {
    return this.#span.trace;
  }

  /** What to call with the outcome, instead of `done`. */
  sending({ id }: BusMessage, done: (outcome: PublishOutcome) => void): typeof done {
    this.#span.set({ [ATTRIBUTES.messageId]: id, [ATTRIBUTES.eventId]: id });
    return (outcome) => {
      if (!outcome.ok) this.#span.fail(outcome.fault.kind);
      else if (outcome.duplicate) this.#span.set({ [ATTRIBUTES.duplicate]: true });
      this.#span.end();
      done(outcome);
    };
  }
}
