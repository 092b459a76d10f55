/**
 * The process of one planted fault: plants it, then runs seeds until one fails. Nothing of the
 * product may be imported before it is planted, so what imports the product is imported after it.
 */
import { plantedFault } from '../planted/catalogue.ts';
import { plant } from '../planted/plant.ts';

/** What it is told by its parent. */
export interface PlantTask {
  readonly name: string;
  /** To be run in this order, until one of them fails. */
  readonly seeds: readonly number[];
  readonly sidecars: number;
}

/** What it tells its parent. */
export type PlantNews =
  | { readonly kind: 'begins'; readonly seed: number }
  | { readonly kind: 'found'; readonly seed: number; readonly invariant: string; readonly detail: string }
  /** `idle`: edited files that were never loaded. */
  | { readonly kind: 'not-found'; readonly idle: readonly string[] };

function tell(news: PlantNews): void {
  process.send!(news);
}

process.once('message', async ({ name, seeds, sidecars }: PlantTask) => {
  const fault = plantedFault(name);
  const planting = plant(fault);
  const options = fault.kinds === undefined ? { sidecars } : { sidecars, kinds: fault.kinds };
  const { planOf } = await import('../faults/plan.ts');
  const { runPlan } = await import('../run-plan.ts');
  for (const seed of seeds) {
    tell({ kind: 'begins', seed });
    const { found } = await runPlan(planOf(seed, options));
    if (found === undefined) continue;
    tell({ kind: 'found', seed, invariant: found.invariant, detail: found.detail });
    process.disconnect!();
    return;
  }
  tell({ kind: 'not-found', idle: planting.idle });
  process.disconnect!();
});
