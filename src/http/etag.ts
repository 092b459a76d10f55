/**
 * Entity tags as RFC 9110 §8.8.3 and §13.1 have them. Ours are strong; a weak one a client sends
 * can never match where strong comparison is asked for (`If-Match`), but does in `If-None-Match`.
 * Inside the sidecar a tag has no quotes; in every header, document and event it has.
 */
import { reject, type Rejection } from '../errors.ts';

/** One member of the list, or nothing between two commas, which the RFC says to overlook. */
const MEMBER = /[\t ]*(?:(W\/)?"([\x21\x23-\x7e\x80-\xff]*)")?[\t ]*(?:,|$)/y;

export type Tags = readonly string[] | '*';

function malformed(header: string): Rejection {
  return reject(
    'invalid-request',
    `Cannot read ${header}: it must be * or a list of quoted entity tags, as in "a", "b"`,
  );
}

function parseTags(header: string, text: string, comparison: 'strong' | 'weak'): Tags | Rejection {
  const trimmed = text.trim();
  if (trimmed === '*') return '*';
  const tags: string[] = [];
  let members = 0;
  let at = 0;
  while (at < trimmed.length) {
    MEMBER.lastIndex = at;
    const match = MEMBER.exec(trimmed);
    if (match === null) return malformed(header);
    at = MEMBER.lastIndex;
    if (match[2] === undefined) continue;
    members++;
    if (match[1] === undefined || comparison === 'weak') tags.push(match[2]);
  }
  return members === 0 ? malformed(header) : tags;
}

export function parseIfMatch(text: string): Tags | Rejection {
  return parseTags('If-Match', text, 'strong');
}

export function parseIfNoneMatch(text: string): Tags | Rejection {
  return parseTags('If-None-Match', text, 'weak');
}

export function quotedTag(etag: string): string {
  return `"${etag}"`;
}

/** Whether the current version is among `tags`. */
export function matches(tags: Tags, etag: string): boolean {
  return tags === '*' || tags.includes(etag);
}
