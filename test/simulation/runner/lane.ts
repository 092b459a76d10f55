/**
 * Where runs take place, one after the other. A lane never fails: a run that takes its thread with
 * it, or never ends, comes back as an outcome that says so.
 */
import type { Plan } from '../faults/plan.ts';
import type { Found, Line, Outcome } from '../outcome.ts';
import { NO_COVERAGE } from './coverage.ts';

export type Ran = Outcome & { readonly lines: readonly Line[] };

export interface Lane {
  /** undefined: the lane was closed before the run was over. */
  run(plan: Plan, options?: { readonly keepsLines?: boolean }): Promise<Ran | undefined>;
  close(): Promise<void>;
}

/** Of a run that left nothing but how it ended. */
export function lost(plan: Plan, invariant: string, detail: string): Ran {
  const found: Found = { invariant, detail, evidence: [], atMs: 0 };
  return { plan, found, hash: '', events: 0, virtualMs: 0, coverage: NO_COVERAGE, lines: [] };
}
