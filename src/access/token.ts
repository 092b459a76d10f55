/** A bearer token, as the sidecar knows it: what it allows, and a digest instead of its text. */
import type { Bearer } from '../core/bearer.ts';
import type { Verb } from './verbs.ts';

export interface Token extends Bearer {
  /** SHA-256 of the token's text. */
  readonly digest: Buffer;
  readonly verbs: ReadonlySet<Verb>;
  /** Unix milliseconds from which it is no longer taken; undefined: never. */
  readonly expiresAtMs: number | undefined;
}

/** Shorter ones could be guessed. */
export const TOKEN_LENGTH_MIN = 32;
/** What a header of 4 KiB, the least that may be configured, has room for beside others. */
export const TOKEN_LENGTH_MAX = 1024;
/** What `Authorization: Bearer` takes (RFC 6750 §2.1). */
export const TOKEN_TEXT = /^[A-Za-z0-9._~+/-]+=*$/;

/**
 * Whether a text can be a token at all. Asked of what is shown too: the file may have its digest
 * alone, which says nothing of how long it is.
 */
export function isTokenText(text: string): boolean {
  return text.length >= TOKEN_LENGTH_MIN && text.length <= TOKEN_LENGTH_MAX && TOKEN_TEXT.test(text);
}
