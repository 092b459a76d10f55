/**
 * Every refusal a route can give: its own, and those that follow from its shape. Both the OpenAPI
 * document and the test that provokes each of them read this.
 */
import type { ErrorCode } from '../errors.ts';
import type { Route } from './route.ts';

export function problemsOf(route: Route): readonly ErrorCode[] {
  const codes = new Set<ErrorCode>(route.problems);
  const add = (...more: readonly ErrorCode[]) => {
    for (const code of more) codes.add(code);
  };
  // Before a route is known: the head of the request, its target, its host, its query.
  add('headers-too-large', 'uri-too-long', 'request-timeout', 'invalid-request');
  add('unknown-field', 'internal');
  if (route.fromAnywhere !== true) add('host-refused', 'forbidden');
  if (route.verb !== 'none') add('unauthenticated');
  if (route.class !== 'health') add('under-pressure');
  if (route.class === 'put' || route.class === 'grant') add('quota-exceeded');
  if (route.whileRecovering !== true) add('recovering');
  if (route.answersDocument) add('not-acceptable');
  if (route.path.includes('{namespace}')) add('namespace-not-found');
  if (route.path.includes('{key}')) add('invalid-key');
  if (route.headers?.includes('Idempotency-Key') === true) {
    add('idempotency-in-progress', 'idempotency-key-reused');
  }
  if (route.body === 'value') add('value-too-large', 'unsupported-media-type', 'malformed-body');
  else if (route.body !== undefined) add('malformed-body', 'body-too-large', 'unsupported-media-type');
  return [...codes].sort();
}
