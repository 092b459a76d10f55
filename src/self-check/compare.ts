/** Two inventories of one share side by side: what the journal lacks, has too much, or has otherwise. */
import type { Inventory } from './inventory.ts';

/** What differs in one namespace, in leases and entries. */
export interface Difference {
  readonly namespace: string;
  /** Held here, and not in the journal: a restart would have lost it. */
  missing: number;
  /** In the journal, and over here: a restart would have brought it back. */
  surplus: number;
  /** In both, and not the same. */
  altered: number;
}

/** Rows compared in one go: about a millisecond. */
const ROWS_PER_STEP = 4096;

/** By namespace; empty: they are the same. `names`: of the numbers in both. */
export async function differences(
  memory: Inventory,
  journal: Inventory,
  names: readonly string[],
  restWhenDue: () => Promise<void> | undefined,
): Promise<readonly Difference[]> {
  const steps = comparing(memory, journal, names);
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done === true) return step.value;
    await restWhenDue();
  }
}

/** The same in one go. */
export function differencesNow(
  memory: Inventory,
  journal: Inventory,
  names: readonly string[],
): readonly Difference[] {
  const steps = comparing(memory, journal, names);
  for (let step = steps.next(); ; step = steps.next()) if (step.done === true) return step.value;
}

function* comparing(
  memory: Inventory,
  journal: Inventory,
  names: readonly string[],
): Generator<undefined, readonly Difference[]> {
  const found = new Map<number, Difference>();
  const at = (number: number): Difference => {
    const known = found.get(number);
    if (known !== undefined) return known;
    const fresh = { namespace: names[number]!, missing: 0, surplus: 0, altered: 0 };
    found.set(number, fresh);
    return fresh;
  };
  for (let row = 1; row <= memory.highest; row++) {
    if (row % ROWS_PER_STEP === 0) yield;
    if (!memory.isHeld(row)) continue;
    const twin = journal.findIn(memory, row);
    if (twin === 0) at(memory.namespace[row]!).missing++;
    else if (!isSame(memory, row, journal, twin)) at(memory.namespace[row]!).altered++;
  }
  for (let row = 1; row <= journal.highest; row++) {
    if (row % ROWS_PER_STEP === 0) yield;
    if (journal.isHeld(row) && memory.findIn(journal, row) === 0) at(journal.namespace[row]!).surplus++;
  }
  return [...found.values()];
}

function isSame(left: Inventory, row: number, right: Inventory, twin: number): boolean {
  return (
    left.steady[row] === right.steady[twin] && left.moving[row] === right.moving[twin] &&
    left.holder[row] === right.holder[twin] && left.namespace[row] === right.namespace[twin]
  );
}
