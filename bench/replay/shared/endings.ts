/**
 * Every grant ends once, at the sidecar that made it: its ending is told there and nowhere else,
 * not before its deadline, or because a write of anybody's that was not surely older took its
 * place; and it is told. Endings are delivered at least once.
 */
import type { EndingCounts } from '../endings.ts';
import { Histogram } from '../histogram.ts';
import type { ViolationLog } from '../violation.ts';
import { COPY_SLACK_MS, isSurelyOlder, ORDER_SLACK_MS, type SharedKey, type Version } from './history.ts';
import type { SharedJudge } from './judge.ts';

export interface ToldEnding {
  readonly rank: number;
  readonly etag: string;
  readonly reason: string;
  readonly endingId: string;
  readonly latenessMs: number;
}

/** Longer than a request may take, so that a read that is still under way meets what it may show. */
const REMEMBER_MS = 6_000;

export class SharedEndings {
  readonly lateness = new Histogram();
  readonly #judge: SharedJudge;
  readonly #log: ViolationLog;
  readonly #graceMs: number;
  /** By sidecar: endings of before this instant may have been in a gap of its stream. */
  readonly #gapUntil: number[];
  /** By sidecar: since when it tells anything; infinite while it is down. */
  readonly #tellsSince: number[];
  #byReason: Record<string, number> = {};
  #redelivered = 0;
  #resyncs = 0;
  #unverified = 0;
  #elsewhere = 0;
  #sweep: Iterator<SharedKey> | undefined;

  /** `graceMs`: how long after its deadline an ending may be on its way before it is missing. */
  constructor(judge: SharedJudge, log: ViolationLog, graceMs: number) {
    this.#judge = judge;
    this.#log = log;
    this.#graceMs = graceMs;
    this.#gapUntil = new Array(judge.sidecars).fill(-Infinity);
    this.#tellsSince = new Array(judge.sidecars).fill(-Infinity);
  }

  /** `moved`: those that another sidecar's write has superseded. */
  get counts(): EndingCounts {
    return {
      byReason: { ...this.#byReason },
      redelivered: this.#redelivered,
      resyncs: this.#resyncs,
      unverified: this.#unverified,
      moved: this.#elsewhere,
    };
  }

  /** The sidecar's stream skipped something: what should have ended there cannot be demanded. */
  noteGap(sidecar: number, now: number): void {
    this.#resyncs += 1;
    this.#gapUntil[sidecar] = now;
  }

  /** The sidecar is down: what is due there is told when it is back. */
  noteDown(sidecar: number): void {
    this.#tellsSince[sidecar] = Infinity;
  }

  noteBack(sidecar: number, now: number): void {
    this.#tellsSince[sidecar] = now;
  }

  note(sidecar: number, ending: ToldEnding, receivedAt: number): void {
    const { rank, etag, reason, endingId } = ending;
    this.#log.step({
      rank, sidecar, etag, receivedAt,
      kind: 'ending', sentAt: receivedAt, status: 0, ttlMs: undefined,
    });
    const key = this.#judge.keys.get(rank);
    if (key?.blind === true) {
      this.#count(reason);
      return;
    }
    const retired = key?.retired.find((each) => each.etag === etag);
    if (key !== undefined && retired !== undefined) {
      this.#noteRetired(key, retired, ending);
      return;
    }
    // The ending of a write can overtake its reply, for they travel on different connections.
    const version = this.#judge.find(etag) ?? this.#judge.bindPending(rank, sidecar, etag);
    if (key === undefined || version?.rank !== rank) {
      this.#count(reason);
      const detail = `sidecar ${sidecar} told the end of ${etag} (${reason}), but nothing of the kind is known`;
      if (key === undefined) this.#log.report('unknown ending', rank, detail);
      else this.#judge.fail(key, 'unknown ending', detail);
      return;
    }
    if (version.endingId === endingId) {
      this.#redelivered += 1;
      return;
    }
    this.#count(reason);
    if (reason === 'expired') this.lateness.record(ending.latenessMs);
    this.#judgeEnding(key, version, sidecar, ending, receivedAt);
  }

  #noteRetired(key: SharedKey, retired: SharedKey['retired'][number], { etag, reason, endingId }: ToldEnding): void {
    if (retired.endingId === endingId) {
      this.#redelivered += 1;
      return;
    }
    this.#count(reason);
    if (retired.endingId === undefined) retired.endingId = endingId;
    else this.#judge.fail(key, 'doubled ending', `${etag} ended as ${retired.endingId} and again as ${endingId} (${reason})`);
  }

  #judgeEnding(key: SharedKey, version: Version, sidecar: number, ending: ToldEnding, receivedAt: number): void {
    const { etag, reason, endingId } = ending;
    if (version.endingId !== undefined) {
      this.#judge.fail(key, 'doubled ending', `${etag} ended as ${version.endingId} and again as ${endingId} (${reason})`);
      return;
    }
    if (version.sidecar !== sidecar) {
      this.#judge.fail(key, 'unknown ending', `sidecar ${sidecar} told the end of ${etag}, which is sidecar ${version.sidecar}'s`);
      return;
    }
    version.endingId = endingId;
    version.endedHi = receivedAt;
    if (reason === 'superseded') this.#judgeSuperseded(key, version, receivedAt);
    else if (reason === 'expired') this.#judgeExpired(key, version, receivedAt);
    else this.#judge.fail(key, 'wrong reason', `${etag} ended as ${reason}, which nobody asked for`);
  }

  #judgeSuperseded(key: SharedKey, version: Version, receivedAt: number): void {
    const winner = key.versions.findLast(
      (each) => each !== version && each.fromLo <= receivedAt && !isSurelyOlder(each, version),
    );
    if (winner?.sidecar !== version.sidecar) this.#elsewhere += 1;
    if (winner !== undefined || key.retiredHi + ORDER_SLACK_MS >= version.fromLo) return;
    this.#judge.fail(key, 'wrong reason', `${version.etag} was superseded, but by no write that can be later`);
  }

  #judgeExpired(key: SharedKey, version: Version, receivedAt: number): void {
    const { etag, deadlineLo, sidecar } = version;
    if (receivedAt < deadlineLo) {
      const early = (deadlineLo - receivedAt).toFixed(3);
      this.#judge.fail(key, 'early ending', `${etag} ended ${early} ms before its deadline`);
      return;
    }
    const over = key.versions.find(
      (each) =>
        each.acknowledged && each.sidecar === sidecar && each.fromLo > version.fromLo && each.fromHi < deadlineLo,
    );
    if (over === undefined) return;
    this.#judge.fail(key, 'wrong reason', `${etag} expired after ${over.etag} had taken its place`);
  }

  /** Looks at up to `budget` keys for endings that did not come, and forgets those that are over. */
  sweep(now: number, budget: number): void {
    for (let looked = 0; looked < budget; looked += 1) {
      this.#sweep ??= this.#judge.keys.values();
      const { value, done } = this.#sweep.next();
      if (done === true) {
        this.#sweep = undefined;
        return;
      }
      this.#look(value, now);
    }
  }

  /** Looks at every key once and demands everything that was due before `dueBefore`. */
  finish(dueBefore: number): void {
    for (const key of this.#judge.keys.values()) if (!key.blind) this.#demand(key, dueBefore);
  }

  /** True when no ending that was due before `dueBefore` is still owed. */
  isSettled(dueBefore: number): boolean {
    for (const key of this.#judge.keys.values()) {
      if (key.versions.some((version) => isOwed(version, dueBefore))) return false;
    }
    return true;
  }

  #look(key: SharedKey, now: number): void {
    if (key.blind || !this.#demand(key, now - this.#graceMs)) return;
    const over = now - REMEMBER_MS - COPY_SLACK_MS;
    const isOver = (version: Version): boolean =>
      version.acknowledged && version.deadlineHi < over && (version.endingId !== undefined || !version.owed);
    if (key.versions.every(isOver)) this.#judge.forget(key);
  }

  /** False when an ending that was due is missing. */
  #demand(key: SharedKey, dueBefore: number): boolean {
    for (const version of key.versions) {
      if (!isOwed(version, dueBefore) || this.#tellsSince[version.sidecar]! >= dueBefore) continue;
      if (version.deadlineHi >= this.#gapUntil[version.sidecar]!) {
        this.#judge.fail(key, 'missing ending', `of ${version.etag} at sidecar ${version.sidecar}: it was due and did not come`);
        return false;
      }
      this.#unverified += 1;
      version.owed = false;
    }
    return true;
  }

  #count(reason: string): void {
    this.#byReason[reason] = (this.#byReason[reason] ?? 0) + 1;
  }
}

function isOwed(version: Version, dueBefore: number): boolean {
  return version.acknowledged && version.owed && version.endingId === undefined && version.deadlineHi < dueBefore;
}
