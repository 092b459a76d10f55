/**
 * The ledger takes a push and its answer is lost; another sidecar writes over the value; then the
 * first one dies and its journal tells the ledger the same again. Were it told as something new, it
 * would come back beside what had replaced it, or by a fresh stamp instead of it (PROTOCOL §2.3, H2).
 */
import { describe, expect, test } from 'vitest';
import type { World } from '../world.ts';
import { GOOD } from '../network/network.ts';
import { hand } from './hand.ts';
import { endings, recordOf, toldOfKey, valuesEverywhere, valuesInLedger, watchLedger } from './looking.ts';
import { settle, stage } from './stage.ts';
import { until } from './until.ts';

const TTL_MS = 50_000;

/** s2 reads what s1 has told the ledger, and writes over it. */
async function writtenOver(world: World, namespace: string): Promise<void> {
  await until(world, 'the push of s1', () => valuesInLedger(world, namespace, 'k').includes('first'));
  const s2 = hand(world, 's2');
  const seen = await s2.get(namespace, 'k');
  expect(seen.values).toEqual(['first']);
  expect((await s2.put(namespace, 'k', 'second', { ttlMs: TTL_MS, ifMatch: seen.etag! })).status).toBe(204);
  await until(world, 'the push of s2', () => valuesInLedger(world, namespace, 'k').includes('second'));
}

/** Replayed from the journal of s1 when "second" of s2 had replaced it. */
async function replayed(world: World, namespace: string): Promise<void> {
  const steps = watchLedger(world);
  world.network.cut('ledger', 's1');
  expect((await hand(world, 's1').put(namespace, 'k', 'first', { ttlMs: TTL_MS })).status).toBe(201);
  await writtenOver(world, namespace);

  const told = steps.length;
  world.sidecar('s1').kill();
  world.network.mend('ledger', 's1');
  await until(world, 'the push of the next run', () =>
    steps.slice(told).some((step) => step.operation === 'push' && step.from === 's1'));
}

/** The same bytes arrive a second time when "second" of s2 had replaced what is in them. */
async function repeated(world: World, namespace: string): Promise<void> {
  const steps = watchLedger(world);
  const pushes = () => steps.filter((step) =>
    step.operation === 'push' && step.from === 's1' && step.request.records.some(({ id }) => id === 'k'));
  world.network.setQuality('s1', 'ledger', { ...GOOD, doubled: 1, secondMs: 4_000 });
  expect((await hand(world, 's1').put(namespace, 'k', 'first', { ttlMs: TTL_MS })).status).toBe(201);
  await until(world, 'the push of s1', () => pushes().length > 0);
  world.network.setQuality('s1', 'ledger', undefined);
  await writtenOver(world, namespace);
  expect(pushes()).toHaveLength(1);
  await until(world, 'the push once more', () => pushes().length > 1);
}

async function expectSecond(world: World, namespace: string): Promise<void> {
  expect(valuesInLedger(world, namespace, 'k')).toEqual(['second']);
  await settle(world);
  expect(valuesInLedger(world, namespace, 'k')).toEqual(['second']);
  expect(recordOf(world, namespace, 'k')!.siblings).toHaveLength(1);
  expect(await valuesEverywhere(world, namespace, 'k')).toEqual({ s1: ['second'], s2: ['second'] });
  expect(endings(toldOfKey(world, namespace, 'k')).map(({ reason }) => reason)).toEqual(['superseded']);
}

describe.each(['sessions', 'jobs'])('in %s, a push whose value was replaced', (namespace) => {
  test('changes nothing when its answer was lost and the journal tells it again', async () => {
    const world = await stage(2, { sidecars: ['s1', 's2'] });
    await replayed(world, namespace);
    await expectSecond(world, namespace);
  });

  test('changes nothing when the network brings it again', async () => {
    const world = await stage(2, { sidecars: ['s1', 's2'] });
    await repeated(world, namespace);
    await expectSecond(world, namespace);
  });
});
