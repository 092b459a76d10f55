/**
 * Every grant ends once. A run of versions under one lease is told apart by the last of them: its
 * ending names that version, comes neither before its deadline nor twice, and does come. A write
 * with a fresh lease over a live entry ends the run before it, which is `superseded`.
 *
 * Endings are delivered at least once; the same `endingId` again is a redelivery, not a second end.
 */
import { Histogram } from './histogram.ts';
import type { Model } from './model.ts';
import { type Fate, type KeyState, NEVER, trim } from './timeline.ts';
import type { ViolationLog } from './violation.ts';

export interface Ending {
  readonly rank: number;
  readonly etag: string;
  readonly reason: string;
  readonly endingId: string;
  readonly latenessMs: number;
}

export interface EndingCounts {
  readonly byReason: Readonly<Record<string, number>>;
  readonly redelivered: number;
  readonly resyncs: number;
  /** Entries whose ending could not be demanded because the stream had a gap. */
  readonly unverified: number;
  /** Live entries that were overwritten under a fresh lease. */
  readonly moved: number;
}

/**
 * A forgotten key would no longer know a second ending of its own, nor excuse a read that was sent
 * while it lived: longer than a request may take (`REQUEST_TIMEOUT_MS` of the driver).
 */
const REMEMBER_MS = 6_000;

export class Endings {
  readonly lateness = new Histogram();
  readonly #model: Model;
  readonly #log: ViolationLog;
  readonly #graceMs: number;
  #byReason: Record<string, number> = {};
  #redelivered = 0;
  #resyncs = 0;
  #unverified = 0;
  /** Endings of before this instant may have been in a gap of the stream. */
  #gapUntil = -Infinity;
  #sweep: Iterator<KeyState> | undefined;

  /** `graceMs`: how long after its deadline an ending may be on its way before it is missing. */
  constructor(model: Model, log: ViolationLog, graceMs: number) {
    this.#model = model;
    this.#log = log;
    this.#graceMs = graceMs;
  }

  get counts(): EndingCounts {
    return {
      byReason: { ...this.#byReason },
      redelivered: this.#redelivered,
      resyncs: this.#resyncs,
      unverified: this.#unverified,
      moved: this.#model.moved,
    };
  }

  /** The stream skipped something: what should have ended by now can no longer be demanded. */
  noteGap(now: number): void {
    this.#resyncs += 1;
    this.#gapUntil = now;
  }

  note(ending: Ending, receivedAt: number): void {
    const { rank, etag, reason, endingId } = ending;
    this.#log.step({
      rank,
      kind: 'ending',
      sentAt: receivedAt,
      receivedAt,
      status: 0,
      ttlMs: undefined,
      etag,
    });
    const key = this.#model.keys.get(rank);
    if (key === undefined) {
      this.#count(reason);
      this.#log.report('unknown ending', rank, `${etag} ${reason}, but nothing of the kind is known`);
      return;
    }
    if (key.blindSince !== undefined) {
      this.#count(reason);
      return;
    }
    const subject = this.#subjectOf(key, etag);
    if (subject === undefined) {
      this.#count(reason);
      if (!key.hasGap) {
        const detail = `${etag} ${reason}, but the key never had that version`;
        this.#model.fail(key, 'unknown ending', detail);
      }
      return;
    }
    if (subject.endingId === endingId) {
      this.#redelivered += 1;
      return;
    }
    this.#count(reason);
    if (reason === 'expired') this.lateness.record(ending.latenessMs);
    this.#judge(key, subject, ending, receivedAt);
  }

  /**
   * Looks at up to `budget` keys for endings that did not come, and forgets those that have been
   * over for a while. Going round all keys takes as many calls as it takes.
   */
  sweep(now: number, budget: number): void {
    for (let looked = 0; looked < budget; looked += 1) {
      this.#sweep ??= this.#model.keys.values();
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
    for (const key of this.#model.keys.values()) {
      if (key.pending === undefined && key.blindSince === undefined) this.#demand(key, dueBefore, true);
    }
  }

  /** True when no ending that was due before `dueBefore` is still owed. */
  isSettled(dueBefore: number): boolean {
    for (const key of this.#model.keys.values()) {
      if (key.blindSince !== undefined) continue;
      if (key.owed > 0 || isOwed(key.current, dueBefore)) return false;
    }
    return true;
  }

  #count(reason: string): void {
    this.#byReason[reason] = (this.#byReason[reason] ?? 0) + 1;
  }

  #subjectOf(key: KeyState, etag: string): Subject | undefined {
    if (key.current.etag === etag) return subjectOf(key.current, key.current.deadlineLo, undefined);
    const replaced = key.replaced.find((each) => each.version.etag === etag);
    if (replaced !== undefined) {
      return subjectOf(replaced.version, replaced.version.deadlineLo, replaced.fate);
    }
    const retired = key.retired.find((each) => each.etag === etag);
    if (retired !== undefined) return subjectOf(retired, -Infinity, retired.fate);
    // The ending of a write can overtake its reply, for they travel on different connections.
    if (key.pending === undefined || key.hasGap) return undefined;
    if ((key.pending.version.etag ?? etag) !== etag) return undefined;
    key.pending.version.etag = etag;
    return subjectOf(key.pending.version, key.pending.version.deadlineLo, undefined);
  }

  #judge(key: KeyState, subject: Subject, ending: Ending, receivedAt: number): void {
    const { etag, reason, endingId } = ending;
    if (subject.endingId !== undefined) {
      const detail = `${etag} ended as ${subject.endingId} and again as ${endingId} (${reason})`;
      this.#model.fail(key, 'doubled ending', detail);
      return;
    }
    subject.mark(endingId);
    if (subject.fate === 'moved' || subject.fate === 'expired') key.owed -= 1;
    if (reason === 'superseded') {
      // The overwrite can be announced before its own reply has come.
      if (subject.fate === 'moved' || (subject.fate === undefined && key.pending?.ttlMs !== undefined)) return;
      this.#model.fail(key, 'wrong reason', `${etag} was not superseded (${subject.fate ?? 'current'})`);
      return;
    }
    if (reason !== 'expired') {
      this.#model.fail(key, 'wrong reason', `${etag} ended as ${reason}, which nobody asked for`);
      return;
    }
    if (subject.fate === 'updated' || subject.fate === 'moved') {
      this.#model.fail(key, 'wrong reason', `${etag} expired after it had been ${subject.fate}`);
      return;
    }
    if (receivedAt < subject.deadlineLo) {
      const early = (subject.deadlineLo - receivedAt).toFixed(3);
      this.#model.fail(key, 'early ending', `${etag} ended ${early} ms before its deadline`);
    }
  }

  #look(key: KeyState, now: number): void {
    if (key.pending !== undefined || key.blindSince !== undefined) return;
    trim(key, this.#model.horizon);
    const { current } = key;
    const forgettable =
      !isOwed(current, Infinity) && current.deadlineHi < now - REMEMBER_MS - this.#graceMs;
    if (!this.#demand(key, now - this.#graceMs, forgettable)) return;
    const over = !isOwed(current, Infinity) && current.deadlineHi < now - REMEMBER_MS;
    if (over && key.owed === 0) this.#model.keys.delete(key.rank);
  }

  /** False when an ending that was due is missing. `all`: also those whose versions are forgotten. */
  #demand(key: KeyState, dueBefore: number, all: boolean): boolean {
    for (const retired of key.retired) {
      if (retired.fate === 'updated' || retired.endingId !== undefined) continue;
      if (retired.overHi >= dueBefore) continue;
      if (!this.#excuse(key, retired.etag, retired.overHi)) return false;
      retired.endingId = IN_A_GAP;
      key.owed -= 1;
    }
    const { current } = key;
    if (isOwed(current, dueBefore)) {
      if (!this.#excuse(key, current.etag, current.deadlineHi)) return false;
      current.endingId = IN_A_GAP;
    }
    if (all && key.owed > 0) {
      if (!this.#excuse(key, `${key.owed} earlier versions`, current.fromHi)) return false;
      key.owed = 0;
    }
    return true;
  }

  /** An ending is missing: true when a gap in the stream explains it. */
  #excuse(key: KeyState, what: string | undefined, overHi: number): boolean {
    if (overHi < this.#gapUntil) {
      this.#unverified += 1;
      return true;
    }
    this.#model.fail(key, 'missing ending', `of ${what}: it was due and did not come`);
    return false;
  }
}

const IN_A_GAP = 'in a gap';

function isOwed(version: KeyState['current'], dueBefore: number): boolean {
  return version !== NEVER && version.endingId === undefined && version.deadlineHi < dueBefore;
}

/** What an ending is about: a version, or what is remembered of one. */
interface Subject {
  /** Undefined: it is the newest. */
  readonly fate: Fate | undefined;
  readonly deadlineLo: number;
  readonly endingId: string | undefined;
  mark(endingId: string): void;
}

function subjectOf(
  record: { endingId: string | undefined },
  deadlineLo: number,
  fate: Fate | undefined,
): Subject {
  return {
    fate,
    deadlineLo,
    endingId: record.endingId,
    mark: (endingId) => {
      record.endingId = endingId;
    },
  };
}
