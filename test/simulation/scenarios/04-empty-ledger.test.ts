/**
 * The ledger restarts with nothing while a holder owns a lease and somebody else waits for its key.
 * Here the key is taken by the policies of shared namespaces: the holder tells the ledger again what
 * it holds, and the other stays refused.
 *
 * What waits for exclusive claims: that no grant is given while the ledger cannot know who holds
 * what, that the holder's claim goes on with a higher token, and that an old token is refused.
 */
import { describe, expect, test } from 'vitest';
import { hand, leaseIn } from './hand.ts';
import { endings, everywhere, toldOfKey, toldOfLease, valuesEverywhere, valuesInLedger } from './looking.ts';
import { settle, stage, strike } from './stage.ts';
import { until } from './until.ts';

const TTL_MS = 50_000;

describe('a ledger that restarts with nothing, while one holds a key and another waits for it', () => {
  test('does not give the key away where a live owner keeps it', async () => {
    const world = await stage(4, { sidecars: ['s1', 's2'] });
    const holder = hand(world, 's1');
    const contender = hand(world, 's2');
    const lease = leaseIn(await holder.grant('owned', TTL_MS));
    expect((await holder.put('owned', 'k', 'mine', { lease })).status).toBe(201);
    await until(world, 'the value at s2', () => valuesInLedger(world, 'owned', 'k').length === 1);
    await world.run(1_000);
    expect((await contender.put('owned', 'k', 'too early')).code).toBe('entry-held');

    strike(world, 'ledger-empty', 'ledger');
    expect(valuesInLedger(world, 'owned', 'k')).toEqual([]);
    const tries: (string | undefined)[] = [];
    for (let count = 0; count < 20; count++) {
      const { code } = await contender.put('owned', 'k', `try ${count}`);
      tries.push(code);
      await world.run(100);
    }
    expect(new Set(tries)).toEqual(new Set(['entry-held']));
    expect(valuesInLedger(world, 'owned', 'k')).toEqual(['mine']);
    expect((await holder.renew(lease)).status).toBe(200);

    await settle(world);
    expect(await valuesEverywhere(world, 'owned', 'k')).toEqual(everywhere(world, ['mine']));
    expect(endings([...toldOfKey(world, 'owned', 'k'), ...toldOfLease(world, lease)])).toEqual([]);
  });

  test('lets the other one in once the holder has released', async () => {
    const world = await stage(4, { sidecars: ['s1', 's2'] });
    const holder = hand(world, 's1');
    const contender = hand(world, 's2');
    const lease = leaseIn(await holder.grant('owned', TTL_MS));
    await holder.put('owned', 'k', 'mine', { lease });
    await world.run(1_000);
    strike(world, 'ledger-empty', 'ledger');
    expect((await holder.release(lease)).status).toBe(204);
    // Copies of what the ledger has lost stay for three heartbeats, for their owners to tell it again.
    await world.run(5_000);
    expect((await contender.put('owned', 'k', 'theirs', { ttlMs: TTL_MS })).status).toBe(201);

    await settle(world);
    expect(await valuesEverywhere(world, 'owned', 'k')).toEqual(everywhere(world, ['theirs']));
    const reasons = endings([...toldOfKey(world, 'owned', 'k'), ...toldOfLease(world, lease)]).map(({ reason }) => reason);
    expect(reasons).toEqual(['released', 'released']);
  });

  test('keeps the first of two writers where the first one wins', async () => {
    const world = await stage(4, { sidecars: ['s1', 's2'] });
    const holder = hand(world, 's1');
    const contender = hand(world, 's2');
    const lease = leaseIn(await holder.grant('claims', TTL_MS));
    expect((await holder.put('claims', 'k', 'mine', { lease })).status).toBe(201);
    expect((await contender.put('claims', 'k', 'too early')).code).toBe('entry-held');

    strike(world, 'ledger-empty', 'ledger');
    await until(world, 'the value again', () => valuesInLedger(world, 'claims', 'k').length === 1);
    expect((await contender.put('claims', 'k', 'too late')).code).toBe('entry-held');
    expect((await holder.renew(lease)).status).toBe(200);

    await settle(world);
    expect(valuesInLedger(world, 'claims', 'k')).toEqual(['mine']);
    expect((await holder.get('claims', 'k')).values).toEqual(['mine']);
  });

  test('gives a key to one of two who ask at once, right after it has lost everything', async () => {
    const world = await stage(4, { sidecars: ['s1', 's2'] });
    await hand(world, 's1').put('claims', 'before', 'gone', { ttlMs: TTL_MS });
    strike(world, 'ledger-empty', 'ledger');
    const clients = [hand(world, 's1'), hand(world, 's2')];
    const asked = clients.map((client, index) =>
      client.ask({ kind: 'put', namespace: 'claims', key: 'k', value: `of s${index + 1}`, ttlMs: TTL_MS }));
    const codes: (string | number)[] = [];
    for (const [index, client] of clients.entries()) {
      const { status, code } = await client.answer(asked[index]!);
      codes.push(code ?? status);
    }
    expect(codes.toSorted()).toEqual([201, 'entry-held']);

    await settle(world);
    const winner = `of s${codes.indexOf(201) + 1}`;
    expect(valuesInLedger(world, 'claims', 'k')).toEqual([winner]);
    for (const client of clients) expect((await client.get('claims', 'k')).values).toEqual([winner]);
  });
});
