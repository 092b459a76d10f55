/**
 * One run: things go wrong as the plan says, then everything is healed, and in a bounded time all
 * must be as if nothing had been (the two phases of TigerBeetle's simulator).
 */
import { Violation } from './checkers/checker.ts';
import type { Plan } from './faults/plan.ts';
import { ProcessDied } from './machine/simulated-process.ts';
import { moveIn } from './neighbours/residents.ts';
import type { Found, Line, Outcome } from './outcome.ts';
import { World } from './world.ts';

/** Clients go on for so long in a world that is well again. */
const CALM_MS = 4_000;
/** By then everybody agrees: the longest round, after the longest autonomy, and some of both again. */
const SETTLE_MS = 20_000;

/** Faults that take the ledger back in its history. */
const GOES_BACK = new Set(['ledger-failover', 'ledger-rollback', 'ledger-split']);

export interface RunOptions {
  readonly keepsLines?: boolean;
}

export async function runPlan(
  plan: Plan,
  { keepsLines = false }: RunOptions = {},
): Promise<Outcome & { readonly lines: readonly Line[] }> {
  const { seed, sidecars, neighbours, changes, strikes, chaosMs } = plan;
  const world = new World({
    seed, sidecars, neighbours, changes, keepsLines,
    keepsLedgerImages: strikes.some(({ kind }) => GOES_BACK.has(kind)),
  });
  let found: Found | undefined;
  // A promise of the product that is rejected and that nobody waits for: in production it is the end.
  const onRejection = (error: unknown): void => {
    if (!(error instanceof ProcessDied)) world.kernel.fail(error);
  };
  process.on('unhandledRejection', onRejection);
  try {
    for (const strike of strikes) world.schedule(strike);
    world.start();
    await world.run(chaosMs);
    world.heal();
    await world.run(CALM_MS / 2);
    moveIn(world.neighbourhood);
    await world.run(CALM_MS / 2);
    for (const neighbour of world.neighbours) neighbour.stop();
    await world.run(SETTLE_MS);
    await world.checkAtRest();
  } catch (error) {
    found = foundBy(error, world);
  }
  world.abandon();
  process.off('unhandledRejection', onRejection);
  const { trace, elapsedMs } = world.kernel;
  return {
    plan, found,
    hash: trace.hash,
    events: trace.events,
    virtualMs: elapsedMs,
    coverage: world.coverage(),
    lines: trace.lines.map((line) => ({ ...line, atMs: line.atMs - world.kernel.startMs })),
  };
}

/** Whatever else is thrown was thrown by the product, or by the simulator: both must not happen. */
function foundBy(error: unknown, world: World): Found {
  const atMs = world.kernel.elapsedMs;
  if (error instanceof Violation) {
    const { invariant, detail, evidence } = error;
    return { invariant, detail, evidence, atMs };
  }
  const { message, stack = '' } = error instanceof Error ? error : new Error(String(error));
  return { invariant: 'no-crash', detail: message, evidence: stack.split('\n'), atMs };
}
