/**
 * Spans, as the parts that make them see them: what was done, from when to when, under which request,
 * and with whom it is linked. Handed in where a part is built; absent, nothing is traced, and nothing
 * is paid but the question whether it is there.
 *
 * No context travels with calls unless a part asks for it (`within`): whoever makes a span of what
 * is not recorded would pay for it with every request. A context that is kept or sent on is 25 bytes
 * (core/trace.ts).
 */
export type SpanKind = 'internal' | 'server' | 'client' | 'producer';

/** Names are in `names.ts`. Values of entries never; keys only of namespaces that are not sensitive. */
export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** Another span that this one has to do with. */
export interface SpanLink {
  /** Its context. */
  readonly trace: Uint8Array;
  /** What it was to this one. */
  readonly kind: LinkKind;
}
export type LinkKind =
  /** The request that granted the lease, or wrote the entry under a lease of its own. */
  | 'granted'
  /** The last request that renewed it. */
  | 'renewed'
  /** The request that asked for what happens now. */
  | 'acting';

/** More are cut off by the SDK, so whoever has more makes another span (PROTOCOL §9). */
export const LINKS_MAX = 128;

export interface SpanOptions {
  readonly kind?: SpanKind;
  /**
   * The span or the context that this is a part of. Absent: the active span (`within`), and
   * without one a trace of its own. `none`: a trace of its own in any case.
   */
  readonly parent?: Span | Uint8Array | 'none';
  /** The `tracestate` header that came with the parent. */
  readonly parentState?: string;
  readonly links?: readonly SpanLink[];
  readonly attributes?: Attributes;
  /** Unix milliseconds, for what began before it was noticed; now, unless said. */
  readonly startMs?: number;
}

/** What is being done, and recorded. */
export interface Span {
  /** Its context: what is kept, sent on, or linked with. */
  readonly trace: Uint8Array;
  /** Adds to what was said at the start. */
  set(attributes: Attributes): void;
  link(link: SpanLink): void;
  /** It did not succeed; `type` is a code, never a sentence. */
  fail(type: string): void;
  /** Once. Unix milliseconds; now, unless said. */
  end(endMs?: number): void;
}

export interface Tracing {
  /**
   * Whether to record what a caller with this context asks for; without one, what begins here. Draws
   * lots, so it is asked once for each.
   */
  samples(parent?: Uint8Array): boolean;
  /** Begins a span. It is recorded whatever `samples` would say. */
  start(name: string, options?: SpanOptions): Span;
  /** Does `work`, and all that it waits for, with `span` as the active one. */
  within<T>(span: Span, work: () => T): T;
  /** Does `work` with no span as the active one. */
  outside<T>(work: () => T): T;
  /** The span of what is being done now, where `within` was used. */
  readonly active: Span | undefined;
}
