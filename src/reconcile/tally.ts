/** What reconciliation has done so far, as counts; status and metrics read them. */
import type { LedgerFault } from '../ledger/ledger.ts';

export class Tally {
  /** Records sent and answered; records taken in. */
  pushed = 0;
  pulled = 0;
  /** Pushed values that met others, gave way, or were refused because of them. */
  conflicts = 0;
  /** What truth checks have put right. */
  readonly repairs = { pushed: 0, pulled: 0, ended: 0 };
  readonly faults: Record<LedgerFault | 'stale' | 'lost-history' | 'corrupt' | 'went-back', number> = {
    unavailable: 0, timeout: 0, full: 0, 'read-only': 0, misconfigured: 0, nonsense: 0,
    stale: 0, 'lost-history': 0, corrupt: 0, 'went-back': 0,
  };
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

  lastOutcome: 'none' | 'in-step' | 'repaired' | 'failed' = 'none';
  lastAt: number | undefined;
}
