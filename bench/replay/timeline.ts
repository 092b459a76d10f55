/**
 * What may be true of one key, as intervals. The sidecar decides at an instant between the moment
 * a request left and the moment its reply arrived; every instant the tool knows of is therefore a
 * pair, the earliest and the latest it can have been. A reply is wrong only when no choice of
 * instants explains it, so the checks need no tolerance and no synchronised clocks.
 *
 * Writes of one key are sent one after the other, so its versions form a chain. Reads overlap
 * with writes freely: a version stays in the chain until no request in flight could still see it.
 *
 * All instants are milliseconds of this process's monotonic clock.
 */

export type Fate =
  /** Overwritten while live, under the same lease: its run goes on. */
  | 'updated'
  /** Overwritten while live, under a fresh lease: its run is over. */
  | 'moved'
  /** Its deadline came before the next write. */
  | 'expired';

export interface Version {
  /** Undefined until a reply has told. */
  etag: string | undefined;
  /** Number the bytes are made from; see `payload.ts`. */
  content: number;
  fromLo: number;
  fromHi: number;
  deadlineLo: number;
  deadlineHi: number;
  /** Of the ending that was announced for it. */
  endingId: string | undefined;
}

export type WriteKind = 'set' | 'add' | 'cas' | 'incr';

export interface PendingWrite {
  readonly kind: WriteKind;
  readonly sentAt: number;
  /** Undefined: the deadline is to stay as it is. */
  readonly ttlMs: number | undefined;
  /** For `cas`. */
  readonly ifMatch: string | undefined;
  /** Contents it can lead to: one, or for an increment two when the old value may be gone. */
  readonly contents: readonly number[];
  /** Which of them it was, once a read has told. */
  seen: number | undefined;
  readonly version: Version;
}

/** A version that is no longer observable, kept to recognise it, and its ending, if it comes back. */
export interface Retired {
  readonly etag: string;
  readonly fate: Fate;
  /** When its run was over at the latest. */
  readonly overHi: number;
  endingId: string | undefined;
}

export interface KeyState {
  readonly rank: number;
  /** Older than `current`, oldest first, as long as a request in flight could see them. */
  replaced: { readonly version: Version; readonly fate: Fate }[];
  /** The last acknowledged version, live or not; `NEVER` before the first. */
  current: Version;
  pending: PendingWrite | undefined;
  /** Newest last, at most `RETIRED_MAX`. */
  retired: Retired[];
  /**
   * Undefined, or why nothing is known for now: an outcome was lost, or a check has failed and
   * would only fail again. Ends with the next acknowledged unconditional write sent after it.
   */
  blindSince: number | undefined;
  /** Runs that a later write has closed and whose ending has not been announced. */
  owed: number;
  /** It was blind once: an ending may be of a version that nobody knows here. */
  hasGap: boolean;
}

/** Endings arrive within milliseconds; this many overwrites of one key take longer. */
export const RETIRED_MAX = 64;

/** What a key holds before its first write: a version that was gone before time began. */
export const NEVER: Version = Object.freeze({
  etag: undefined,
  content: 0,
  fromLo: -Infinity,
  fromHi: -Infinity,
  deadlineLo: -Infinity,
  deadlineHi: -Infinity,
  endingId: undefined,
});

// Shared by the many keys that have nothing to keep; replaced, never pushed to.
const NONE: never[] = [];

export function newKey(rank: number): KeyState {
  return {
    rank,
    replaced: NONE,
    current: NEVER,
    pending: undefined,
    retired: NONE,
    blindSince: undefined,
    owed: 0,
    hasGap: false,
  };
}

/** When the version after this one can have taken its place at the latest. */
function replacedHi(key: KeyState, index: number): number {
  // A pending write need not happen: until it is seen, its `fromHi` is infinite.
  return versionAt(key, index + 1)?.fromHi ?? Infinity;
}

function couldBeLive(version: Version, goneHi: number, sentAt: number, receivedAt: number): boolean {
  return (
    Math.max(sentAt, version.fromLo) <= Math.min(receivedAt, version.deadlineHi, goneHi)
  );
}

function couldBeGone(version: Version, goneHi: number, sentAt: number, receivedAt: number): boolean {
  return Math.max(sentAt, version.fromLo, version.deadlineLo) <= Math.min(receivedAt, goneHi);
}

/**
 * After which version the key can have held nothing at some instant between the two: its place,
 * `several` when there is more than one such place, undefined when there is none.
 */
export function absenceOf(
  key: KeyState,
  sentAt: number,
  receivedAt: number,
): Place | 'several' | undefined {
  let found: Place | undefined;
  for (let place = 0; ; place += 1) {
    const version = versionAt(key, place);
    if (version === undefined) return found;
    if (!couldBeGone(version, replacedHi(key, place), sentAt, receivedAt)) continue;
    if (found !== undefined) return 'several';
    found = place;
  }
}

/** A place in the chain: an index into `replaced`, then `current`, then the pending write. */
export type Place = number;

export function versionAt(key: KeyState, place: Place): Version | undefined {
  if (place < key.replaced.length) return key.replaced[place]?.version;
  if (place === key.replaced.length) return key.current;
  return place === key.replaced.length + 1 ? key.pending?.version : undefined;
}

/** The place of the version with this tag; undefined when no observable one has it. */
export function placeOf(key: KeyState, etag: string): Place | undefined {
  if (key.current.etag === etag) return key.replaced.length;
  if (key.pending?.version.etag === etag) return key.replaced.length + 1;
  for (let place = key.replaced.length - 1; place >= 0; place -= 1) {
    if (key.replaced[place]!.version.etag === etag) return place;
  }
  return undefined;
}

export type Sight = 'possible' | 'late' | 'stale' | 'premature';

/** Whether a read between the two instants can have seen the version at `place`, or why not. */
export function sightOf(
  key: KeyState,
  place: Place,
  sentAt: number,
  receivedAt: number,
): Sight {
  const version = versionAt(key, place)!;
  const goneHi = replacedHi(key, place);
  if (couldBeLive(version, goneHi, sentAt, receivedAt)) return 'possible';
  if (sentAt > goneHi) return 'stale';
  return sentAt > version.deadlineHi ? 'late' : 'premature';
}

/** Draws what follows from having seen the version at `place`: later reads may not go back. */
export function noteSight(key: KeyState, place: Place, sentAt: number, receivedAt: number): void {
  const version = versionAt(key, place)!;
  version.fromHi = Math.min(version.fromHi, receivedAt);
  version.deadlineLo = Math.max(version.deadlineLo, sentAt);
  const next = versionAt(key, place + 1);
  if (next !== undefined) next.fromLo = Math.max(next.fromLo, sentAt);
}

/** Lets go of versions that no request sent at or after `horizon` can see. */
export function trim(key: KeyState, horizon: number): void {
  let gone = 0;
  while (gone < key.replaced.length && replacedHi(key, gone) < horizon) gone += 1;
  if (gone === 0) return;
  for (const [index, { version, fate }] of key.replaced.slice(0, gone).entries()) {
    if (version.etag === undefined) continue;
    if (key.retired.length === 0) key.retired = [];
    key.retired.push({
      etag: version.etag,
      fate,
      overHi: Math.min(version.deadlineHi, replacedHi(key, index)),
      endingId: version.endingId,
    });
  }
  key.replaced = gone === key.replaced.length ? NONE : key.replaced.slice(gone);
  if (key.retired.length > RETIRED_MAX) {
    key.retired.splice(0, key.retired.length - RETIRED_MAX);
  }
}
