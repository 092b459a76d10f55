/** Spans by OpenTelemetry's API: contexts become 25 bytes and back at this border. */
import {
  context, createTraceState, type Context, type Link, ROOT_CONTEXT, type Span as ApiSpan,
  type SpanContext, SpanKind, SpanStatusCode, trace, type Tracer,
} from '@opentelemetry/api';
import { TRACE_BYTES } from '../../core/trace.ts';
import { ATTRIBUTES } from '../../tracing/names.ts';
import type { Attributes, Span, SpanLink, SpanOptions, Tracing } from '../../tracing/tracing.ts';
import type { Sampler } from '../sampling.ts';

const KINDS = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
} as const;
const SPAN_AT = 16;
const FLAGS_AT = 24;

export class OtelTracing implements Tracing {
  readonly #tracer: Tracer;
  readonly #sampler: Sampler;

  constructor(tracer: Tracer, sampler: Sampler) {
    this.#tracer = tracer;
    this.#sampler = sampler;
  }

  samples(parent?: Uint8Array): boolean {
    return this.#sampler.samples(parent);
  }

  start(name: string, options: SpanOptions = {}): Span {
    const { kind = 'internal', links, attributes, startMs } = options;
    const span = this.#tracer.startSpan(
      name,
      {
        kind: KINDS[kind],
        ...(links === undefined ? {} : { links: links.map(linkOf) }),
        ...(attributes === undefined ? {} : { attributes }),
        ...(startMs === undefined ? {} : { startTime: startMs }),
      },
      parentOf(options),
    );
    return new OtelSpan(span);
  }

  within<T>(span: Span, work: () => T): T {
    return context.with(contextOf(span), work);
  }

  outside<T>(work: () => T): T {
    return context.with(ROOT_CONTEXT, work);
  }

  get active(): Span | undefined {
    const span = trace.getActiveSpan();
    return span === undefined ? undefined : new OtelSpan(span);
  }
}

class OtelSpan implements Span {
  readonly span: ApiSpan;
  #trace: Uint8Array | undefined;

  constructor(span: ApiSpan) {
    this.span = span;
  }

  get trace(): Uint8Array {
    this.#trace ??= bytesOf(this.span.spanContext());
    return this.#trace;
  }

  set(attributes: Attributes): void {
    this.span.setAttributes(attributes);
  }

  link(link: SpanLink): void {
    this.span.addLink(linkOf(link));
  }

  fail(type: string): void {
    this.span.setAttribute(ATTRIBUTES.errorType, type);
    this.span.setStatus({ code: SpanStatusCode.ERROR });
  }

  end(endMs?: number): void {
    this.span.end(endMs);
  }
}

function parentOf({ parent, parentState }: SpanOptions): Context {
  if (parent === undefined) return context.active();
  if (parent === 'none') return ROOT_CONTEXT;
  if (!(parent instanceof Uint8Array)) return contextOf(parent);
  const remote = spanContextOf(parent, parentState);
  return trace.setSpanContext(ROOT_CONTEXT, remote);
}

function contextOf(span: Span): Context {
  return trace.setSpan(ROOT_CONTEXT, (span as OtelSpan).span);
}

function linkOf({ trace: bytes, kind }: SpanLink): Link {
  return { context: spanContextOf(bytes), attributes: { [ATTRIBUTES.linkKind]: kind } };
}

function spanContextOf(bytes: Uint8Array, state?: string): SpanContext {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, TRACE_BYTES).toString('hex');
  return {
    traceId: hex.slice(0, SPAN_AT * 2),
    spanId: hex.slice(SPAN_AT * 2, FLAGS_AT * 2),
    traceFlags: bytes[FLAGS_AT]!,
    isRemote: true,
    ...(state === undefined ? {} : { traceState: createTraceState(state) }),
  };
}

function bytesOf({ traceId, spanId, traceFlags }: SpanContext): Uint8Array {
  const bytes = new Uint8Array(TRACE_BYTES);
  bytes.set(Buffer.from(traceId + spanId, 'hex'));
  bytes[FLAGS_AT] = traceFlags;
  return bytes;
}
