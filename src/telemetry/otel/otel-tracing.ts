/**
 * Spans by OpenTelemetry's API: contexts become 25 bytes and back at this border, and nothing that the
 * SDK throws comes across it. What it did not record says so, and goes on under its caller's context.
 */
import { randomBytes } from 'node:crypto';
import {
  context, createTraceState, type Context, isSpanContextValid, type Link, ROOT_CONTEXT,
  type Span as ApiSpan, type SpanContext, SpanKind, SpanStatusCode, trace, TraceFlags, type Tracer,
} from '@opentelemetry/api';
import { TRACE_BYTES } from '../../core/trace.ts';
import { ATTRIBUTES } from '../../tracing/names.ts';
import type { Attributes, Span, SpanLink, SpanOptions, Tracing } from '../../tracing/tracing.ts';
import type { Sampler } from '../sampling.ts';
import type { Border } from './border.ts';

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
  readonly #border: Border;

  constructor(tracer: Tracer, sampler: Sampler, border: Border) {
    this.#tracer = tracer;
    this.#sampler = sampler;
    this.#border = border;
  }

  samples(parent?: Uint8Array): boolean {
    return this.#sampler.samples(parent);
  }

  start(name: string, options: SpanOptions = {}): Span {
    const span = this.#border.attempt(() => this.#begin(name, options), undefined);
    return new OtelSpan(span ?? unrecorded(options), this.#border);
  }

  /** undefined: the SDK does not record it. */
  #begin(name: string, options: SpanOptions): ApiSpan | undefined {
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
    return isSpanContextValid(span.spanContext()) ? span : undefined;
  }

  within<T>(span: Span, work: () => T): T {
    return this.#border.around((ours) => context.with(contextOf(span), ours), work);
  }

  outside<T>(work: () => T): T {
    return this.#border.around((ours) => context.with(ROOT_CONTEXT, ours), work);
  }

  get active(): Span | undefined {
    const span = this.#border.attempt(() => trace.getActiveSpan(), undefined);
    return span === undefined ? undefined : new OtelSpan(span, this.#border);
  }
}

class OtelSpan implements Span {
  readonly span: ApiSpan;
  readonly #border: Border;
  #trace: Uint8Array | undefined;

  constructor(span: ApiSpan, border: Border) {
    this.span = span;
    this.#border = border;
  }

  get trace(): Uint8Array {
    this.#trace ??= bytesOf(this.span.spanContext());
    return this.#trace;
  }

  set(attributes: Attributes): void {
    this.#border.attempt(() => this.span.setAttributes(attributes), undefined);
  }

  link(link: SpanLink): void {
    this.#border.attempt(() => this.span.addLink(linkOf(link)), undefined);
  }

  fail(type: string): void {
    this.#border.attempt(() => {
      this.span.setAttribute(ATTRIBUTES.errorType, type);
      this.span.setStatus({ code: SpanStatusCode.ERROR });
    }, undefined);
  }

  end(endMs?: number): void {
    this.#border.attempt(() => this.span.end(endMs), undefined);
  }
}

/** In the place of a span: nothing is sent of it, and what follows from it is not recorded. */
function unrecorded({ parent }: SpanOptions): ApiSpan {
  const ids = parent === undefined || parent === 'none' ? randomBytes(TRACE_BYTES)
    : parent instanceof Uint8Array ? parent : parent.trace;
  return trace.wrapSpanContext({ ...spanContextOf(ids), traceFlags: TraceFlags.NONE });
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
