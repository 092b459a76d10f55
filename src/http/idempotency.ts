/**
 * The Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header-07): a structured-field
 * string; a bare token is taken too, since half of all clients leave the quotes out. A key counts
 * within one method and path, and for one subject where there are tokens; what was sent is told
 * apart by its digest.
 */
import { createHash } from 'node:crypto';
import type { IdempotencyRequest } from '../engine/service.ts';
import { reject, type Rejection } from '../errors.ts';

const KEY_LENGTH_MAX = 255;
const QUOTED = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/;
const BARE = /^[!#$%&'*+.^_`|~0-9A-Za-z:/-]+$/;

/** The key itself, without quotes and escapes. */
export function parseIdempotencyKey(header: string): string | Rejection {
  const text = header.trim();
  const key = QUOTED.exec(text)?.[1]?.replaceAll(/\\(.)/g, '$1') ?? (BARE.test(text) ? text : '');
  if (key.length >= 1 && key.length <= KEY_LENGTH_MAX) return key;
  return reject(
    'invalid-request',
    `Cannot read Idempotency-Key: it must be a quoted string of 1 to ${KEY_LENGTH_MAX} characters`,
  );
}

export interface Sent {
  readonly method: string;
  /** Raw, without the query. */
  readonly path: string;
  readonly query: string;
  readonly contentType: string;
  readonly body: Uint8Array;
  /** Whose the request is; undefined where there are no tokens. */
  readonly subject: string | undefined;
}

export function idempotencyRequest(key: string, sent: Sent): IdempotencyRequest {
  const whose = sent.subject === undefined ? '' : `${sent.subject}\n`;
  // The scope as a digest: paths may be long, and keys are journalled.
  const scope = createHash('sha256').update(`${whose}${sent.method} ${sent.path}`).digest('base64url');
  const head = JSON.stringify([sent.method, sent.path, sent.query, sent.contentType]);
  const fingerprint = createHash('sha256').update(head).update('\n').update(sent.body);
  return { key: `${scope.slice(0, 22)}:${key}`, fingerprint: fingerprint.digest('base64url') };
}
