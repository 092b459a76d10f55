/**
 * The span of one request: named by method and route, never by what it names itself. Values are in
 * none, nor are keys; a lease is named where its namespace is not sensitive.
 */
import type { IncomingMessage } from 'node:http';
import { isRefusal } from '../core/refusal.ts';
import { isSampled, parseTraceparent, unsampled } from '../core/trace.ts';
import type { LeaseStory } from '../tracing/lease-story.ts';
import { ATTRIBUTES } from '../tracing/names.ts';
import type { Span } from '../tracing/tracing.ts';
import type { Found } from './router.ts';

/** From here on the fault is ours. */
const SERVER_ERROR = 500;

/** The trace that the caller brought. */
export function callerTrace({ headers }: IncomingMessage): Uint8Array | undefined {
  const header = headers['traceparent'];
  return header === undefined ? undefined : parseTraceparent(String(header));
}

/**
 * Begins the span of a request, or says what its commands remember instead: the caller's trace, which
 * then says that nothing was recorded. `found` undefined: the path leads nowhere.
 */
export function traceRequest(
  story: LeaseStory,
  request: IncomingMessage,
  found: Found | undefined,
): RequestSpan | Uint8Array | undefined {
  const { tracing } = story;
  const parent = callerTrace(request);
  // The platform asks all the time, and of its own accord it is not worth a trace.
  const route = found?.route;
  const isProbe = parent === undefined && route?.class === 'health';
  if (isProbe || !tracing.samples(parent)) {
    return parent !== undefined && isSampled(parent) ? unsampled(parent) : parent;
  }
  const method = request.method ?? '';
  const state = request.headers['tracestate'];
  const span = tracing.start(route === undefined ? method : `${method} ${route.path}`, {
    kind: 'server',
    parent: parent ?? 'none',
    ...(parent === undefined || state === undefined ? {} : { parentState: String(state) }),
    attributes: {
      [ATTRIBUTES.requestMethod]: method,
      [ATTRIBUTES.urlScheme]: 'http',
      ...(route === undefined ? {} : { [ATTRIBUTES.route]: route.path }),
      ...(found?.namespace ? { [ATTRIBUTES.namespace]: found.namespace } : {}),
    },
  });
  return new RequestSpan(story, span);
}

export class RequestSpan {
  readonly #story: LeaseStory;
  readonly #span: Span;

  constructor(story: LeaseStory, span: Span) {
    this.#story = story;
    this.#span = span;
  }

  /** What the commands of the request remember. */
  get trace(): Uint8Array {
    return this.#span.trace;
  }

  /** Does `work` as a part of it. */
  during<T>(work: () => T): T {
    return this.#story.tracing.within(this.#span, work);
  }

  /** What the service has answered: of leases, which one it was about. */
  answered(outcome: object): void {
    if (isRefusal(outcome) || !('lease' in outcome)) return;
    const lease = outcome.lease as string | { readonly id: string; readonly namespace: string };
    if (typeof lease === 'string' || this.#story.isSensitive(lease.namespace)) return;
    this.#span.set({
      [ATTRIBUTES.namespace]: lease.namespace, [ATTRIBUTES.lease]: lease.id,
    });
  }

  /** `code` of the problem, where it is one. */
  end(status: number, code: string | undefined): void {
    const span = this.#span;
    span.set({
      [ATTRIBUTES.statusCode]: status,
      ...(code === undefined ? {} : { [ATTRIBUTES.refusal]: code }),
    });
    if (status >= SERVER_ERROR) span.fail(code ?? String(status));
    span.end();
  }

  /** The client went away before its request was whole. */
  abandon(): void {
    this.#span.fail('client_gone');
    this.#span.end();
  }
}
