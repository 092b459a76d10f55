/**
 * The closed catalogue of refusals (DESIGN: Errors). One row per code; problem documents, the
 * OpenAPI document and `docs/errors.md` are all made from, or checked against, this table.
 *
 * `retryable` means: the same request may succeed later without the caller changing it.
 */
import type { RefusalCode } from './core/refusal.ts';

export interface ErrorKind {
  readonly status: number;
  readonly title: string;
  readonly retryable: boolean;
}

export const ERRORS = {
  'malformed-body': { status: 400, title: 'The body is not well-formed', retryable: false },
  'invalid-request': { status: 400, title: 'The request is not valid', retryable: false },
  'unknown-field': { status: 400, title: 'The request has a field that is not known', retryable: false },
  'invalid-key': { status: 400, title: 'The key is not valid', retryable: false },
  'invalid-cursor': { status: 400, title: 'The cursor is not valid', retryable: false },
  'ttl-out-of-range': { status: 400, title: 'The TTL is outside the bounds of its namespace', retryable: false },
  unauthenticated: { status: 401, title: 'A token is needed', retryable: false },
  forbidden: { status: 403, title: 'The token does not allow this', retryable: false },
  'route-not-found': { status: 404, title: 'There is no such route', retryable: false },
  'namespace-not-found': { status: 404, title: 'There is no such namespace', retryable: false },
  'lease-not-found': { status: 404, title: 'There is no such lease', retryable: false },
  'entry-not-found': { status: 404, title: 'There is no such entry', retryable: false },
  'claim-not-found': { status: 404, title: 'There is no such claim', retryable: false },
  'method-not-allowed': { status: 405, title: 'The route does not know this method', retryable: false },
  'not-acceptable': { status: 406, title: 'None of the accepted media types can be given', retryable: false },
  'request-timeout': { status: 408, title: 'The request took too long to arrive', retryable: true },
  'lease-held': { status: 409, title: 'The lease is held by another holder', retryable: true },
  'entry-held': { status: 409, title: 'The entry is held under another owner\'s lease', retryable: true },
  'claim-held': { status: 409, title: 'The claim is held', retryable: true },
  'wrong-class': { status: 409, title: 'The namespace does not do this', retryable: false },
  'namespace-mismatch': { status: 409, title: 'The lease belongs to another namespace', retryable: false },
  'not-an-integer': { status: 409, title: 'The value is not an integer', retryable: false },
  'counter-overflow': { status: 409, title: 'The counter would leave its range', retryable: false },
  'idempotency-in-progress': { status: 409, title: 'The first request with this key is still running', retryable: true },
  'too-many-siblings': { status: 409, title: 'The entry holds too many concurrent values', retryable: false },
  'batch-refused': { status: 409, title: 'A part of the atomic batch was refused', retryable: false },
  'lease-ended': { status: 410, title: 'The lease has ended', retryable: false },
  'version-mismatch': { status: 412, title: 'The condition does not hold', retryable: false },
  'value-too-large': { status: 413, title: 'The value is too large', retryable: false },
  'body-too-large': { status: 413, title: 'The body is too large', retryable: false },
  'uri-too-long': { status: 414, title: 'The request target is too long', retryable: false },
  'unsupported-media-type': { status: 415, title: 'The media type of the body is not understood', retryable: false },
  'host-refused': { status: 421, title: 'The Host is not one of this sidecar\'s', retryable: false },
  'idempotency-key-reused': { status: 422, title: 'The key was used with another payload', retryable: false },
  'quota-exceeded': { status: 429, title: 'A quota of this caller or namespace is used up', retryable: true },
  'headers-too-large': { status: 431, title: 'The headers are too large', retryable: false },
  internal: { status: 500, title: 'A fault of this sidecar', retryable: true },
  'under-pressure': { status: 503, title: 'The sidecar is under pressure', retryable: true },
  capacity: { status: 503, title: 'A capacity is used up', retryable: true },
  'ledger-unavailable': { status: 503, title: 'The ledger cannot be reached', retryable: true },
  quarantine: { status: 503, title: 'The ledger is in quarantine', retryable: true },
  isolated: { status: 503, title: 'The sidecar has been without the ledger for too long', retryable: true },
  draining: { status: 503, title: 'The sidecar is draining', retryable: true },
  recovering: { status: 503, title: 'The sidecar is recovering', retryable: true },
  'journal-full': { status: 503, title: 'The journal has no room for new state', retryable: true },
  'outcome-unknown': { status: 504, title: 'The outcome is not known yet', retryable: true },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/** A refusal from anywhere in the sidecar; the core's refusals are a subset. */
export interface Rejection {
  readonly refused: ErrorCode;
  readonly detail: string;
  readonly members?: Readonly<Record<string, unknown>>;
  readonly retryAfterMs?: number;
}

// The compiler proves that every code the core can give stands in the catalogue.
type Missing = Exclude<RefusalCode, ErrorCode>;
const complete: [Missing] extends [never] ? true : Missing = true;
void complete;

export function reject(
  refused: ErrorCode,
  detail: string,
  members?: Readonly<Record<string, unknown>>,
): Rejection {
  return members === undefined ? { refused, detail } : { refused, detail, members };
}
