/**
 * The tokens there are now, and whose a request is.
 *
 * A presented token is hashed, and the hash is looked up under a key drawn for this process. How
 * long a look takes then says something only about a number that nobody outside can work out, so
 * neither the text of a token nor its digest can be found by measuring; and a look costs the same
 * however many tokens there are.
 */
import { hash, timingSafeEqual } from 'node:crypto';
import { sha256Of } from './token-list.ts';
import { isTokenText, type Token } from './token.ts';

/** Why there is nobody: no token was sent, none that is known, or one whose time is over. */
export type Stranger = 'missing' | 'unknown' | 'expired';

const BEARER = /^Bearer +(\S+) *$/i;

export class Tokens {
  readonly #key: Buffer;
  readonly #wallMs: () => number;
  #byDigest = new Map<string, Token>();

  /** `key`: random bytes that nobody else has; `wallMs`: what expiry is judged by. */
  constructor(key: Buffer, wallMs: () => number, tokens: readonly Token[]) {
    this.#key = key;
    this.#wallMs = wallMs;
    this.replace(tokens);
  }

  get count(): number {
    return this.#byDigest.size;
  }

  /** From now on these, and no others. One that allows what it did stays the same token. */
  replace(tokens: readonly Token[]): void {
    const next = tokens.map((token) => {
      const place = this.#placeOf(token.digest);
      const before = this.#byDigest.get(place);
      return [place, before !== undefined && allowsTheSame(before, token) ? before : token] as const;
    });
    this.#byDigest = new Map(next);
  }

  /** The token that an `Authorization` header shows. */
  find(authorization: string | undefined): Token | Stranger {
    if (authorization === undefined) return 'missing';
    const text = BEARER.exec(authorization)?.[1];
    if (text === undefined || !isTokenText(text)) return 'unknown';
    const digest = sha256Of(text);
    const token = this.#byDigest.get(this.#placeOf(digest));
    if (token === undefined || !timingSafeEqual(token.digest, digest)) return 'unknown';
    return this.#isOver(token) ? 'expired' : token;
  }

  /** Whether a token found earlier would be taken now, and would allow the same. */
  holds(token: Token): boolean {
    return this.#byDigest.get(this.#placeOf(token.digest)) === token && !this.#isOver(token);
  }

  #isOver({ expiresAtMs }: Token): boolean {
    return expiresAtMs !== undefined && this.#wallMs() >= expiresAtMs;
  }

  /** Both parts have a fixed length, so the plain hash of them is as good as an HMAC, at a third of its cost. */
  #placeOf(digest: Buffer): string {
    return hash('sha256', Buffer.concat([this.#key, digest]));
  }
}

function allowsTheSame(left: Token, right: Token): boolean {
  const terms = ({ subject, namespaces, verbs, expiresAtMs }: Token) =>
    JSON.stringify([subject, expiresAtMs, namespaces && [...namespaces].sort(), [...verbs].sort()]);
  return terms(left) === terms(right);
}
