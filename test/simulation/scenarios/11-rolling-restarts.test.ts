/**
 * Many sidecars are deployed anew, twice, while all of them write the same keys; a volume is mounted
 * by two processes; and two processes draw the same identity. Versions count writes of a process, so
 * no two may ever be taken for one; and what a key remembers of those that are gone is forgotten.
 *
 * Scaled: twelve sidecars instead of five hundred.
 */
import { describe, expect, test } from 'vitest';
import type { JoinReply } from '../../../src/ledger/ledger.ts';
import { SimulatedSidecar } from '../cluster/simulated-sidecar.ts';
import { SimulatedMachine } from '../machine/simulated-machine.ts';
import type { World } from '../world.ts';
import { hand, leaseIn } from './hand.ts';
import {
  endings, everywhere, recordOf, toldOfKey, valuesEverywhere, valuesInLedger, watchLedger,
} from './looking.ts';
import { startAsCopy, startAsTwin } from './same-identity.ts';
import { settle, stage, strike } from './stage.ts';
import { SWEPT_WITHIN_MS, until } from './until.ts';

const MANY = Array.from({ length: 12 }, (_, index) => `s${index + 1}`);
const TTL_MS = 58_000;
/** For so long what a run has written is remembered: autonomy, the longest TTL, and the slack twice. */
const HORIZON_MS = 4_000 + 60_000 + 2 * 1_000;

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
  test('give each run an identity of its own, and what they wrote is forgotten when it has ended', async () => {
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

    // When it has ended, and everybody has heard of it, nothing is left.
    await settle(world, TTL_MS + HORIZON_MS);
    expect(recordOf(world, 'jobs', 'shared')).toBeUndefined();
  });

  test('leave a key that is rewritten no more than one entry for each run of its writer', async () => {
    const world = await stage(11, { sidecars: ['s1'] });
    const writer = world.sidecar('s1');
    const runs = 6;
    for (let count = 0; count < runs; count++) {
      await rewriteFor(world, 10_000);
      const { run } = writer;
      strike(world, 'restart', 's1');
      await until(world, 'the next run', () => writer.run > run && writer.ready);
    }
    await rewriteFor(world, 2 * HORIZON_MS);
    const left = recordOf(world, 'jobs', 'shared')!.context.map(({ actor }) => actor);
    expect(left).toContain((await hand(world, 's1').status()).actor);
    expect(left.length).toBeLessThanOrEqual(runs + 1);
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

describe('two processes that draw the same lots', () => {
  test('have identities of their own all the same, and neither loses a write', async () => {
    const world = await stage(11, { sidecars: ['s1', 's2', 's3'] });
    const first = hand(world, 's1');
    const { actor } = await first.status();
    const steps = watchLedger(world);
    await startAsTwin(world, 's2', 's1');
    const twin = hand(world, 's2');
    await world.run(500);
    const answers = steps.flatMap(({ operation, from, reply }) =>
      operation === 'join' && from === 's2' ? [(reply as JoinReply).status] : []);
    expect(answers).toEqual(['joined']);
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
    expect((await first.renewFully(lease)).document).toMatchObject({ state: 'live' });
    await world.run(5_000);
    expect(await valuesEverywhere(world, 'sessions', 'k')).toEqual(everywhere(world, ['held']));

    world.sidecar('s1').kill();
    world.sidecar('s1').stayDown();
    await until(world, 'the end of what nobody renews', () => valuesInLedger(world, 'sessions', 'k').length === 0, SWEPT_WITHIN_MS);
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
