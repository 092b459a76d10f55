/** Tracing that keeps every span, for tests that need no SDK. */
import { randomBytes } from 'node:crypto';
import { AsyncLocalStorage } from 'node:async_hooks';
import { TRACE_BYTES } from '../../src/core/trace.ts';
import type { Attributes, Span, SpanLink, SpanOptions, Tracing } from '../../src/tracing/tracing.ts';

/** A context as of a recorded request. */
export function recordedTrace(): Uint8Array {
  const trace = new Uint8Array(TRACE_BYTES);
  trace.set(randomBytes(TRACE_BYTES - 1));
  trace[TRACE_BYTES - 1] = 1;
  return trace;
}

export class KeptSpan implements Span {
  readonly name: string;
  readonly options: SpanOptions;
  readonly trace = recordedTrace();
  readonly links: SpanLink[];
  attributes: Record<string, string | number | boolean>;
  failure: string | undefined;
  ends = 0;
  /** The active one where none was named. */
  readonly parent: Span | Uint8Array | undefined;

  constructor(name: string, options: SpanOptions, active: Span | undefined) {
    this.name = name;
    this.options = options;
    this.links = [...(options.links ?? [])];
    this.attributes = { ...options.attributes };
    this.parent = options.parent === 'none' ? undefined : (options.parent ?? active);
  }

  set(attributes: Attributes): void {
    Object.assign(this.attributes, attributes);
  }

  link(link: SpanLink): void {
    this.links.push(link);
  }

  fail(type: string): void {
    this.failure = type;
  }

  end(): void {
    this.ends += 1;
  }
}

export class RecordingTracing implements Tracing {
  readonly spans: KeptSpan[] = [];
  /** What `samples` says. */
  recordsRoots = true;
  readonly #active = new AsyncLocalStorage<Span | undefined>();

  samples(parent?: Uint8Array): boolean {
    return parent === undefined ? this.recordsRoots : (parent[TRACE_BYTES - 1]! & 1) === 1;
  }

  start(name: string, options: SpanOptions = {}): KeptSpan {
    const span = new KeptSpan(name, options, this.active);
    this.spans.push(span);
    return span;
  }

  within<T>(span: Span, work: () => T): T {
    return this.#active.run(span, work);
  }

  outside<T>(work: () => T): T {
    return this.#active.run(undefined, work);
  }

  get active(): Span | undefined {
    return this.#active.getStore();
  }
}
