/** What many runs came by, added up: a fault that never struck has shown nothing. */
import { FAILPOINTS } from '../../../src/journal/failpoint.ts';
import type { Fault } from '../faults/fault.ts';
import type { Coverage } from '../outcome.ts';

type Counts = Readonly<Record<string, number>>;

export const NO_COVERAGE: Coverage = { faults: {}, failpoints: {}, answers: {}, told: {} };

export function addCoverage(one: Coverage, other: Coverage): Coverage {
  return {
    faults: addCounts(one.faults, other.faults),
    failpoints: addCounts(one.failpoints, other.failpoints),
    answers: addCounts(one.answers, other.answers),
    told: addCounts(one.told, other.told),
  };
}

function addCounts(one: Counts, other: Counts): Counts {
  const sum: Record<string, number> = { ...one };
  for (const [name, count] of Object.entries(other)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}

/** What there is and was never come by. */
export function missing(
  { faults, failpoints }: Coverage,
  known: readonly Fault[],
): { readonly faults: readonly string[]; readonly failpoints: readonly string[] } {
  return {
    faults: known.map(({ kind }) => kind).filter((kind) => !(faults[kind]! > 0)),
    failpoints: FAILPOINTS.filter((name) => !(failpoints[name]! > 0)),
  };
}
