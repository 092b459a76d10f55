/**
 * A write is on its way to the ledger when its sidecar dies; a successor writes the same key without
 * having seen it; then the old message arrives. With identities that are handed on, the late write
 * would pass for one that its successor had seen, and be gone without a word (PROTOCOL §2.3, R1).
 */
import { describe, expect, test } from 'vitest';
import { GOOD } from '../network/network.ts';
import type { World } from '../world.ts';
import { hand } from './hand.ts';
import { endings, everywhere, recordOf, toldOfKey, valuesEverywhere, valuesInLedger, watchLedger } from './looking.ts';
import { startAsTwin } from './same-identity.ts';
import { settle, stage } from './stage.ts';
import { until } from './until.ts';

const TTL_MS = 50_000;
const LATE_MS = 2_500;

/** s1 has acknowledged "old" and is dead; its push arrives when "new" of s2 is in the ledger. */
async function zombiePush(world: World, namespace: string): Promise<void> {
  const steps = watchLedger(world);
  const sentBy = (from: string) => () =>
    steps.some((step) => step.operation === 'push' && step.from === from && step.request.records.some(({ id }) => id === 'k'));
  world.network.setQuality('s1', 'ledger', { ...GOOD, leastMs: LATE_MS });
  const written = await hand(world, 's1').put(namespace, 'k', 'old', { ttlMs: TTL_MS });
  expect(written.status).toBe(201);
  await world.run(100);
  world.sidecar('s1').kill();
  world.sidecar('s1').stayDown();

  expect((await hand(world, 's2').put(namespace, 'k', 'new', { ttlMs: TTL_MS })).status).toBe(201);
  await until(world, 'the push of s2', sentBy('s2'));
  expect(valuesInLedger(world, namespace, 'k')).toEqual(['new']);
  await until(world, 'the push of s1', sentBy('s1'));
}

describe('a push that arrives after its sidecar has died and another has written the key', () => {
  test('stands beside the other value where the namespace keeps both', async () => {
    const world = await stage(1, { sidecars: ['s1', 's2', 's3'] });
    await zombiePush(world, 'sessions');
    expect(valuesInLedger(world, 'sessions', 'k')).toEqual(['new', 'old']);

    await settle(world);
    expect(valuesInLedger(world, 'sessions', 'k')).toEqual(['new', 'old']);
    expect(await valuesEverywhere(world, 'sessions', 'k')).toEqual(everywhere(world, ['new', 'old']));
    expect(endings(toldOfKey(world, 'sessions', 'k'))).toEqual([]);
  });

  test('gives way to the later one where that is the policy, and it is told', async () => {
    const world = await stage(1, { sidecars: ['s1', 's2'] });
    await zombiePush(world, 'jobs');
    expect(valuesInLedger(world, 'jobs', 'k')).toEqual(['new']);

    await settle(world);
    expect(valuesInLedger(world, 'jobs', 'k')).toEqual(['new']);
    expect((await hand(world, 's1').get('jobs', 'k')).values).toEqual(['new']);
    const told = toldOfKey(world, 'jobs', 'k');
    expect(told.map(({ what }) => what)).toContain('entry.conflict');
    expect(endings(told).map(({ reason }) => reason)).toEqual(['superseded']);
  });

  test('is not taken for a write of the successor, though that drew the same identity', async () => {
    const world = await stage(1, { sidecars: ['s1', 's2'] });
    await startAsTwin(world, 's2', 's1');
    await world.run(500);
    await zombiePush(world, 'sessions');
    expect(valuesInLedger(world, 'sessions', 'k')).toEqual(['new', 'old']);
    const { siblings } = recordOf(world, 'sessions', 'k')!;
    expect(new Set(siblings.map(({ dot }) => dot.actor)).size).toBe(2);

    await settle(world);
    expect(await valuesEverywhere(world, 'sessions', 'k')).toEqual(everywhere(world, ['new', 'old']));
  });
});
