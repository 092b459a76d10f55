/** Preconditions of a request (RFC 9110 §13) as the core takes them. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Conditions } from '../core/command.ts';
import type { Rejection } from '../errors.ts';
import { parseIfMatch, parseIfNoneMatch } from './etag.ts';

const NONE: Conditions = {};

export function conditionsOf(headers: IncomingHttpHeaders): Conditions | Rejection {
  const match = headers['if-match'];
  const noneMatch = headers['if-none-match'];
  if (match === undefined && noneMatch === undefined) return NONE;
  const ifMatch = match === undefined ? undefined : parseIfMatch(match);
  if (isRejection(ifMatch)) return ifMatch;
  const ifNoneMatch = noneMatch === undefined ? undefined : parseIfNoneMatch(noneMatch);
  if (isRejection(ifNoneMatch)) return ifNoneMatch;
  return {
    ...(ifMatch === undefined ? {} : { ifMatch }),
    ...(ifNoneMatch === undefined ? {} : { ifNoneMatch }),
  };
}

function isRejection(tags: readonly string[] | '*' | Rejection | undefined): tags is Rejection {
  return typeof tags === 'object' && 'refused' in tags;
}
