/**
 * Two sidecars are cut off from the ledger: the owner of a lease goes on renewing it, another one
 * deletes what is under it, and heals just before or just after the time for which such an end is
 * remembered. The end is remembered from when the ledger has heard of it, by its own clock, so it
 * makes no difference how old the news is: what ended stays ended (PROTOCOL §3.4, Z4 and Z5).
 */
import { describe, expect, test } from 'vitest';
import type { World } from '../world.ts';
import { type Hand, hand, leaseIn } from './hand.ts';
import { endings, everywhere, toldOfKey, toldOfLease, valuesEverywhere, valuesInLedger } from './looking.ts';
import { isolate, rejoin, settle, stage } from './stage.ts';
import { until } from './until.ts';

const TTL_MS = 58_000;
/** Autonomy, the longest TTL, and the slack twice, as the namespace has them. */
const HORIZON_MS = 6_000 + 60_000 + 2 * 1_000;

interface Apart {
  readonly world: World;
  readonly owner: Hand;
  readonly lease: string;
}

/** s1 holds and renews, s2 has deleted; neither has told anybody. */
async function apart(seed: number): Promise<Apart> {
  const world = await stage(seed, { sidecars: ['s1', 's2', 's3'] });
  const owner = hand(world, 's1');
  const other = hand(world, 's2');
  const lease = leaseIn(await owner.grant('sessions', TTL_MS));
  expect((await owner.put('sessions', 'k', 'held', { lease })).status).toBe(201);
  await world.run(2_000);
  const seen = await other.get('sessions', 'k');
  expect(seen.values).toEqual(['held']);
  isolate(world, 's1');
  isolate(world, 's2');
  expect((await other.delete('sessions', 'k', seen.etag)).status).toBe(204);
  expect((await owner.renew(lease)).status).toBe(200);
  expect((await owner.get('sessions', 'k')).values).toEqual(['held']);
  return { world, owner, lease };
}

/** The entry once, with the reason that was told first; its lease lived on until its deadline. */
async function expectEnded({ world, lease }: Apart, reason: string): Promise<void> {
  expect(await valuesEverywhere(world, 'sessions', 'k')).toEqual(everywhere(world, []));
  expect(valuesInLedger(world, 'sessions', 'k')).toEqual([]);
  const ended = endings([...toldOfKey(world, 'sessions', 'k'), ...toldOfLease(world, lease)]);
  const said = ended.map(({ what, reason: given }) => `${what} ${given}`);
  expect(said.sort()).toEqual([`entry.ended ${reason}`, 'lease.ended expired']);
}

describe('what one sidecar deletes and its owner renews, while both are cut off from the ledger', () => {
  test('has ended when the owner comes back first', async () => {
    const scene = await apart(7);
    const { world, owner, lease } = scene;
    await world.run(2_000);
    rejoin(world, 's1');
    await world.run(1_000);
    expect((await owner.renew(lease)).status).toBe(200);
    rejoin(world, 's2');
    await until(world, 'the end at the owner', () =>
      toldOfKey(world, 'sessions', 'k').some(({ reason }) => reason === 'deleted'));
    expect((await owner.get('sessions', 'k')).code).toBe('entry-not-found');
    await settle(world, HORIZON_MS);
    await expectEnded(scene, 'deleted');
  });

  test.each([
    ['before it is isolated', 4_000],
    ['long after that, and still holds it for alive', 18_000],
  ])('has ended when the owner comes back %s', async (_, afterMs) => {
    const scene = await apart(7);
    const { world, owner, lease } = scene;
    rejoin(world, 's2');
    await until(world, 'the end in the ledger', () => valuesInLedger(world, 'sessions', 'k').length === 0);
    // The ledger alone remembers it now.
    world.sidecar('s2').kill();
    world.sidecar('s2').stayDown();
    await world.run(afterMs);
    expect((await owner.get('sessions', 'k')).values).toEqual(['held']);
    rejoin(world, 's1');
    // It goes on under another identity first, and compares what it holds.
    await world.run(15_000);
    expect((await owner.get('sessions', 'k')).code).toBe('entry-not-found');
    expect((await owner.getLease(lease)).document).toMatchObject({ state: 'live' });
    await settle(world, HORIZON_MS);
    await expectEnded(scene, 'deleted');
  });

  test.each([-1_000, 1_000])('has ended when the owner comes back %i ms around the horizon of the end', async (aroundMs) => {
    const scene = await apart(7);
    const { world, owner, lease } = scene;
    const deletedAtMs = world.kernel.nowMs;
    await world.run(3_000);
    expect((await owner.renew(lease)).status).toBe(200);
    rejoin(world, 's2');
    await until(world, 'the end in the ledger', () => valuesInLedger(world, 'sessions', 'k').length === 0);
    await world.run(5_000);
    // Beyond its autonomy nothing is promised any more.
    const refused = await owner.renew(lease);
    expect([refused.status, refused.code]).toEqual([503, 'isolated']);
    await world.run(deletedAtMs + HORIZON_MS + aroundMs - world.kernel.nowMs);
    rejoin(world, 's1');
    await settle(world);
    await expectEnded(scene, 'deleted');
  });

  test('has ended when the news of it is as old as the horizon', async () => {
    const scene = await apart(7);
    const { world } = scene;
    await world.run(2_000);
    rejoin(world, 's1');
    await world.run(HORIZON_MS);
    rejoin(world, 's2');
    await settle(world);
    await expectEnded(scene, 'expired');
  });
});
