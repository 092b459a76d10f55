/**
 * The ledger goes back by a moment, and more is written than was lost before anybody looks: by the
 * sequence alone nothing has happened. The chain over the log says otherwise (PROTOCOL §4.3).
 */
import { describe, expect, test } from 'vitest';
import type { World } from '../world.ts';
import { hand } from './hand.ts';
import { everywhere, valuesEverywhere, valuesInLedger, watchLedger } from './looking.ts';
import { settle, stage, strike } from './stage.ts';
import { until } from './until.ts';

const TTL_MS = 55_000;
/** Held by s1, and lost by the ledger; written by s2 before s1 looks again: twice as many. */
const LOST = ['lost-1', 'lost-2', 'lost-3', 'lost-4'];
const NEW = ['new-1', 'new-2', 'new-3', 'new-4', 'new-5', 'new-6', 'new-7', 'new-8'];

async function write(world: World, name: string, keys: readonly string[]): Promise<void> {
  const client = hand(world, name);
  for (const key of keys) {
    expect((await client.put('sessions', key, `${key} by ${name}`, { ttlMs: TTL_MS })).status).toBe(201);
  }
  await until(world, `the writes of ${name} in the ledger`, () =>
    keys.every((key) => valuesInLedger(world, 'sessions', key).length === 1));
}

const goesBack: Readonly<Record<string, (world: World, ageMs: number) => void>> = {
  'a replica takes over that is behind': (world, ageMs) =>
    strike(world, 'ledger-failover', 'ledger', { lagMs: ageMs, stepMs: 0 }),
  'an old copy is put back, and its history cannot be told from the one before': (world, ageMs) =>
    strike(world, 'ledger-rollback', 'ledger', { ageMs, sameHistory: true }),
};

describe.each(Object.entries(goesBack))('%s, and more is written than was lost', (_, goBack) => {
  test('the chain shows it, what was lost is told again, and all are in step', async () => {
    const world = await stage(3, { sidecars: ['s1', 's2', 's3'], keepsLedgerImages: true });
    await write(world, 's1', ['kept']);
    await world.run(1_000);
    const fromMs = world.kernel.nowMs;
    await write(world, 's1', LOST);
    // It has read its own writes back: its cursor is behind them.
    await world.run(1_000);

    for (const [from, to] of [['s1', 'ledger'], ['ledger', 's1'], ['s3', 'ledger'], ['ledger', 's3']] as const) {
      world.network.cut(from, to);
    }
    goBack(world, world.kernel.nowMs - fromMs);
    for (const key of LOST) expect(valuesInLedger(world, 'sessions', key)).toEqual([]);
    expect(valuesInLedger(world, 'sessions', 'kept')).toEqual(['kept by s1']);
    await write(world, 's2', NEW);
    for (const key of LOST) expect(valuesInLedger(world, 'sessions', key)).toEqual([]);

    const steps = watchLedger(world);
    world.network.heal();
    await until(world, 'what was lost', () => LOST.every((key) => valuesInLedger(world, 'sessions', key).length === 1));
    const noticed = steps.filter(({ from, reply }) => from === 's1' && saysDiverged(reply));
    expect(noticed.length).toBeGreaterThan(0);

    await settle(world);
    for (const key of LOST) {
      expect(await valuesEverywhere(world, 'sessions', key)).toEqual(everywhere(world, [`${key} by s1`]));
    }
    for (const key of NEW) {
      expect(await valuesEverywhere(world, 'sessions', key)).toEqual(everywhere(world, [`${key} by s2`]));
    }
  });
});

/** Of a pull, by its status; of a beat, by what it says of the caller's history. */
function saysDiverged(reply: unknown): boolean {
  const { status, history } = reply as { readonly status?: string; readonly history?: string };
  return status === 'diverged' || history === 'lost';
}
