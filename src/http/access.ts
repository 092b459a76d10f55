/**
 * What a request may, by the token it shows. Verbs and the namespaces a request names are judged
 * here, before its body is read; items of a batch one by one; leases by the core. A refusal says
 * nothing of what is there: a namespace that exists and one that does not are forbidden alike.
 */
import type { Token } from '../access/token.ts';
import type { Stranger } from '../access/tokens.ts';
import type { Verb } from '../access/verbs.ts';
import { type Bearer, mayUse } from '../core/bearer.ts';
import type { BatchOperation, Command } from '../core/command.ts';
import type { Refusal } from '../core/refusal.ts';
import { reject, type Rejection } from '../errors.ts';
import type { Route } from './route.ts';

/** The tokens there are; absent where there are none, and everybody may do everything. */
export interface Access {
  /** Whose token the `Authorization` header shows, or why it is nobody's. */
  find(authorization: string | undefined): Token | Stranger;
  /** Whether a token found earlier still holds. */
  holds(token: Token): boolean;
}

const STRANGERS: Readonly<Record<Stranger, { readonly refusal: Rejection; readonly challenge: string }>> = {
  missing: {
    refusal: reject('unauthenticated', 'Cannot answer: the request has no token'),
    challenge: 'Bearer realm="leasehold"',
  },
  unknown: {
    refusal: reject('unauthenticated', 'Cannot answer: the token is not known'),
    challenge: 'Bearer realm="leasehold", error="invalid_token", error_description="It is not known"',
  },
  expired: {
    refusal: reject('unauthenticated', 'Cannot answer: the token has expired'),
    challenge: 'Bearer realm="leasehold", error="invalid_token", error_description="It has expired"',
  },
};

/** The refusal of somebody who is nobody, with its challenge (RFC 6750 §3). */
export function strangerRefusal(stranger: Stranger): readonly [Rejection, readonly string[]] {
  const { refusal, challenge } = STRANGERS[stranger];
  return [refusal, ['WWW-Authenticate', challenge]];
}

/** undefined: the token allows the route, and the namespace of its path. */
export function routeRefusal(token: Token, route: Route, namespace: string): Rejection | undefined {
  if (route.verb !== 'none' && !token.verbs.has(route.verb)) return verbless(route.verb);
  return namespace === '' || mayUse(token, namespace) ? undefined : foreign(namespace);
}

/** undefined: the bearer may use the namespace that the command names, if it names one. */
export function commandRefusal(bearer: Bearer, command: Command): Rejection | undefined {
  if (!('namespace' in command) || command.namespace === undefined) return undefined;
  return mayUse(bearer, command.namespace) ? undefined : foreign(command.namespace);
}

/**
 * As the bearer's, or refused in its place. The route asks for "write"; what reads in a batch is not
 * to be had without "read" there either.
 */
export function judgedOperation(bearer: Token | undefined, operation: BatchOperation): BatchOperation {
  if (bearer === undefined || operation.op === 'refused') return operation;
  if (operation.op !== 'renew' && !mayUse(bearer, operation.namespace)) {
    return { op: 'refused', refusal: foreign(operation.namespace) as Refusal };
  }
  if (operation.op === 'get' && !bearer.verbs.has('read')) return { op: 'refused', refusal: verbless('read') as Refusal };
  return { ...operation, bearer };
}

function verbless(verb: Verb): Rejection {
  return reject('forbidden', `Cannot answer: the token does not allow "${verb}"`, { verb });
}

export function foreign(namespace: string): Rejection {
  return reject('forbidden', `Cannot use namespace "${namespace}": the token does not allow it`);
}
