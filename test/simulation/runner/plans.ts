/** Plans and outcomes for tests of what is done with them; nothing of them is ever run. */
import type { Strike } from '../faults/fault.ts';
import type { NeighbourPlan, Plan } from '../faults/plan.ts';
import type { Found } from '../outcome.ts';
import { NO_COVERAGE } from './coverage.ts';
import type { Ran } from './lane.ts';

export function strikeAt(atMs: number, kind: string, where = 's1', more: Partial<Strike> = {}): Strike {
  return { kind, atMs, forMs: 0, where, detail: {}, ...more };
}

export function neighbourAt(name: string, sidecar: string): NeighbourPlan {
  return { name, behaviour: 'editor', sidecar };
}

export function planWith(more: Partial<Plan>): Plan {
  return {
    seed: 1, sidecars: ['s1'], neighbours: [], changes: {}, chaosMs: 10_000, strikes: [], ...more,
  };
}

export function foundAs(invariant: string, atMs = 5_000): Found {
  return { invariant, detail: `${invariant} is broken`, evidence: [], atMs };
}

export function ranAs(plan: Plan, more: Partial<Ran> = {}): Ran {
  return {
    plan, found: undefined, hash: `hash of ${plan.seed}`, events: 100, virtualMs: 1_000,
    coverage: NO_COVERAGE, lines: [], ...more,
  };
}
