/**
 * The ledger has no memory left: it takes no values any more, and goes on taking ends, which is what
 * makes room. Whoever waits for it is told; everybody else goes on by themselves; and when there is
 * room nobody has to do anything.
 */
import { describe, expect, test } from 'vitest';
import { hand, leaseIn } from './hand.ts';
import { endings, everywhere, toldOfKey, valuesEverywhere, valuesInLedger } from './looking.ts';
import { settle, stage, strike } from './stage.ts';
import { until } from './until.ts';

const TTL_MS = 50_000;

describe('a ledger without memory', () => {
  test('takes ends and no values, until it has room again', async () => {
    const world = await stage(10, { sidecars: ['s1', 's2'] });
    const s1 = hand(world, 's1');
    const lease = leaseIn(await s1.grant('sessions', TTL_MS));
    await s1.put('sessions', 'released', 'before', { lease });
    await s1.put('sessions', 'deleted', 'before', { ttlMs: TTL_MS });
    await s1.put('sessions', 'swept', 'before', { ttlMs: 2_000 });
    await s1.put('sessions', 'kept', 'before', { ttlMs: TTL_MS });
    await until(world, 'the values', () => valuesInLedger(world, 'sessions', 'kept').length === 1);

    strike(world, 'ledger-out-of-memory', 'ledger');
    const waiting = await s1.put('claims', 'k', 'waits for the ledger', { ttlMs: TTL_MS });
    expect([503, 504]).toContain(waiting.status);
    expect((await s1.put('sessions', 'new', 'during', { ttlMs: TTL_MS })).status).toBe(201);
    expect((await s1.release(lease)).status).toBe(204);
    expect((await s1.delete('sessions', 'deleted')).status).toBe(204);
    await world.run(3_500);

    const held = (key: string) => valuesInLedger(world, 'sessions', key);
    expect({ new: held('new'), released: held('released'), deleted: held('deleted'), swept: held('swept') })
      .toEqual({ new: [], released: [], deleted: [], swept: [] });
    expect(held('kept')).toEqual(['before']);
    expect((await s1.status()).reasons).toContain('ledger-full');
    expect((await hand(world, 's2').get('sessions', 'released')).code).toBe('entry-not-found');
    expect((await s1.get('sessions', 'new')).values).toEqual(['during']);
    // The digests are compared with a full count after every operation, all this while.

    world.ledger.outOfMemory = false;
    await until(world, 'the value that had to wait', () => held('new').length === 1);
    await settle(world);
    expect((await s1.status()).reasons).toEqual([]);
    expect(await valuesEverywhere(world, 'sessions', 'new')).toEqual(everywhere(world, ['during']));
    expect(await valuesEverywhere(world, 'sessions', 'kept')).toEqual(everywhere(world, ['before']));
    expect(endings(toldOfKey(world, 'sessions', 'released')).map(({ reason }) => reason)).toEqual(['released']);
    expect(endings(toldOfKey(world, 'sessions', 'deleted')).map(({ reason }) => reason)).toEqual(['deleted']);
    expect(endings(toldOfKey(world, 'sessions', 'swept')).map(({ reason }) => reason)).toEqual(['expired']);
  });
});
