/** Waiting for something to happen in the world, within a bound. */
import type { World } from '../world.ts';

const STEP_MS = 5;
const WITHIN_MS = 15_000;
/** One partition after another is looked at for what silent owners left, in no order: some wait long. */
export const SWEPT_WITHIN_MS = 120_000;

/** Lets the world run until `happened`, looked at every few milliseconds. @throws Error when it does not */
export async function until(
  world: World, what: string, happened: () => boolean, withinMs = WITHIN_MS,
): Promise<void> {
  const untilMs = world.kernel.nowMs + withinMs;
  while (!happened()) {
    if (world.kernel.nowMs >= untilMs) throw new Error(`Waited ${withinMs} ms for ${what}`);
    await world.run(STEP_MS);
  }
}
