/**
 * What is known of one partition of one namespace that this sidecar is active in: where it stands
 * in the history, what must be pushed, what was sent and not answered, and when each duty is due.
 */
import type { NamespaceContract } from '../core/contract.ts';
import {
  type Cursor, type LedgerState, NO_CURSOR, type PartitionName, type PushRequest, type Terms,
} from '../ledger/ledger.ts';
import type { Due } from './due-queue.ts';
import { LedgerClock } from './ledger-clock.ts';
import { Unpushed, type UnpushedBudget } from './unpushed.ts';
import { StandingWaiters, type Waiter } from './waiters.ts';

const NEVER = Number.POSITIVE_INFINITY;
/** How soon it is looked again whether something can be pushed that could not. */
const PUSH_RETRY_MS = 100;

/** A push that was sent, or is about to be. Its request is kept: the same bytes until answered. */
export interface Batch {
  readonly request: PushRequest;
  /** By position in the request: when the key had changed, and who waits for it. */
  readonly since: readonly number[];
  readonly waiters: readonly Waiter[][];
}

export class Partition implements Due {
  readonly name: PartitionName;
  readonly contract: NamespaceContract;
  readonly terms: Terms;
  readonly clock: LedgerClock;
  readonly unpushed: Unpushed;
  readonly standing = new StandingWaiters();

  /** Up to here the history is known. */
  cursor: Cursor = NO_CURSOR;
  /** The last answer's; undefined before the first. */
  state: LedgerState | undefined;

  batch: Batch | undefined;
  /** Numbers of the last batch made, and of the last one answered. */
  batchMade = 0;
  batchAnswered = 0;
  /** When one was last answered. */
  pushedAt = Number.NEGATIVE_INFINITY;
  /** Keys refused for now that will be marked as changed again. */
  delayed = 0;
  /** The ledger had no room: endings go first. */
  full = false;
  /** Pushes refused for want of room, in a row, and until when none is tried: the rest goes on. */
  pushAttempt = 0;
  pushNotBefore = Number.NEGATIVE_INFINITY;
  /** The last time that an answer sent its keys back at once. */
  expiredAt = Number.NEGATIVE_INFINITY;

  /** Since when every value of its own has been vouched for; undefined before the first time. */
  contact: number | undefined;
  /**
   * Earlier runs that this one vouches for here; undefined before a comparison: for all. Not those
   * without values, whose writes the ledger may forget, nor those of which it holds values that
   * are not held here, so that these come to their end (PROTOCOL §2.6, §3.5 rule 5).
   */
  heirOf: ReadonlySet<string> | undefined;
  /** What earlier runs left here has been looked through. */
  lookedBack = false;
  /** Under a new actor that the ledger has not vouched for yet. */
  rejoining = false;

  beatAt = NEVER;
  pullAt = NEVER;
  checkAt = NEVER;
  sweepAt = NEVER;
  /** When its own values were last swept, and how often since then nothing was due yet. */
  sweptAt = Number.NEGATIVE_INFINITY;
  sweepsInVain = 0;
  /** Truth checks in a row that found differences. */
  checksFailed = 0;
  /** The first truth check of this run is over. */
  checked = false;
  /** The ledger has lost data: a check must tell it what has ended, too. */
  lostData = false;
  /** Something was not taken in, as the flag `merge` is not on. */
  withheld = false;
  /** A divergence was found, and is being put right. */
  repairing = false;
  /** Heartbeats in a row that found nothing of ours. */
  idleBeats = 0;

  /** Somebody works on it; failures in a row, and until when it is left alone. */
  busy = false;
  attempt = 0;
  notBefore = Number.NEGATIVE_INFINITY;
  readonly waiting: (() => void)[] = [];
  removed = false;

  dueAt = NEVER;
  place = -1;

  constructor(parts: {
    readonly name: PartitionName;
    readonly contract: NamespaceContract;
    readonly terms: Terms;
    readonly driftRatio: number;
    readonly budget: UnpushedBudget;
  }) {
    this.name = parts.name;
    this.contract = parts.contract;
    this.terms = parts.terms;
    this.clock = new LedgerClock(2 * parts.driftRatio);
    this.unpushed = new Unpushed(parts.budget);
  }

  /** Copies of everything are kept. */
  get mirrors(): boolean {
    return this.contract.mirror === 'all';
  }

  /** Concurrent values of others may stand beside an own one that is in the ledger. */
  get keepsSiblings(): boolean {
    return this.contract.conflict === 'siblings' || this.contract.conflict === 'counter';
  }

  /** The ledger has lost data: what had ended may be back, of runs long forgotten, too. */
  noteLoss(): void {
    this.lostData = true;
    this.heirOf = undefined;
  }

  /** Something here has changed that the ledger is not known to have. */
  get dirty(): boolean {
    return !this.unpushed.empty || this.batch !== undefined || this.delayed > 0;
  }

  /** Whether this key is among what has changed. */
  isDirty(id: string): boolean {
    if (this.unpushed.has(id)) return true;
    return this.batch?.request.records.some((record) => record.id === id) ?? false;
  }

  /** There is something to send, and it may be sent. */
  canPush(now: number): boolean {
    return this.pushNotBefore <= now && (this.batch !== undefined || this.unpushed.ready);
  }

  /** When something is to be done next. */
  nextDue(now: number): number {
    if (this.busy || this.removed) return NEVER;
    const waiting = this.batch !== undefined || !this.unpushed.empty;
    const retryAt = Math.max(this.pushNotBefore, now + PUSH_RETRY_MS);
    const pushAt = this.canPush(now) ? now : waiting ? retryAt : NEVER;
    const checkAt = this.dirty ? NEVER : this.checkAt;
    const sweepAt = this.dirty ? NEVER : this.sweepAt;
    const due = Math.min(pushAt, this.beatAt, this.pullAt, checkAt, sweepAt);
    return Math.max(due, this.notBefore);
  }
}
