/** What came of one run. Plain data: it crosses the border of a worker. */
import type { Plan } from './faults/plan.ts';

export interface Found {
  /** The invariant that does not hold, by name. */
  readonly invariant: string;
  readonly detail: string;
  /** What shows it, in order of time. */
  readonly evidence: readonly string[];
  /** After the beginning, in virtual time. */
  readonly atMs: number;
}

export interface Outcome {
  readonly plan: Plan;
  /** undefined: everything held. */
  readonly found: Found | undefined;
  /** Of everything that happened. */
  readonly hash: string;
  readonly events: number;
  readonly virtualMs: number;
  readonly coverage: Coverage;
}

export interface Coverage {
  /** How often each kind of fault struck. */
  readonly faults: Readonly<Record<string, number>>;
  /** How often a process died at each failpoint. */
  readonly failpoints: Readonly<Record<string, number>>;
  /** How often each kind of operation was answered, by kind and by HTTP status. */
  readonly answers: Readonly<Record<string, number>>;
  /** Events told, by type and reason. */
  readonly told: Readonly<Record<string, number>>;
}

export interface Line {
  readonly atMs: number;
  readonly who: string;
  readonly what: string;
}
