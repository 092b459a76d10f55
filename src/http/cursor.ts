/**
 * Cursors of listings: "after this name". They hold no position in any table, so they stay good
 * across restarts, and the digest of what was asked keeps one from being used with another listing.
 */
import { createHash } from 'node:crypto';
import { reject, type Rejection } from '../errors.ts';

const CURSOR_BYTES_MAX = 4096;

function digestOf(listing: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(listing)).digest('base64url').slice(0, 12);
}

/** `listing`: everything that decides which items there are, in a fixed order. */
export function cursorText(listing: readonly unknown[], after: string): string {
  return Buffer.from(JSON.stringify({ n: digestOf(listing), a: after })).toString('base64url');
}

/** The name to go on after, or 400 `invalid-cursor`. */
export function cursorAfter(listing: readonly unknown[], cursor: string): string | Rejection {
  const malformed = reject('invalid-cursor', 'Cannot use the cursor: it is none of this sidecar');
  if (cursor.length > CURSOR_BYTES_MAX || !/^[A-Za-z0-9_-]+$/.test(cursor)) return malformed;
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    return malformed;
  }
  if (typeof parsed !== 'object' || parsed === null) return malformed;
  const { n, a, ...rest } = parsed as Record<string, unknown>;
  if (typeof n !== 'string' || typeof a !== 'string' || a === '' || !a.isWellFormed()) return malformed;
  if (Object.keys(rest).length > 0) return malformed;
  if (n !== digestOf(listing)) {
    return reject('invalid-cursor', 'Cannot use the cursor: it belongs to another listing');
  }
  return a;
}
