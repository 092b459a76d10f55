/** Query strings into plain objects of texts; each name at most once. */
import { reject } from '../errors.ts';
import type { Checked } from './checked.ts';

export type Query = Readonly<Record<string, string>>;

const NONE: Checked<Query> = { value: Object.freeze({}) };

function unreadable(why: string): Checked<Query> {
  return { refusal: reject('invalid-request', `Cannot read the query: ${why}`) };
}

function decoded(text: string): string | undefined {
  if (!text.includes('%') && !text.includes('+')) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

/** `raw` is what follows the question mark. */
export function parseQuery(raw: string): Checked<Query> {
  if (raw === '') return NONE;
  const query: Record<string, string> = {};
  for (const part of raw.split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = decoded(equals < 0 ? part : part.slice(0, equals));
    const value = equals < 0 ? '' : decoded(part.slice(equals + 1));
    if (name === undefined || value === undefined) {
      return unreadable('it is not percent-encoded UTF-8');
    }
    if (Object.hasOwn(query, name)) {
      return unreadable(`"${name.slice(0, 64)}" stands there twice`);
    }
    // Defined, not assigned: `__proto__` is a name like any other.
    Object.defineProperty(query, name, { value, enumerable: true, writable: true, configurable: true });
  }
  return { value: query };
}
