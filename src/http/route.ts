/**
 * The shape of one route. A route says everything about itself once: the router finds it by method
 * and path, requests are checked by its schemas, and the OpenAPI document is generated from it, so
 * what is documented is what is done.
 */
import type * as z from 'zod';
import type { Verb } from '../access/verbs.ts';
import type { RequestClass } from '../admission/classes.ts';
import type { ErrorCode } from '../errors.ts';
import type { Exchange } from './exchange.ts';

export type Method = 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';

/** Headers of replies that are ours; each is described once, in `openapi.ts`. */
export type ReplyHeader =
  | 'ETag'
  | 'Location'
  | 'Leasehold-Context'
  | 'Leasehold-Lease'
  | 'Leasehold-Remaining-Ms'
  | 'Leasehold-Source'
  | 'Leasehold-Cursor';

export type RequestHeader =
  | 'If-Match'
  | 'If-None-Match'
  | 'Leasehold-Context'
  | 'Idempotency-Key'
  | 'Last-Event-ID';

export interface ReplySpec {
  readonly description: string;
  readonly headers?: readonly ReplyHeader[];
  /** JSON or CBOR of this shape. */
  readonly document?: z.ZodType;
  /** `value`: the bytes of an entry; `events`: an event stream; `metrics`: Prometheus text. */
  readonly content?: 'value' | 'events' | 'metrics';
}

interface RouteText {
  readonly method: Method;
  /** As OpenAPI writes it. `{key}` takes the rest of the path, slashes too. */
  readonly path: string;
  /** `health` has no limit: who asks is the platform. */
  readonly class: RequestClass | 'health';
  /** What a token must allow, where there are tokens; `none`: it needs no token. */
  readonly verb: Verb | 'none';
  /** Asked by the platform, which names the pod by its address: whatever the Host, from any page. */
  readonly fromAnywhere?: true;
  readonly operation: string;
  readonly summary: string;
  readonly headers?: readonly RequestHeader[];
  /** By status. Problems are not among them. */
  readonly replies: Readonly<Record<number, ReplySpec>>;
  /** Refusals of its own; those any route can give are in `openapi.ts`. */
  readonly problems: readonly ErrorCode[];
  /** Headers a problem of its own carries. */
  readonly problemHeaders?: readonly ReplyHeader[];
  /** Answers also while the sidecar recovers. */
  readonly whileRecovering?: true;
}

/** A body is a value, taken as it is, or a document, checked by its schema. */
export type BodySpec = 'value' | z.ZodType;

export interface Route extends RouteText {
  readonly query: z.ZodType | undefined;
  readonly body: BodySpec | undefined;
  /** Whether a reply is a document, so that Accept is judged before anything is done. */
  readonly answersDocument: boolean;
  readonly mutates: boolean;
  readonly handle: (exchange: Exchange, query: unknown, body: unknown) => void;
}

export interface RouteSpec<Q extends z.ZodType, B extends z.ZodType> extends RouteText {
  readonly query?: Q;
  readonly body?: B | 'value';
  /** Answers through `exchange`, now or later, exactly once. */
  readonly handle: (exchange: Exchange, query: z.output<Q>, body: z.output<B>) => void;
}

export function defineRoute<Q extends z.ZodType, B extends z.ZodType>(spec: RouteSpec<Q, B>): Route {
  // An entry's 300 is a document too, but a reader of values cannot know in advance that it comes.
  const answersDocument = Object.entries(spec.replies).some(
    ([status, reply]) => reply.document !== undefined && status !== '300',
  );
  return {
    ...spec,
    query: spec.query,
    body: spec.body,
    answersDocument,
    mutates: spec.method !== 'GET' && spec.method !== 'HEAD',
    handle: spec.handle as Route['handle'],
  };
}
