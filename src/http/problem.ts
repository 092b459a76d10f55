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

/** Only 429 and 503 must say when to come back; others may. */
function retryAfterOf(rejection: Rejection): number | undefined {
  if (rejection.retryAfterMs !== undefined) return Math.ceil(rejection.retryAfterMs);
  const { status } = ERRORS[rejection.refused];
  if (status !== 429 && status !== 503) return undefined;
  return rejection.refused === 'under-pressure' ? RETRY_AFTER_LOAD_MS : RETRY_AFTER_MS;
}

export function problemOf(rejection: Rejection): Problem {
  const { status, title, retryable } = ERRORS[rejection.refused];
  const retryAfterMs = retryAfterOf(rejection);
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
  if (problem.retryAfterMs !== undefined && (problem.status === 429 || problem.status === 503)) {
    headers.push('Retry-After', String(Math.max(1, Math.ceil(problem.retryAfterMs / 1000))));
  }
  return headers;
}
