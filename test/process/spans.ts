/** The spans of an OTLP export, whoever made them, and how they hang together. */
import { randomBytes } from 'node:crypto';
import type { OtlpReceiver } from '../servers/otlp-receiver.ts';
import type { Document } from './requests.ts';

export interface RecordedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** undefined: a trace begins here. */
  readonly parentSpanId: string | undefined;
  readonly kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly links: readonly {
    readonly traceId: string;
    readonly spanId: string;
    readonly attributes: Readonly<Record<string, unknown>>;
  }[];
  readonly startMs: number;
  readonly endMs: number;
  readonly failed: boolean;
  /** `service.instance.id` of who made it; '' for those of the test itself. */
  readonly instance: string;
}

/** As OTLP numbers them. */
const KINDS = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'] as const;
const ERROR = 2;

export function spansOf(collector: OtlpReceiver): RecordedSpan[] {
  return collector.exports('traces').flatMap(({ resourceSpans }) =>
    resourceSpans.flatMap(({ resource, scopeSpans }: Document) => {
      const instance = String(valuesOf(resource.attributes)['service.instance.id']);
      return scopeSpans.flatMap(({ spans }: Document) =>
        spans.map((span: Document): RecordedSpan => ({
          name: span.name,
          traceId: span.traceId,
          spanId: span.spanId,
          parentSpanId: span.parentSpanId || undefined,
          kind: KINDS[span.kind]!,
          attributes: valuesOf(span.attributes),
          links: (span.links ?? []).map(({ traceId, spanId, attributes }: Document) => ({
            traceId, spanId, attributes: valuesOf(attributes),
          })),
          startMs: Number(span.startTimeUnixNano) / 1e6,
          endMs: Number(span.endTimeUnixNano) / 1e6,
          failed: span.status?.code === ERROR,
          instance,
        })),
      );
    }),
  );
}

function valuesOf(attributes: readonly Document[] = []): Readonly<Record<string, unknown>> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

/** A span that somebody else than a sidecar makes: a client, or a consumer under `traceparent`. */
export function ownSpan(name: string, kind: RecordedSpan['kind'], traceparent?: string): RecordedSpan {
  const [, traceId, parentSpanId] = traceparent?.split('-') ?? [];
  return {
    name, kind, parentSpanId,
    traceId: traceId ?? randomBytes(16).toString('hex'),
    spanId: randomBytes(8).toString('hex'),
    attributes: {}, links: [], startMs: 0, endMs: 0, failed: false, instance: '',
  };
}

export function traceparentOf({ traceId, spanId }: RecordedSpan): string {
  return `00-${traceId}-${spanId}-01`;
}

export class Story {
  readonly spans: readonly RecordedSpan[];
  readonly #byId: ReadonlyMap<string, RecordedSpan>;

  constructor(spans: readonly RecordedSpan[]) {
    this.spans = spans;
    this.#byId = new Map(spans.map((span) => [`${span.traceId} ${span.spanId}`, span]));
  }

  /** What names a span that nobody has told of. */
  dangling(): string[] {
    return this.spans.flatMap(({ name, traceId, parentSpanId, links }) => [
      ...(parentSpanId !== undefined && !this.#byId.has(`${traceId} ${parentSpanId}`)
        ? [`${name}: its parent ${parentSpanId}`] : []),
      ...links
        .filter((link) => !this.#byId.has(`${link.traceId} ${link.spanId}`))
        .map((link) => `${name}: its link ${String(link.attributes['leasehold.link.kind'])}`),
    ]);
  }

  named(name: string): RecordedSpan[] {
    return this.spans.filter((span) => span.name === name);
  }

  parent({ traceId, parentSpanId }: RecordedSpan): RecordedSpan | undefined {
    return this.#byId.get(`${traceId} ${parentSpanId}`);
  }

  children({ traceId, spanId }: RecordedSpan): RecordedSpan[] {
    return this.spans.filter((span) => span.traceId === traceId && span.parentSpanId === spanId);
  }

  /** What a span is linked with, as `kind`. */
  linked(span: RecordedSpan, kind: 'granted' | 'renewed' | 'acting'): RecordedSpan[] {
    return span.links
      .filter(({ attributes }) => attributes['leasehold.link.kind'] === kind)
      .flatMap((link) => this.#byId.get(`${link.traceId} ${link.spanId}`) ?? []);
  }
}
