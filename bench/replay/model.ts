/**
 * Judges every reply: never early, never late, read your writes, versions move forward, counters
 * add up, conditions hold. The intervals it reasons with are in `timeline.ts`; endings are judged
 * in `endings.ts` over the same keys.
 *
 * A failed check makes its key blind until the next clean write, so that one fault is one
 * violation and not a hundred. Memory: about 300 bytes a key that is live or has just ended.
 */
import type { ViolationKind, ViolationLog } from './violation.ts';
import {
  absenceOf,
  type Fate,
  type KeyState,
  NEVER,
  newKey,
  noteSight,
  type PendingWrite,
  placeOf,
  sightOf,
  trim,
  type Version,
  versionAt,
  type WriteKind,
} from './timeline.ts';

export interface ReadReply {
  readonly found: boolean;
  readonly etag?: string | undefined;
  /** The body, one character a byte. */
  readonly body?: string | undefined;
  readonly remainingMs?: number | undefined;
}

export interface WriteReply {
  readonly status: number;
  readonly etag?: string | undefined;
  /** Of an increment. */
  readonly value?: number | undefined;
  /** Of a refusal. */
  readonly code?: string | undefined;
}

export interface WriteIntent {
  readonly kind: WriteKind;
  readonly rank: number;
  readonly sentAt: number;
  readonly ttlMs?: number | undefined;
  readonly ifMatch?: string | undefined;
  /** What a `set`, `add` or `cas` puts; see `payload.ts`. */
  readonly content?: number | undefined;
}

export interface ModelOptions {
  readonly log: ViolationLog;
  readonly render: (content: number) => string;
  /** The namespace's default TTL, where it is known. */
  readonly defaultTtlMs?: number | undefined;
}

/** A request lost on the way may still be carried out for this long. */
const LOST_MAY_APPLY_MS = 1_000;

export class Model {
  readonly keys = new Map<number, KeyState>();
  readonly #log: ViolationLog;
  readonly #render: (content: number) => string;
  readonly #defaultTtlMs: number | undefined;
  #horizon = -Infinity;
  #moved = 0;

  constructor(options: ModelOptions) {
    this.#log = options.log;
    this.#render = options.render;
    this.#defaultTtlMs = options.defaultTtlMs;
  }

  /** Live entries that were overwritten under a fresh lease. */
  get moved(): number {
    return this.#moved;
  }

  get horizon(): number {
    return this.#horizon;
  }

  /** No request still in flight was sent before `instant`. */
  setHorizon(instant: number): void {
    this.#horizon = instant;
  }

  /** What the writer of a key believes: for choosing conditions and TTLs, not for judging. */
  belief(rank: number, now: number): { readonly etag: string | undefined; readonly liveForMs: number } {
    const key = this.keys.get(rank);
    if (key === undefined || key.blindSince !== undefined) return { etag: undefined, liveForMs: 0 };
    return { etag: key.current.etag, liveForMs: Math.max(0, key.current.deadlineLo - now) };
  }

  /** True while a write of this key is unanswered: the next one has to wait for it. */
  isBusy(rank: number): boolean {
    return this.keys.get(rank)?.pending !== undefined;
  }

  beginWrite(intent: WriteIntent): void {
    const key = this.#keyOf(intent.rank);
    const { kind, sentAt, ttlMs } = intent;
    const { current } = key;
    // Without a TTL a live entry keeps its deadline, and one that was just made gets the default.
    const keptLo =
      kind === 'incr' ? Math.min(current.deadlineLo, sentAt + (this.#defaultTtlMs ?? 0)) : current.deadlineLo;
    const contents = kind === 'incr' ? this.#countsAfter(key, sentAt) : [intent.content ?? 0];
    key.pending = {
      kind,
      sentAt,
      ttlMs,
      ifMatch: intent.ifMatch,
      contents,
      seen: undefined,
      version: {
        etag: undefined,
        content: contents[0] ?? 0,
        fromLo: sentAt,
        fromHi: Infinity,
        deadlineLo: ttlMs === undefined ? keptLo : sentAt + ttlMs,
        deadlineHi: Infinity,
        endingId: undefined,
      },
    };
  }

  endWrite(rank: number, reply: WriteReply, receivedAt: number): void {
    const key = this.#keyOf(rank);
    const { pending } = key;
    if (pending === undefined) throw new Error(`Cannot end the write of key ${rank}: none was begun`);
    this.#log.step({
      rank,
      kind: pending.kind,
      sentAt: pending.sentAt,
      receivedAt,
      status: reply.status,
      ttlMs: pending.ttlMs,
      etag: reply.etag,
    });
    trim(key, this.#horizon);
    if (key.blindSince !== undefined) this.#endBlind(key, pending, reply, receivedAt);
    else if (reply.status === 412) this.#endRefused(key, pending, receivedAt);
    else if (reply.status === 200 || reply.status === 201 || reply.status === 204) {
      this.#endApplied(key, pending, reply, receivedAt);
    } else {
      key.pending = undefined;
      this.#fail(key, 'unexpected status', `${pending.kind} was answered with ${reply.status} ${reply.code ?? ''}`);
    }
  }

  /** The sidecar refused for lack of room or time, which changes nothing. */
  cancelWrite(rank: number): void {
    const key = this.#keyOf(rank);
    if (key.pending?.version.etag !== undefined && key.blindSince === undefined) {
      this.#fail(key, 'condition ignored', 'a refused write was seen by a read');
    }
    key.pending = undefined;
  }

  /** No reply will come: it may or may not have been carried out. */
  loseWrite(rank: number, now: number): void {
    const key = this.#keyOf(rank);
    key.pending = undefined;
    key.blindSince = now + LOST_MAY_APPLY_MS;
    key.hasGap = true;
  }

  endRead(rank: number, sentAt: number, receivedAt: number, reply: ReadReply): void {
    this.#log.step({
      rank,
      kind: 'get',
      sentAt,
      receivedAt,
      status: reply.found ? 200 : 404,
      ttlMs: undefined,
      etag: reply.etag,
    });
    const key = this.keys.get(rank);
    if (key === undefined) {
      // Never written, or ended so long ago that nobody remembers.
      if (reply.found) {
        this.#log.report('version came back', rank, `found ${reply.etag}, nothing is there`);
      }
      return;
    }
    if (key.blindSince !== undefined) return;
    trim(key, this.#horizon);
    if (reply.found) this.#judgeFound(key, sentAt, receivedAt, reply);
    else this.#judgeAbsent(key, sentAt, receivedAt);
  }

  /** A read was answered with something that is neither a value nor its absence. */
  failRead(rank: number, status: number): void {
    this.#log.report('unexpected status', rank, `a read was answered with ${status}`);
  }

  /** Records a failed check and makes its key blind. */
  fail(key: KeyState, kind: ViolationKind, detail: string): void {
    this.#fail(key, kind, detail);
  }

  #keyOf(rank: number): KeyState {
    let key = this.keys.get(rank);
    if (key === undefined) {
      key = newKey(rank);
      this.keys.set(rank, key);
    }
    return key;
  }

  #countsAfter(key: KeyState, sentAt: number): number[] {
    const { current } = key;
    if (sentAt > current.deadlineHi) return [1];
    return [current.content + 1, 1];
  }

  #judgeFound(key: KeyState, sentAt: number, receivedAt: number, reply: ReadReply): void {
    const etag = reply.etag ?? '';
    let place = placeOf(key, etag);
    const { pending } = key;
    // A tag that nobody knows may be that of the write under way; its ending may have told it first.
    if (pending !== undefined && (pending.version.etag ?? etag) === etag) {
      const content = pending.contents.find((each) => this.#render(each) === reply.body);
      const isOld = place !== undefined && place <= key.replaced.length;
      const isNew = !isOld && !key.retired.some((each) => each.etag === etag);
      if (content !== undefined && isNew && pending.seen === undefined) {
        pending.version.etag = etag;
        pending.version.content = content;
        pending.seen = content;
        place = key.replaced.length + 1;
      }
    }
    if (place === undefined) {
      const back = key.retired.find((each) => each.etag === etag);
      if (back === undefined) this.#fail(key, 'unknown version', `found ${etag}`);
      else this.#fail(key, 'version came back', `found ${etag}, which had ${back.fate}`);
      return;
    }
    const version = versionAt(key, place)!;
    if (this.#render(version.content) !== reply.body) {
      this.#fail(key, 'wrong value', `${etag} has other bytes than were written`);
      return;
    }
    const sight = sightOf(key, place, sentAt, receivedAt);
    if (sight !== 'possible') {
      const kind = sight === 'late' ? 'late' : sight === 'stale' ? 'stale value' : 'premature value';
      this.#fail(key, kind, describeSight(sight, version, sentAt, receivedAt));
      return;
    }
    noteSight(key, place, sentAt, receivedAt);
    if (reply.remainingMs !== undefined) {
      this.#judgeRemaining(key, version, reply.remainingMs, sentAt, receivedAt);
    }
  }

  #judgeRemaining(
    key: KeyState,
    version: Version,
    remainingMs: number,
    sentAt: number,
    receivedAt: number,
  ): void {
    // What remained was floored, at an instant within the read's interval.
    const lo = Math.max(sentAt, version.fromLo) + remainingMs;
    const hi = receivedAt + remainingMs + 1;
    if (lo > version.deadlineHi || hi < version.deadlineLo) {
      const left = [version.deadlineLo - receivedAt, version.deadlineHi - sentAt];
      this.#fail(key, 'remaining time', `said ${remainingMs} ms, can be ${between(left)} ms`);
      return;
    }
    version.deadlineLo = Math.max(version.deadlineLo, lo);
    version.deadlineHi = Math.min(version.deadlineHi, hi);
  }

  #judgeAbsent(key: KeyState, sentAt: number, receivedAt: number): void {
    const after = absenceOf(key, sentAt, receivedAt);
    if (after === undefined) {
      const { current } = key;
      const left = [current.deadlineLo - receivedAt, current.deadlineHi - receivedAt];
      this.#fail(key, 'early', `not found with ${between(left)} ms to go (etag ${current.etag})`);
      return;
    }
    // With one explanation only, it is true: the deadline of the newest version has passed.
    if (after === key.replaced.length && key.current !== NEVER) {
      key.current.deadlineHi = Math.min(key.current.deadlineHi, receivedAt);
    }
  }

  #endRefused(key: KeyState, pending: PendingWrite, receivedAt: number): void {
    key.pending = undefined;
    const { current } = key;
    const { sentAt } = pending;
    const liveAllAlong = receivedAt < current.deadlineLo;
    const goneAllAlong = sentAt > current.deadlineHi;
    if (pending.version.etag !== undefined) {
      this.#fail(key, 'condition ignored', 'answered 412, but a read has seen its value');
    } else if (pending.kind === 'add' && goneAllAlong) {
      const detail = current === NEVER ? 'nothing was ever there' : `the last entry was gone ${(sentAt - current.deadlineHi).toFixed(3)} ms ago`;
      this.#fail(key, 'add refused without an entry', detail);
    } else if (pending.kind === 'cas' && pending.ifMatch === current.etag && liveAllAlong) {
      this.#fail(key, 'condition refused', `If-Match ${pending.ifMatch} is current and live`);
    } else if (pending.kind === 'add') {
      current.deadlineLo = Math.max(current.deadlineLo, sentAt);
    } else if (pending.kind === 'cas' && pending.ifMatch === current.etag) {
      // Nobody else writes this key, so only its deadline can have made the condition false.
      current.deadlineHi = Math.min(current.deadlineHi, receivedAt);
    } else if (pending.kind === 'set' || pending.kind === 'incr') {
      this.#fail(key, 'unexpected status', `${pending.kind} without a condition was answered with 412`);
    }
  }

  #endApplied(key: KeyState, pending: PendingWrite, reply: WriteReply, receivedAt: number): void {
    const { current } = key;
    const { sentAt, version } = pending;
    const live = sentAt <= current.deadlineHi;
    const gone = receivedAt >= current.deadlineLo;
    const problem =
      this.#etagProblem(key, version, reply.etag) ??
      (pending.kind === 'incr'
        ? countProblem(pending, reply, current, live, gone)
        : statusProblem(pending, reply, current, live, gone));
    key.pending = undefined;
    if (problem !== undefined) {
      this.#fail(key, problem.kind, problem.detail);
      return;
    }
    const created = pending.kind === 'incr' ? reply.value === 1 && gone : reply.status === 201;
    version.etag = reply.etag;
    version.fromHi = Math.min(version.fromHi, receivedAt);
    if (pending.kind === 'incr') version.content = reply.value ?? 0;
    if (created) {
      version.fromLo = Math.max(version.fromLo, current.deadlineLo);
      if (current !== NEVER) current.deadlineHi = Math.min(current.deadlineHi, receivedAt);
    } else {
      version.fromHi = Math.min(version.fromHi, current.deadlineHi);
      current.deadlineLo = Math.max(current.deadlineLo, version.fromLo);
    }
    this.#settleDeadline(pending, current, created);
    const fate: Fate = created ? 'expired' : pending.ttlMs === undefined ? 'updated' : 'moved';
    if (fate === 'moved') this.#moved += 1;
    if (fate !== 'updated' && current !== NEVER && current.endingId === undefined) key.owed += 1;
    if (key.replaced.length === 0) key.replaced = [];
    key.replaced.push({ version: current, fate });
    key.current = version;
    trim(key, this.#horizon);
  }

  #settleDeadline(pending: PendingWrite, previous: Version, created: boolean): void {
    const { version } = pending;
    const ttlMs = pending.ttlMs ?? (created ? this.#defaultTtlMs : undefined);
    if (ttlMs !== undefined) {
      version.deadlineLo = Math.max(version.deadlineLo, version.fromLo + ttlMs);
      version.deadlineHi = Math.min(version.deadlineHi, version.fromHi + ttlMs);
    } else if (!created) {
      version.deadlineLo = Math.max(version.deadlineLo, previous.deadlineLo);
      version.deadlineHi = Math.min(version.deadlineHi, previous.deadlineHi);
    }
  }

  #etagProblem(key: KeyState, version: Version, etag: string | undefined): Problem | undefined {
    if (etag === undefined) return { kind: 'unknown version', detail: 'a write was answered without an ETag' };
    if (version.etag !== undefined && version.etag !== etag) {
      return { kind: 'version changed', detail: `a read saw ${version.etag}, the reply says ${etag}` };
    }
    const seen =
      key.current.etag === etag ||
      key.replaced.some((each) => each.version.etag === etag) ||
      key.retired.some((each) => each.etag === etag);
    return seen ? { kind: 'version came back', detail: `the new version got ${etag} again` } : undefined;
  }

  /** A clean unconditional write ends blindness: whatever was there, this is there now. */
  #endBlind(key: KeyState, pending: PendingWrite, reply: WriteReply, receivedAt: number): void {
    key.pending = undefined;
    const clean = pending.kind === 'set' && pending.ttlMs !== undefined && reply.etag !== undefined;
    const applied = reply.status === 201 || reply.status === 204;
    if (!clean || !applied || pending.sentAt < (key.blindSince ?? Infinity)) return;
    const { version, ttlMs } = pending;
    key.blindSince = undefined;
    key.replaced = [{ version: NEVER, fate: 'expired' }];
    key.retired = [];
    key.owed = 0;
    version.etag = reply.etag;
    version.fromHi = receivedAt;
    version.deadlineHi = receivedAt + (ttlMs ?? 0);
    key.current = version;
  }

  #fail(key: KeyState, kind: ViolationKind, detail: string): void {
    this.#log.report(kind, key.rank, detail);
    // What follows from a wrong state would be wrong again.
    key.blindSince = key.pending?.sentAt ?? -Infinity;
    key.hasGap = true;
    key.replaced = [];
    key.retired = [];
    key.owed = 0;
  }
}

interface Problem {
  readonly kind: ViolationKind;
  readonly detail: string;
}

function statusProblem(
  pending: PendingWrite,
  reply: WriteReply,
  current: Version,
  live: boolean,
  gone: boolean,
): Problem | undefined {
  const { kind } = pending;
  if (reply.status === 201) {
    if (kind === 'cas') return { kind: 'condition ignored', detail: 'If-Match made a new entry' };
    if (gone) return undefined;
    return kind === 'add'
      ? { kind: 'add over a live entry', detail: `${current.etag} was live` }
      : { kind: 'early', detail: `answered 201, but ${current.etag} was live` };
  }
  if (reply.status !== 204) return { kind: 'unexpected status', detail: `${kind} was answered with ${reply.status}` };
  if (kind === 'add') return { kind: 'condition ignored', detail: 'If-None-Match: * replaced an entry' };
  if (kind === 'cas' && pending.ifMatch !== current.etag) {
    return { kind: 'condition ignored', detail: `If-Match ${pending.ifMatch} replaced ${current.etag}` };
  }
  if (live) return undefined;
  return { kind: 'created or replaced', detail: 'answered 204, but nothing was there to replace' };
}

function countProblem(
  pending: PendingWrite,
  reply: WriteReply,
  current: Version,
  live: boolean,
  gone: boolean,
): Problem | undefined {
  if (reply.status !== 200 && reply.status !== 201) {
    return { kind: 'unexpected status', detail: `increment was answered with ${reply.status}` };
  }
  if (pending.seen !== undefined && pending.seen !== reply.value) {
    return { kind: 'lost increment', detail: `a read saw ${pending.seen}, the reply says ${reply.value}` };
  }
  if (live && reply.value === current.content + 1) return undefined;
  if (gone && reply.value === 1) return undefined;
  const right = [live ? String(current.content + 1) : '', gone ? '1' : ''].filter((each) => each !== '');
  return { kind: 'lost increment', detail: `counted ${reply.value}, right is ${right.join(' or ')}` };
}

function describeSight(sight: string, version: Version, sentAt: number, receivedAt: number): string {
  if (sight === 'late') {
    return `found ${version.etag} ${(sentAt - version.deadlineHi).toFixed(3)} ms after its deadline`;
  }
  if (sight === 'stale') return `found ${version.etag} after its successor was known`;
  return `found ${version.etag} ${(version.fromLo - receivedAt).toFixed(3)} ms before it was written`;
}

function between(bounds: readonly number[]): string {
  return bounds.map((each) => each.toFixed(3)).join(' to ');
}
