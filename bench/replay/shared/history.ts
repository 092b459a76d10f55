/**
 * What may be true of one key that several sidecars write at the same time, last writer wins. As
 * in `../timeline.ts` every instant is a pair, and a reply is wrong only when no choice of instants
 * explains it; but here versions form no chain. Of two writes one is surely the newer when the same
 * sidecar made both, when it was made by one that held the other, or when they lie far enough apart
 * in time; otherwise either may have won.
 *
 * What a sidecar shows never goes back: whatever it has acknowledged or shown is its *floor*, and
 * from then on it shows that or something newer, for as long as that lives and is not written over.
 */
import type { WriteKind } from '../timeline.ts';

/** By how much two sidecars' hybrid clocks may disagree about two instants of one machine. */
export const ORDER_SLACK_MS = 50;
/**
 * By how much a copy's deadline may be off from its owner's: both reckon with an estimate of the
 * ledger's clock, which a busy machine makes wide. At its owner a deadline has no tolerance.
 */
export const COPY_SLACK_MS = 1_000;

export interface Version {
  readonly rank: number;
  /** The sidecar that was asked to write it. */
  readonly sidecar: number;
  readonly kind: WriteKind;
  /** Undefined: the deadline was to stay as it was. */
  readonly ttlMs: number | undefined;
  readonly ifMatch: string | undefined;
  /** The floor of its sidecar when it was asked for: that one is older. Cut when it is forgotten. */
  saw: Version | undefined;
  /** Undefined until a reply has told. */
  etag: string | undefined;
  /** Number the bytes are made from; undefined: of an increment that has not been told. */
  content: number | undefined;
  fromLo: number;
  fromHi: number;
  deadlineLo: number;
  deadlineHi: number;
  acknowledged: boolean;
  /** Nothing goes on in its name: its ending must be told. */
  owed: boolean;
  endingId: string | undefined;
  /** When its ending was heard at the latest; infinite before. */
  endedHi: number;
}

/** From `at` on the sidecar is known to have held the version, or something newer. */
interface Evidence {
  readonly sidecar: number;
  readonly version: Version;
  readonly at: number;
}

/** What is remembered of a version that nobody may show any more. */
export interface Retired {
  readonly etag: string;
  endingId: string | undefined;
}

export interface SharedKey {
  readonly rank: number;
  /** Those that may still matter, in the order they were asked for; pending ones among them. */
  versions: Version[];
  /** By sidecar and time; of each sidecar ever newer versions. */
  evidence: Evidence[];
  /** Newest last, at most `RETIRED_MAX`. */
  retired: Retired[];
  trimmedAt: number;
  /** When the last of the retired can have been written. */
  retiredHi: number;
  /** An outcome was lost, or a check has failed: nothing is said about this key any more. */
  blind: boolean;
}

const RETIRED_MAX = 64;
/** A hot key has thousands of requests a second, and looking through its versions takes its time. */
const TRIM_EVERY_MS = 100;
// Shared by the many keys that have nothing to keep; replaced, never pushed to.
const NONE: never[] = [];

export function newKey(rank: number): SharedKey {
  return {
    rank,
    versions: NONE, evidence: NONE, retired: NONE,
    retiredHi: -Infinity, trimmedAt: -Infinity, blind: false,
  };
}

export function addVersion(key: SharedKey, version: Version): void {
  if (key.versions.length === 0) key.versions = [version];
  else key.versions.push(version);
}

export function dropVersion(key: SharedKey, version: Version): void {
  key.versions = key.versions.filter((each) => each !== version);
}

/** Whatever instants are chosen, `one` was written before `other`, and loses against it. */
export function isSurelyOlder(one: Version, other: Version): boolean {
  if (one.sidecar === other.sidecar) {
    // Writes of one key at one sidecar wait for each other.
    return one.fromLo < other.fromLo;
  }
  if (one.fromHi + ORDER_SLACK_MS < other.fromLo) return true;
  const { saw } = other;
  return saw !== undefined && (saw === one || (saw.sidecar === one.sidecar && one.fromLo < saw.fromLo));
}

/** The newest version that the sidecar surely held, or held something newer, at `instant`. */
export function floorOf(key: SharedKey, sidecar: number, instant: number): Version | undefined {
  let floor: Version | undefined;
  for (const evidence of key.evidence) {
    if (evidence.sidecar === sidecar && evidence.at <= instant) floor = evidence.version;
  }
  return floor;
}

export function noteHeld(key: SharedKey, sidecar: number, version: Version, at: number): void {
  let last: Evidence | undefined;
  for (const evidence of key.evidence) if (evidence.sidecar === sidecar) last = evidence;
  if (last !== undefined && (last.version === version || !isSurelyOlder(last.version, version))) return;
  // A reply that was overtaken by a later one of the same sidecar.
  if (last !== undefined && last.at > at) return;
  if (key.evidence.length === 0) key.evidence = [];
  key.evidence.push({ sidecar, version, at });
}

/**
 * Whether at some instant up to `instant` the sidecar may have held neither `version` nor anything
 * newer that lives: its deadline or that of a write that may have won against it has come. Nobody
 * deletes in this traffic.
 */
export function mayBeOver(key: SharedKey, version: Version, sidecar: number, instant: number): boolean {
  return key.versions.some(
    (each) =>
      each.deadlineLo - slackAt(each, sidecar) <= instant &&
      (each === version || !isSurelyOlder(each, version)),
  );
}

function slackAt(version: Version, sidecar: number): number {
  return version.sidecar === sidecar ? 0 : COPY_SLACK_MS;
}

export type Sight = 'possible' | 'late' | 'stale' | 'premature' | 'ended';

/** Whether a read at the sidecar between the two instants can have seen it, or why not. */
export function sightOf(
  key: SharedKey,
  version: Version,
  sidecar: number,
  sentAt: number,
  receivedAt: number,
): Sight {
  if (receivedAt < version.fromLo) return 'premature';
  if (sentAt > version.deadlineHi + slackAt(version, sidecar)) return 'late';
  // Elsewhere the end may not have been heard of yet.
  if (version.sidecar === sidecar && sentAt > version.endedHi) return 'ended';
  const floor = floorOf(key, sidecar, sentAt);
  if (floor === undefined || floor === version || !isSurelyOlder(version, floor)) return 'possible';
  return mayBeOver(key, floor, sidecar, receivedAt) ? 'possible' : 'stale';
}

/** Whether a read at the sidecar between the two instants can have found nothing. */
export function mayBeAbsent(key: SharedKey, sidecar: number, sentAt: number, receivedAt: number): boolean {
  const floor = floorOf(key, sidecar, sentAt);
  return floor === undefined || mayBeOver(key, floor, sidecar, receivedAt);
}

/** Whether it can have found something that is not `except`. */
export function mayBePresent(
  key: SharedKey,
  sidecar: number,
  sentAt: number,
  receivedAt: number,
  except: Version,
): boolean {
  // The newest is nearly always one.
  return key.versions.findLast(
    (each) => each !== except && sightOf(key, each, sidecar, sentAt, receivedAt) === 'possible',
  ) !== undefined;
}

/**
 * Lets go of what no request sent at or after `horizon` can have to do with: evidence that newer
 * one has replaced, and versions whose endings have been told and that nobody may show any more.
 */
export function trim(key: SharedKey, sidecars: number, horizon: number, forget: (version: Version) => void): void {
  if (horizon < key.trimmedAt + TRIM_EVERY_MS) return;
  key.trimmedAt = horizon;
  trimEvidence(key, sidecars, horizon);
  if (key.versions.length < 2) return;
  const bounds = boundsOf(key, sidecars, horizon);
  let gone = 0;
  while (gone < key.versions.length && isPast(key.versions[gone]!, bounds, horizon)) gone += 1;
  if (gone === 0) return;
  const past = new Set(key.versions.slice(0, gone));
  for (const version of past) {
    forget(version);
    retire(key, version);
  }
  key.versions = key.versions.slice(gone);
  // What is over holds nobody to anything.
  key.evidence = key.evidence.filter(({ version }) => !past.has(version));
}

function trimEvidence(key: SharedKey, sidecars: number, horizon: number): void {
  if (key.evidence.length <= sidecars) return;
  const latest = new Map<number, Evidence>();
  for (const evidence of key.evidence) if (evidence.at <= horizon) latest.set(evidence.sidecar, evidence);
  key.evidence = key.evidence.filter(
    (evidence) => evidence.at > horizon || latest.get(evidence.sidecar) === evidence,
  );
}

/** A sidecar shows nothing older than `floor` before `until`. */
interface Bound {
  readonly floor: Version;
  readonly until: number;
}

/** Of every sidecar; undefined when one has shown nothing yet. */
function boundsOf(key: SharedKey, sidecars: number, horizon: number): readonly Bound[] | undefined {
  const bounds: Bound[] = [];
  for (let sidecar = 0; sidecar < sidecars; sidecar += 1) {
    const floor = floorOf(key, sidecar, horizon);
    if (floor === undefined) return undefined;
    let until = Infinity;
    for (const version of key.versions) {
      if (isSurelyOlder(version, floor)) continue;
      until = Math.min(until, version.deadlineLo - slackAt(version, sidecar));
    }
    bounds.push({ floor, until });
  }
  return bounds;
}

function isPast(version: Version, bounds: readonly Bound[] | undefined, horizon: number): boolean {
  const told = version.endingId !== undefined || !version.owed;
  if (!told || !version.acknowledged) return false;
  const over = version.deadlineHi + COPY_SLACK_MS;
  if (over < horizon) return true;
  // What has come to nothing before it was told may let an older one be seen again.
  return bounds?.every(({ floor, until }) => over < until && isSurelyOlder(version, floor)) === true;
}

/** Remembers a version by name only. */
export function retire(key: SharedKey, version: Version): void {
  version.saw = undefined;
  key.retiredHi = Math.max(key.retiredHi, version.fromHi);
  if (version.etag === undefined) return;
  if (key.retired.length === 0) key.retired = [];
  key.retired.push({ etag: version.etag, endingId: version.endingId });
  if (key.retired.length > RETIRED_MAX) key.retired.splice(0, key.retired.length - RETIRED_MAX);
}
