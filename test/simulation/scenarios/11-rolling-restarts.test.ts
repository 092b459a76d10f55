/**
 * Many sidecars are deployed anew, twice, while all of them write the same keys; a volume is mounted
 * by two processes; and two processes draw the same identity. Versions count writes of a process, so
 * no two may ever be taken for one; and what a key remembers of those that are gone is forgotten.
 *
 * Scaled: twelve sidecars instead of five hundred.
 */
import { describe, expect, test } from 'vitest';
import { SimulatedSidecar } from '../cluster/simulated-sidecar.ts';
import { SimulatedMachine } from '../machine/simulated-machine.ts';
import type { World } from '../world.ts';
import { hand, leaseIn } from './hand.ts';
import {
  endings, everywhere, recordOf, toldOfKey, valuesEverywhere, valuesInLedger, watchLedger,
} from './looking.ts';
import { startAsCopy, startAsTwin } from './same-identity.ts';
import { settle, stage, strike } from './stage.ts';
import { until } from './until.ts';

const MANY = Array.from({ length: 12 }, (_, index) => `s${index + 1}`);
const TTL_MS = 58_000;
/** Autonomy, the longest TTL and the slack: for so long the writes of a run that is gone are remembered. */
const HORIZON_MS = 6_000 + 60_000 + 1_000;

/** Each of them writes over what it has seen. */
async function everybodyWrites(world: World, value: string): Promise<void> {
  for (const { name } of world.sidecars) {
    const client = hand(world, name);
    const { etag } = await client.get('jobs', 'shared');
    const over = etag === undefined ? {} : { ifMatch: etag };
    const written = await client.put('jobs', 'shared', `${value} by ${name}`, { ttlMs: TTL_MS, ...over });
    expect([201, 204]).toContain(written.status);
    await world.run(50);
  }
}

describe('rolling restarts of many sidecars', () => {
  test('give each run an identity of its own, and keys forget those that are gone', async () => {
    const world = await stage(11, { sidecars: MANY, changes: { pullMs: 1_500 } });
    const steps = watchLedger(world);
    await everybodyWrites(world, 'first');
    for (const value of ['second', 'third']) {
      const runs = world.sidecars.map(({ run }) => run);
      strike(world, 'rolling-restart', 'all');
      await until(world, 'the deployment', () => world.sidecars.every(({ run, ready }, index) => run > runs[index]! && ready), 60_000);
      await world.run(500);
      await everybodyWrites(world, value);
    }
    const joined = steps.flatMap((step) => (step.operation === 'join' ? [`${step.request.actor} ${step.from}`] : []));
    const actors = new Set(joined.map((each) => each.split(' ')[0]));
    expect(new Set(joined).size).toBe(actors.size);
    expect(actors.size).toBeGreaterThanOrEqual(2 * MANY.length);
    await world.run(2_000);
    expect(valuesInLedger(world, 'jobs', 'shared')).toEqual([`third by ${MANY.at(-1)}`]);
    expect(recordOf(world, 'jobs', 'shared')!.context.length).toBeLessThanOrEqual(3 * MANY.length);

    // It lives on; those that wrote it and are gone have no place in it.
    await rewriteFor(world, HORIZON_MS + 5_000);
    const left = recordOf(world, 'jobs', 'shared')!.context.map(({ actor }) => actor);
    const runs: string[] = [];
    for (const { name } of world.sidecars) runs.push((await hand(world, name).status()).actor);
    const gone = left.filter((actor) => !runs.includes(actor));
    // Of the writer alone its earlier runs are left: see below.
    expect(gone.length).toBeLessThanOrEqual(2);
    await settle(world);
  });

  test('leave a key nothing of the earlier runs of its only writer', async () => {
    const world = await stage(11, { sidecars: ['s1'] });
    const writer = world.sidecar('s1');
    for (let count = 0; count < 6; count++) {
      await rewriteFor(world, 10_000);
      const { run } = writer;
      strike(world, 'restart', 's1');
      await until(world, 'the next run', () => writer.run > run && writer.ready);
    }
    await rewriteFor(world, 2 * HORIZON_MS);
    const left = recordOf(world, 'jobs', 'shared')!.context.map(({ actor }) => actor);
    expect(left).toEqual([(await hand(world, 's1').status()).actor]);
    await settle(world);
  });
});

/** s1 writes one key again and again, each time over what it sees. */
async function rewriteFor(world: World, ms: number): Promise<void> {
  const client = hand(world, 's1');
  const untilMs = world.kernel.nowMs + ms;
  while (world.kernel.nowMs < untilMs) {
    const { etag } = await client.get('jobs', 'shared');
    const over = etag === undefined ? {} : { ifMatch: etag };
    const value = `at ${world.kernel.elapsedMs}`;
    expect([201, 204]).toContain((await client.put('jobs', 'shared', value, { ttlMs: TTL_MS, ...over })).status);
    await world.run(10_000);
  }
}

describe('a volume that two processes have mounted', () => {
  test('is used by one of them, and the other ends with a reason', async () => {
    const world = await stage(11, { sidecars: ['s1', 's2'] });
    expect((await hand(world, 's1').put('sessions', 'k', 'held', { ttlMs: TTL_MS })).status).toBe(201);
    const first = world.sidecar('s1');
    const machine = new SimulatedMachine(world.kernel, 'other node');
    Object.assign(machine, { disk: first.machine.disk });
    const errors: string[] = [];
    const second = new SimulatedSidecar(
      machine, first.config,
      {
        openLedger: () => { throw new Error('It must not come so far'); },
        openBus: () => { throw new Error('It must not come so far'); },
      },
      { onReady: () => errors.push('it started'), onFailpoint: () => {}, onFatal: (_, error) => errors.push(error.name) },
    );
    second.start();
    await world.run(50);
    second.stayDown();
    expect(errors).toEqual(['DirectoryInUseError']);
    expect((await hand(world, 's1').get('sessions', 'k')).values).toEqual(['held']);

    // When the first one is gone, so is its lock, and everything is there.
    first.kill();
    await until(world, 'the next run', () => first.ready);
    await settle(world);
    expect(await valuesEverywhere(world, 'sessions', 'k')).toEqual(everywhere(world, ['held']));
  });
});

describe('two processes that draw the same identity', () => {
  test('are told apart when they join the ledger, and neither loses a write', async () => {
    const world = await stage(11, { sidecars: ['s1', 's2', 's3'] });
    const first = hand(world, 's1');
    const { actor } = await first.status();
    await startAsTwin(world, 's2', 's1');
    const twin = hand(world, 's2');
    expect((await twin.status()).actor).toBe(actor);
    await world.run(500);
    expect((await twin.status()).actor).not.toBe(actor);
    expect((await first.status()).actor).toBe(actor);

    expect((await first.put('sessions', 'k', 'first', { ttlMs: TTL_MS })).status).toBe(201);
    expect((await twin.put('sessions', 'k', 'twin', { ttlMs: TTL_MS })).status).toBe(201);
    await world.run(2_000);
    expect(recordOf(world, 'sessions', 'k')!.siblings).toHaveLength(2);
    await settle(world);
    expect(await valuesEverywhere(world, 'sessions', 'k')).toEqual(everywhere(world, ['first', 'twin']));
  });

  test('do not keep alive what the other one leaves behind', async () => {
    const world = await stage(11, { sidecars: ['s1', 's2', 's3'] });
    const first = hand(world, 's1');
    const lease = leaseIn(await first.grant('sessions', 8_000));
    expect((await first.put('sessions', 'k', 'held', { lease })).status).toBe(201);
    await world.run(1_000);
    await startAsTwin(world, 's2', 's1');
    await world.run(4_000);
    expect((await first.renew(lease)).status).toBe(200);
    await world.run(6_000);
    expect(await valuesEverywhere(world, 'sessions', 'k')).toEqual(everywhere(world, ['held']));

    world.sidecar('s1').kill();
    world.sidecar('s1').stayDown();
    await until(world, 'the end of what nobody renews', () => valuesInLedger(world, 'sessions', 'k').length === 0, 30_000);
    await settle(world);
    expect(await valuesEverywhere(world, 'sessions', 'k')).toEqual(everywhere(world, []));
    expect(endings(toldOfKey(world, 'sessions', 'k')).map(({ reason }) => reason)).toEqual(['expired']);
  });

  test('are told apart also where everything else they draw is the same', async () => {
    const world = await stage(11, { sidecars: ['s1', 's2', 's3'] });
    const first = hand(world, 's1');
    await startAsCopy(world, 's2', 's1');
    const copy = hand(world, 's2');
    await world.run(500);
    expect((await copy.status()).actor).not.toBe((await first.status()).actor);
    await first.put('sessions', 'k', 'first', { ttlMs: TTL_MS });
    await copy.put('sessions', 'k', 'copy', { ttlMs: TTL_MS });
    await settle(world);
    expect(await valuesEverywhere(world, 'sessions', 'k')).toEqual(everywhere(world, ['copy', 'first']));
  });
});
