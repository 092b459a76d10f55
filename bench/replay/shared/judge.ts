/**
 * Judges every reply of several sidecars that share every key, while they run: what holds whatever
 * the others do meanwhile. Never early at the sidecar that granted, never late anywhere, nothing
 * that has ended comes back, no view goes back, an acknowledged write gives way to later ones only,
 * bytes are those that were written, conditions and counting follow what can have been held there.
 * What may be true of a key is in `history.ts`, endings are judged in `endings.ts`, what everybody
 * holds in the end in `rest.ts`.
 *
 * A key of which an outcome was lost, or a check has failed, is not judged any more.
 */
import type { Judge } from '../driver.ts';
import type { ReadReply, WriteIntent, WriteReply } from '../model.ts';
import type { ViolationKind, ViolationLog } from '../violation.ts';
import {
  addVersion, COPY_SLACK_MS, dropVersion, floorOf, isSurelyOlder, mayBeAbsent, mayBeOver, mayBePresent,
  newKey, noteHeld, type SharedKey, type Sight, sightOf, trim, type Version,
} from './history.ts';

export interface SharedJudgeOptions {
  readonly sidecars: number;
  readonly log: ViolationLog;
  readonly render: (content: number) => string;
  /** The namespace's default TTL. */
  readonly defaultTtlMs: number;
}

const VIOLATION_OF: Readonly<Record<Exclude<Sight, 'possible'>, ViolationKind>> = {
  late: 'late',
  stale: 'stale value',
  premature: 'premature value',
  ended: 'version came back',
};

export class SharedJudge {
  readonly keys = new Map<number, SharedKey>();
  readonly sidecars: number;
  readonly #log: ViolationLog;
  readonly #render: (content: number) => string;
  readonly #defaultTtlMs: number;
  readonly #byEtag = new Map<string, Version>();
  /** Unanswered writes: by key, one at each sidecar at most. */
  readonly #pending = new Map<number, Version[]>();
  readonly #horizons: number[];
  /** Which sidecar a run was, as its replies have told. */
  readonly #actors = new Map<string, number>();
  #unjudged = 0;

  constructor(options: SharedJudgeOptions) {
    this.sidecars = options.sidecars;
    this.#log = options.log;
    this.#render = options.render;
    this.#defaultTtlMs = options.defaultTtlMs;
    this.#horizons = new Array(options.sidecars).fill(-Infinity);
  }

  /** Keys that are no longer judged because an outcome was lost. */
  get unjudged(): number {
    return this.#unjudged;
  }

  /** No request still in flight anywhere was sent before it. */
  get horizon(): number {
    return Math.min(...this.#horizons);
  }

  /** The judge of what one sidecar answers. */
  at(sidecar: number): Judge {
    return {
      setHorizon: (instant) => {
        this.#horizons[sidecar] = instant;
      },
      isBusy: (rank) => this.#pendingAt(rank, sidecar) !== undefined,
      belief: (rank, now) => this.#belief(rank, sidecar, now),
      beginWrite: (intent) => this.#beginWrite(intent, sidecar),
      endWrite: (rank, reply, receivedAt) => this.#endWrite(rank, sidecar, reply, receivedAt),
      cancelWrite: (rank) => this.#cancelWrite(rank, sidecar),
      loseWrite: (rank) => this.#loseWrite(rank, sidecar),
      endRead: (rank, sentAt, receivedAt, reply) => this.#endRead(rank, sidecar, sentAt, receivedAt, reply),
      failRead: (rank, status) => {
        this.#log.report('unexpected status', rank, `a read at sidecar ${sidecar} was answered with ${status}`);
      },
    };
  }

  /**
   * The sidecar goes on as its next run: with its own versions, as far as nothing of others' may
   * have taken their place, and without its copies of others' until it has them again.
   */
  noteRestart(sidecar: number): void {
    for (const key of this.keys.values()) {
      const floor = floorOf(key, sidecar, Infinity);
      if (floor === undefined) continue;
      const isAlone = floor.sidecar === sidecar &&
        key.versions.every((each) => each.sidecar === sidecar || isSurelyOlder(each, floor));
      if (!isAlone) key.evidence = key.evidence.filter((each) => each.sidecar !== sidecar);
    }
  }

  /** The version with this tag, of whatever key. */
  find(etag: string): Version | undefined {
    return this.#byEtag.get(etag);
  }

  /** A tag that nobody knows is that of the write under way at the sidecar, if there is one. */
  bindPending(rank: number, sidecar: number, etag: string): Version | undefined {
    const version = this.#pendingAt(rank, sidecar);
    if (version === undefined || version.etag !== undefined) return undefined;
    version.etag = etag;
    this.#byEtag.set(etag, version);
    return version;
  }

  /** Records a failed check; its key is not judged again. */
  fail(key: SharedKey, kind: ViolationKind, detail: string): void {
    this.#log.report(kind, key.rank, detail);
    this.#forsake(key);
  }

  /** The key is over and everything about it has been told. */
  forget(key: SharedKey): void {
    for (const version of key.versions) this.#drop(version);
    this.keys.delete(key.rank);
  }

  /* ---- writes -------------------------------------------------------------------------- */

  #belief(rank: number, sidecar: number, now: number) {
    const key = this.keys.get(rank);
    const floor = key === undefined || key.blind ? undefined : floorOf(key, sidecar, now);
    const own = floor?.sidecar === sidecar ? floor.deadlineLo - now : 0;
    return { etag: floor?.etag, liveForMs: Math.max(0, own) };
  }

  #beginWrite({ kind, rank, sentAt, ttlMs, ifMatch, content }: WriteIntent, sidecar: number): void {
    let key = this.keys.get(rank);
    if (key === undefined) {
      key = newKey(rank);
      this.keys.set(rank, key);
    }
    const version: Version = {
      rank, sidecar, kind, ttlMs, ifMatch,
      saw: floorOf(key, sidecar, sentAt),
      etag: undefined,
      content: kind === 'incr' ? undefined : content,
      fromLo: sentAt,
      fromHi: Infinity,
      deadlineLo: sentAt + (ttlMs ?? 0),
      deadlineHi: Infinity,
      acknowledged: false,
      owed: true,
      endingId: undefined,
      endedHi: Infinity,
    };
    const pending = this.#pending.get(rank);
    if (pending === undefined) this.#pending.set(rank, [version]);
    else pending.push(version);
    if (!key.blind) addVersion(key, version);
  }

  #pendingAt(rank: number, sidecar: number): Version | undefined {
    return this.#pending.get(rank)?.find((version) => version.sidecar === sidecar);
  }

  /** The write that was under way at the sidecar, and is no longer. */
  #settled(rank: number, sidecar: number): Version {
    const pending = this.#pending.get(rank) ?? [];
    const version = pending.find((each) => each.sidecar === sidecar);
    if (version === undefined) throw new Error(`Cannot end a write of key ${rank}: none was begun`);
    if (pending.length === 1) this.#pending.delete(rank);
    else pending.splice(pending.indexOf(version), 1);
    return version;
  }

  #endWrite(rank: number, sidecar: number, reply: WriteReply, receivedAt: number): void {
    const version = this.#settled(rank, sidecar);
    const { kind, fromLo, ttlMs } = version;
    this.#log.step({
      rank, kind, sidecar, receivedAt, ttlMs, sentAt: fromLo, status: reply.status, etag: reply.etag,
    });
    const key = this.keys.get(rank);
    if (key === undefined || key.blind) return;
    const applied = reply.status === 200 || reply.status === 201 || reply.status === 204;
    const problem = applied
      ? this.#appliedProblem(key, version, reply, receivedAt)
      : this.#refusedProblem(key, version, reply, receivedAt);
    if (problem !== undefined) {
      this.fail(key, problem.kind, problem.detail);
      return;
    }
    if (applied) this.#apply(key, version, reply, receivedAt);
    else dropVersion(key, version);
    this.#trim(key);
  }

  #apply(key: SharedKey, version: Version, reply: WriteReply, receivedAt: number): void {
    const etag = reply.etag!;
    version.acknowledged = true;
    version.etag = etag;
    this.#byEtag.set(etag, version);
    this.#actors.set(actorOf(etag), version.sidecar);
    version.fromHi = Math.min(version.fromHi, receivedAt);
    if (version.kind === 'incr') version.content = reply.value ?? 0;
    if (version.ttlMs === undefined) this.#keepDeadline(key, version);
    else version.deadlineHi = Math.min(version.deadlineHi, version.fromHi + version.ttlMs);
    noteHeld(key, version.sidecar, version, receivedAt);
  }

  /** It went on under the lease of the value before it there, or began one of the default TTL. */
  #keepDeadline(key: SharedKey, version: Version): void {
    const before = key.versions.findLast(
      (each) => each !== version && each.acknowledged && each.sidecar === version.sidecar,
    );
    version.deadlineLo = version.fromLo + this.#defaultTtlMs;
    version.deadlineHi = version.fromHi + this.#defaultTtlMs;
    if (before === undefined || before.deadlineHi < version.fromLo) return;
    version.deadlineLo = Math.min(version.deadlineLo, before.deadlineLo);
    version.deadlineHi = Math.max(version.deadlineHi, before.deadlineHi);
    before.owed = false;
  }

  #refusedProblem(key: SharedKey, version: Version, { status, code }: WriteReply, receivedAt: number): Problem | undefined {
    const { kind, sidecar, fromLo, ifMatch } = version;
    if (status !== 412 || (kind !== 'add' && kind !== 'cas')) {
      return { kind: 'unexpected status', detail: `${kind} at sidecar ${sidecar} was answered with ${status} ${code}` };
    }
    if (version.etag !== undefined) {
      return { kind: 'condition ignored', detail: 'answered 412, but its value was seen' };
    }
    if (kind === 'add') {
      if (mayBePresent(key, sidecar, fromLo, receivedAt, version)) return undefined;
      return { kind: 'add refused without an entry', detail: `nothing can be at sidecar ${sidecar}` };
    }
    const floor = floorOf(key, sidecar, fromLo);
    const current = floor !== undefined && floor.etag === ifMatch;
    if (!current || mayBeOver(key, floor, sidecar, receivedAt)) return undefined;
    const rival = key.versions.some((each) => each !== version && each !== floor && !isSurelyOlder(each, floor));
    if (rival) return undefined;
    return { kind: 'condition refused', detail: `If-Match ${ifMatch} is current at sidecar ${sidecar}, and live` };
  }

  #appliedProblem(key: SharedKey, version: Version, reply: WriteReply, receivedAt: number): Problem | undefined {
    const { etag } = reply;
    if (etag === undefined) return { kind: 'unknown version', detail: 'a write was answered without an ETag' };
    if (version.etag !== undefined && version.etag !== etag) {
      return { kind: 'version changed', detail: `${version.etag} was seen, the reply says ${etag}` };
    }
    const holder = this.#byEtag.get(etag);
    if ((holder !== undefined && holder !== version) || key.retired.some((each) => each.etag === etag)) {
      return { kind: 'version came back', detail: `the new version got ${etag} again` };
    }
    if (version.kind === 'incr') return this.#countProblem(key, version, reply, receivedAt);
    return this.#statusProblem(key, version, reply.status, receivedAt);
  }

  #statusProblem(key: SharedKey, version: Version, status: number, receivedAt: number): Problem | undefined {
    const { kind, sidecar, fromLo, ifMatch } = version;
    if (status === 201) {
      if (kind === 'cas') return { kind: 'condition ignored', detail: 'If-Match made a new entry' };
      if (mayBeAbsent(key, sidecar, fromLo, receivedAt)) return undefined;
      const floor = floorOf(key, sidecar, fromLo)!;
      const detail = `answered 201, but ${floor.etag} or a later one was live at sidecar ${sidecar}`;
      return { kind: kind === 'add' ? 'add over a live entry' : 'early', detail };
    }
    if (status !== 204) return { kind: 'unexpected status', detail: `${kind} was answered with ${status}` };
    if (kind === 'add') return { kind: 'condition ignored', detail: 'If-None-Match: * replaced an entry' };
    if (kind === 'set') {
      if (mayBePresent(key, sidecar, fromLo, receivedAt, version)) return undefined;
      return { kind: 'created or replaced', detail: `answered 204, but nothing can have been at sidecar ${sidecar}` };
    }
    const matched = this.#byEtag.get(ifMatch ?? '');
    const can = matched?.rank === key.rank && sightOf(key, matched, sidecar, fromLo, receivedAt) === 'possible';
    return can ? undefined : { kind: 'condition ignored', detail: `If-Match ${ifMatch} cannot have been current` };
  }

  #countProblem(key: SharedKey, version: Version, { status, value }: WriteReply, receivedAt: number): Problem | undefined {
    const { sidecar, fromLo } = version;
    if (status === 204) return { kind: 'unexpected status', detail: 'increment was answered with 204' };
    if (version.content !== undefined && version.content !== value) {
      return { kind: 'lost increment', detail: `${version.content} was seen, the reply says ${value}` };
    }
    if (value === 1 && mayBeAbsent(key, sidecar, fromLo, receivedAt)) return undefined;
    const base = key.versions.findLast(
      (each) =>
        each !== version &&
        (each.content === undefined || each.content + 1 === value) &&
        sightOf(key, each, sidecar, fromLo, receivedAt) === 'possible',
    );
    if (base !== undefined) return undefined;
    return { kind: 'lost increment', detail: `counted ${value} at sidecar ${sidecar}, over nothing it can have held` };
  }

  /** The sidecar refused for lack of room or time, which changes nothing. */
  #cancelWrite(rank: number, sidecar: number): void {
    const version = this.#settled(rank, sidecar);
    const key = this.keys.get(rank);
    if (key === undefined || key.blind) return;
    dropVersion(key, version);
    if (version.etag !== undefined) this.fail(key, 'condition ignored', 'a refused write was seen');
  }

  #loseWrite(rank: number, sidecar: number): void {
    this.#settled(rank, sidecar);
    const key = this.keys.get(rank);
    if (key === undefined || key.blind) return;
    this.#unjudged += 1;
    this.#forsake(key);
  }

  /* ---- reads --------------------------------------------------------------------------- */

  #endRead(rank: number, sidecar: number, sentAt: number, receivedAt: number, reply: ReadReply): void {
    this.#log.step({
      rank, sidecar, sentAt, receivedAt,
      kind: 'get',
      status: reply.found ? 200 : 404,
      ttlMs: undefined,
      etag: reply.etag,
    });
    const key = this.keys.get(rank);
    if (key?.blind === true) return;
    if (!reply.found) {
      if (key !== undefined && !mayBeAbsent(key, sidecar, sentAt, receivedAt)) {
        const floor = floorOf(key, sidecar, sentAt)!;
        const left = (floor.deadlineLo - receivedAt).toFixed(3);
        this.fail(key, 'early', `not found at sidecar ${sidecar}, which held ${floor.etag} with ${left} ms to go`);
      }
      return;
    }
    if (key === undefined) {
      this.#log.report('version came back', rank, `sidecar ${sidecar} shows ${reply.etag}, nothing is there`);
      return;
    }
    this.#judgeFound(key, sidecar, sentAt, receivedAt, reply);
    this.#trim(key);
  }

  #judgeFound(key: SharedKey, sidecar: number, sentAt: number, receivedAt: number, reply: ReadReply): void {
    const etag = reply.etag ?? '';
    const body = reply.body ?? '';
    const version = this.#byEtag.get(etag) ?? this.#recognise(key, etag, body);
    if (version?.rank !== key.rank) {
      const back = key.retired.some((each) => each.etag === etag);
      const kind = back ? 'version came back' : 'unknown version';
      this.fail(key, kind, `sidecar ${sidecar} shows ${etag}`);
      return;
    }
    version.content ??= Number(body);
    if (this.#render(version.content) !== body) {
      this.fail(key, 'wrong value', `sidecar ${sidecar} shows ${etag} with other bytes than were written`);
      return;
    }
    const sight = sightOf(key, version, sidecar, sentAt, receivedAt);
    if (sight !== 'possible') {
      this.fail(key, VIOLATION_OF[sight], this.#describe(key, sight, version, sidecar, sentAt));
      return;
    }
    version.fromHi = Math.min(version.fromHi, receivedAt);
    if (version.ttlMs !== undefined) {
      version.deadlineHi = Math.min(version.deadlineHi, version.fromHi + version.ttlMs);
    }
    noteHeld(key, sidecar, version, receivedAt);
    if (reply.remainingMs !== undefined && version.acknowledged) {
      this.#judgeRemaining(key, version, sidecar, reply.remainingMs, sentAt, receivedAt);
    }
  }

  /** The write under way that this must be: its reply is still to come. */
  #recognise(key: SharedKey, etag: string, body: string): Version | undefined {
    const known = key.retired.some((each) => each.etag === etag);
    if (known) return undefined;
    // Values differ with every write; a count may be that of any increment under way.
    const fits = (this.#pending.get(key.rank) ?? []).filter(
      ({ etag: taken, content }) =>
        taken === undefined && (content === undefined ? /^\d+$/.test(body) : this.#render(content) === body),
    );
    const writer = this.#actors.get(actorOf(etag));
    // Before its first reply nobody knows whose run it is; then the value tells.
    const candidates = writer === undefined ? fits : fits.filter(({ sidecar }) => sidecar === writer);
    return candidates.length === 1 ? this.bindPending(key.rank, candidates[0]!.sidecar, etag) : undefined;
  }

  #judgeRemaining(
    key: SharedKey,
    version: Version,
    sidecar: number,
    remainingMs: number,
    sentAt: number,
    receivedAt: number,
  ): void {
    const slack = version.sidecar === sidecar ? 0 : COPY_SLACK_MS;
    // What remained was floored, at an instant within the read's interval.
    const lo = sentAt + remainingMs;
    const hi = receivedAt + remainingMs + 1;
    if (lo > version.deadlineHi + slack || hi < version.deadlineLo - slack) {
      const right = `${(version.deadlineLo - receivedAt).toFixed(3)} to ${(version.deadlineHi - sentAt).toFixed(3)}`;
      this.fail(key, 'remaining time', `sidecar ${sidecar} said ${remainingMs} ms, its owner can mean ${right} ms`);
      return;
    }
    if (slack > 0) return;
    version.deadlineLo = Math.max(version.deadlineLo, lo);
    version.deadlineHi = Math.min(version.deadlineHi, hi);
  }

  #describe(key: SharedKey, sight: Sight, version: Version, sidecar: number, sentAt: number): string {
    const what = `sidecar ${sidecar} shows ${version.etag} of sidecar ${version.sidecar}`;
    const ms = (value: number): string => `${value.toFixed(3)} ms`;
    switch (sight) {
      case 'late':
        return `${what} ${ms(sentAt - version.deadlineHi)} after its deadline`;
      case 'ended':
        return `${what} ${ms(sentAt - version.endedHi)} after its ending was told`;
      case 'stale':
        return `${what} after it had ${floorOf(key, sidecar, sentAt)?.etag}, which lives`;
      default:
        return `${what} before it was written`;
    }
  }

  /* ---- forgetting ---------------------------------------------------------------------- */

  #trim(key: SharedKey): void {
    trim(key, this.sidecars, this.horizon, (version) => this.#drop(version));
  }

  #drop(version: Version): void {
    if (version.etag !== undefined) this.#byEtag.delete(version.etag);
  }

  #forsake(key: SharedKey): void {
    key.blind = true;
    for (const version of key.versions) this.#drop(version);
    key.versions = [];
    key.evidence = [];
    key.retired = [];
  }
}

interface Problem {
  readonly kind: ViolationKind;
  readonly detail: string;
}

/** Which run wrote it: the part before the number. */
function actorOf(etag: string): string {
  return etag.slice(0, etag.lastIndexOf('.'));
}
