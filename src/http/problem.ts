/**
 * Refusals as they are sent: `application/problem+json` (RFC 9457), made from the catalogue. Always
 * JSON, whatever the client accepts for its answers: a person reads it in the end.
 */
import { ERRORS, type ErrorCode, type Rejection } from '../errors.ts';

/**
 * When nobody knows better. A second lets the journal, the sweep or the ledger make progress; load
 * alone is over sooner.
 */
const RETRY_AFTER_MS = 1_000;
const RETRY_AFTER_LOAD_MS = 100;

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
}

/** Milliseconds after which an error may be over that does not say so itself. */
export type Estimate = (code: ErrorCode) => number;

/** Where nothing is known of the load: on a connection that speaks no HTTP, within a batch. */
const usual: Estimate = (code) =>
  code === 'under-pressure' ? RETRY_AFTER_LOAD_MS : RETRY_AFTER_MS;

/** Only 429 and 503 must say when to come back; others may. */
export function saysWhen({ status }: { readonly status: number }): boolean {
  return status === 429 || status === 503;
}

function retryAfterOf(rejection: Rejection, estimate: Estimate): number | undefined {
  if (rejection.retryAfterMs !== undefined) return Math.ceil(rejection.retryAfterMs);
  return saysWhen(ERRORS[rejection.refused]) ? estimate(rejection.refused) : undefined;
}

export function problemOf(rejection: Rejection, estimate: Estimate = usual): Problem {
  const { status, title, retryable } = ERRORS[rejection.refused];
  const retryAfterMs = retryAfterOf(rejection, estimate);
  const standard = {
    type: `urn:leasehold:problem:${rejection.refused}`,
    title,
    status,
    detail: rejection.detail,
    code: rejection.refused,
    retryable,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
  // Twice: the standard members come first, and no other can take their place.
  return rejection.members === undefined
    ? standard
    : { ...standard, ...rejection.members, ...standard };
}

/** Headers beside the length; `Retry-After` counts in whole seconds, so it is rounded up. */
export function problemHeaders(problem: Problem): string[] {
  const headers = ['Content-Type', 'application/problem+json'];
  if (problem.retryAfterMs !== undefined && saysWhen(problem)) {
    headers.push('Retry-After', String(Math.max(1, Math.ceil(problem.retryAfterMs / 1000))));
  }
  return headers;
}
