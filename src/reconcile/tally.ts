/** What reconciliation has done so far, as counts; status and metrics read them. */
import type { ConflictPolicy } from '../core/contract.ts';
import type { LedgerFault } from '../ledger/ledger.ts';

/** How a look at a partition ended: nothing to do, something put right, or no answer. */
export type RoundOutcome = 'in-step' | 'repaired' | 'failed';

export class Tally {
  /** Records sent and answered; records taken in. */
  pushed = 0;
  pulled = 0;
  /** Pushed values that met others, gave way, or were refused because of them. */
  readonly conflictsBy: Record<ConflictPolicy, number> = {
    lww: 0, siblings: 0, ownerWins: 0, counter: 0, firstWins: 0,
  };
  /** What truth checks have put right. */
  readonly repairs = { pushed: 0, pulled: 0, ended: 0 };
  readonly faults: Record<LedgerFault | 'stale' | 'lost-history' | 'corrupt' | 'went-back', number> = {
    unavailable: 0, timeout: 0, full: 0, 'read-only': 0, misconfigured: 0, nonsense: 0,
    stale: 0, 'lost-history': 0, corrupt: 0, 'went-back': 0,
  };
  /** Partitions in which the ledger turned out to have lost what it had acknowledged. */
  rollbacks = 0;
  clockSteps = 0;
  clockAhead = 0;
  duplicateDots = 0;
  unreadable = 0;
  epochChanges = 0;
  rejoins = 0;
  /** Endings published for owners that are silent. */
  orphansTold = 0;
  /** What a flag in `shadow` or `off` has kept from being done. */
  readonly withheld = { merges: 0, sweeps: 0, adoptions: 0 };
  readThroughs = 0;
  /** Read-throughs that went without the ledger: it was away, late, or too many were on the way. */
  readThroughsMissed = 0;

  readonly rounds: Record<RoundOutcome, number> = { 'in-step': 0, repaired: 0, failed: 0 };
  lastOutcome: 'none' | RoundOutcome = 'none';
  lastAt: number | undefined;

  get conflicts(): number {
    return Object.values(this.conflictsBy).reduce((sum, each) => sum + each, 0);
  }

  noteRound(outcome: RoundOutcome, now: number): void {
    this.rounds[outcome] += 1;
    this.lastOutcome = outcome;
    this.lastAt = now;
  }
}
