/** A world in which nothing happens but what a scenario does, and how each of them ends. */
import { START_MS, World, type WorldOptions } from '../world.ts';
import { until } from './until.ts';

/** As a run that was drawn: the longest round, after the longest autonomy, and some of both again. */
const SETTLE_MS = 24_000;

export type StageOptions = Omit<WorldOptions, 'seed' | 'neighbours'>;

/** Everybody is up and belongs to the ledger. */
export async function stage(seed: number, options: StageOptions): Promise<World> {
  const world = new World({ seed, keepsLedgerImages: false, ...options });
  world.start();
  await until(world, 'the sidecars', () => world.sidecars.every(({ ready }) => ready));
  await world.run(500);
  return world;
}

/** Mends everything, gives everybody time, and asks every checker; all of them are still there. @throws Violation */
export async function settle(world: World, forMs = SETTLE_MS): Promise<void> {
  world.heal();
  await world.run(forMs);
  await world.checkAtRest();
}

/** Of a strike that lasts until everything is healed. */
export const LASTS_MS = 1e9;

/** Something breaks now; checkers know of it. What is given no end lasts until `settle`. */
export function strike(
  world: World, kind: string, where: string,
  detail: Readonly<Record<string, number | string | boolean>> = {}, forMs = LASTS_MS,
): void {
  world.strike({ kind, where, detail, forMs, atMs: world.kernel.nowMs - START_MS });
}

/** One sidecar and the ledger hear nothing of each other. */
export function isolate(world: World, name: string, server = 'ledger'): void {
  world.network.cut(name, server);
  world.network.cut(server, name);
}

export function rejoin(world: World, name: string, server = 'ledger'): void {
  world.network.mend(name, server);
  world.network.mend(server, name);
}
