/**
 * The old primary is reached by one sidecar only, a promoted replica by the others, and both sides
 * write. What only the old one took is lost to the ledger, and comes back from its owner.
 *
 * What waits for exclusive claims: both sides grant, and what is protected takes the higher token
 * only; the holder beside the old primary hears that it may hold no longer.
 */
import { describe, expect, test } from 'vitest';
import type { ConfigChanges } from '../cluster/configuration.ts';
import type { World } from '../world.ts';
import { type Hand, hand } from './hand.ts';
import { endings, everywhere, toldOfKey, valuesEverywhere, valuesInLedger } from './looking.ts';
import { settle, stage, strike } from './stage.ts';

const TTL_MS = 55_000;
const SPLIT_MS = 3_000;

async function split(seed: number, changes: ConfigChanges = {}): Promise<{ readonly world: World; readonly old: Hand; readonly promoted: Hand }> {
  const world = await stage(seed, { sidecars: ['s1', 's2', 's3'], keepsLedgerImages: true, changes });
  expect((await hand(world, 's2').put('sessions', 'before', 'of all', { ttlMs: TTL_MS })).status).toBe(201);
  await world.run(1_500);
  strike(world, 'ledger-split', 'ledger', { callers: 1, lagMs: 0 }, SPLIT_MS);
  return { world, old: hand(world, 's1'), promoted: hand(world, 's2') };
}

describe('two primaries, each with sidecars that write', () => {
  test('leave both values where the namespace keeps both', async () => {
    const { world, old, promoted } = await split(5);
    expect((await old.put('sessions', 'k', 'old side', { ttlMs: TTL_MS })).status).toBe(201);
    expect((await promoted.put('sessions', 'k', 'new side', { ttlMs: TTL_MS })).status).toBe(201);
    expect((await old.put('sessions', 'alone', 'old side only', { ttlMs: TTL_MS })).status).toBe(201);
    await world.run(SPLIT_MS - 500);
    expect(world.ledger.isSplit).toBe(true);
    expect(valuesInLedger(world, 'sessions', 'k')).toEqual(['new side']);
    expect(valuesInLedger(world, 'sessions', 'alone')).toEqual([]);

    await settle(world);
    expect(valuesInLedger(world, 'sessions', 'k')).toEqual(['new side', 'old side']);
    expect(await valuesEverywhere(world, 'sessions', 'k')).toEqual(everywhere(world, ['new side', 'old side']));
    expect(await valuesEverywhere(world, 'sessions', 'alone')).toEqual(everywhere(world, ['old side only']));
    expect(await valuesEverywhere(world, 'sessions', 'before')).toEqual(everywhere(world, ['of all']));
  });

  test('leave the later value where the last one wins, and the other one is told to have lost', async () => {
    const { world, old, promoted } = await split(5);
    await promoted.put('jobs', 'k', 'earlier', { ttlMs: TTL_MS });
    await world.run(500);
    await old.put('jobs', 'k', 'later', { ttlMs: TTL_MS });

    await settle(world);
    expect(valuesInLedger(world, 'jobs', 'k')).toEqual(['later']);
    for (const name of ['s1', 's2']) expect((await hand(world, name).get('jobs', 'k')).values).toEqual(['later']);
    const told = toldOfKey(world, 'jobs', 'k');
    expect(told.some(({ what }) => what === 'entry.conflict')).toBe(true);
    expect(endings(told).map(({ reason }) => reason)).toEqual(['superseded']);
  });

  test('leave the value that the promoted one took where the first one wins', async () => {
    const { world, old, promoted } = await split(5);
    expect((await old.put('claims', 'k', 'will not last', { ttlMs: TTL_MS })).status).toBe(201);
    expect((await promoted.put('claims', 'k', 'first that lasts', { ttlMs: TTL_MS })).status).toBe(201);

    await settle(world);
    expect(valuesInLedger(world, 'claims', 'k')).toEqual(['first that lasts']);
    for (const name of ['s1', 's2']) {
      expect((await hand(world, name).get('claims', 'k')).values).toEqual(['first that lasts']);
    }
    const told = toldOfKey(world, 'claims', 'k');
    expect(told.some(({ what }) => what === 'entry.conflict')).toBe(true);
    expect(endings(told).map(({ place, reason }) => `${place} ${reason}`)).toEqual(['s1 superseded']);
  });

  test('say "acknowledged" only of what will last, to whoever asks for a replica', async () => {
    const { world, old, promoted } = await split(5, { ledgerAck: 'replicated' });
    expect((await promoted.put('claims', 'new', 'lasts', { ttlMs: TTL_MS })).status).toBe(201);
    const doubtful = await old.put('claims', 'old', 'doubtful', { ttlMs: TTL_MS });
    expect([doubtful.status, doubtful.code]).toEqual([504, 'outcome-unknown']);

    await settle(world);
    expect(valuesInLedger(world, 'claims', 'new')).toEqual(['lasts']);
    // It was not refused either: its owner goes on telling the ledger.
    expect(valuesInLedger(world, 'claims', 'old')).toEqual(['doubtful']);
  });
});
