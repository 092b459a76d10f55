/**
 * NATS subjects: `leasehold.v1.<noun>.<verb>.<namespace>`, endings with their reason before the
 * namespace, so that a consumer can filter by everything that is bounded. A key is never in one: it
 * may hold dots, spaces and wildcards, and each would be a subject of its own to the server.
 */
import type { StreamName } from './bus.ts';
import { ALL_NAMES, isEnding } from './event-types.ts';

const ROOT = 'leasehold.v1.';
/** Where there is no namespace: no namespace has this name. */
export const NO_NAMESPACE = '_';

/** `reason` is given for endings, and only for them. */
export function subjectOf(name: string, namespace: string, reason: string | undefined): string {
  const last = namespace === '' ? NO_NAMESPACE : namespace;
  return reason === undefined ? `${ROOT}${name}.${last}` : `${ROOT}${name}.${reason}.${last}`;
}

/** The subject without what varies, as the name of a span has it. */
export function subjectTemplate(name: string, isEnding: boolean): string {
  return `${ROOT}${name}${isEnding ? '.{reason}' : ''}.{namespace}`;
}

/**
 * What each stream takes. Endings by pattern; the others by name, because streams must not overlap
 * and a subject cannot say "all but". Events of later versions are among them.
 */
export const STREAM_SUBJECTS: Readonly<Record<StreamName, readonly string[]>> = {
  endings: [`${ROOT}*.ended.>`],
  events: ALL_NAMES.filter((name) => !isEnding(name)).map((name) => `${ROOT}${name}.>`),
};

