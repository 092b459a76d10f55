/**
 * The nastiest scenarios (PROTOCOL §12) as far as they are reconciliation's: 1, 6, 7, 11 and 12
 * here; 2 in `rejoin.test.ts`, 3 in `truth-check.test.ts`, 10 and the rest of 11 and 12 in
 * `push.test.ts` and `rejoin.test.ts`.
 */
import { describe, expect, test } from 'vitest';
import type { NamespaceContract } from '../../src/core/contract.ts';
import type { BeatRequest } from '../../src/ledger/ledger.ts';
import { contractOf } from '../core/fixtures.ts';
import { NO_FAULTS } from './faulty-ledger.ts';
import { type Sidecar, type SidecarOptions, World } from './world.ts';

const TTL = { defaultMs: 60_000, minMs: 100, maxMs: 120_000, maxLifetimeMs: 600_000 };

async function worldOf(
  names: readonly string[],
  more: Partial<NamespaceContract> = {},
  options: readonly SidecarOptions[] = [],
) {
  const world = new World();
  const contracts = [contractOf('default', { ttl: TTL, autonomyMs: 10_000, ...more })];
  const sidecars = names.map((name, index) => world.add(name, { contracts, ...options[index] }));
  await world.pass(100);
  return { world, sidecars: sidecars as [Sidecar, Sidecar, ...Sidecar[]] };
}

describe('1: a push that was long on its way, and a blind write after it', () => {
  test.each([
    ['siblings', ['early', 'late']],
    ['lww', ['late']],
  ] as const)('under %s nothing is lost silently', async (conflict, expected) => {
    const { world, sidecars: [a, b] } = await worldOf(['a', 'b'], { conflict });
    a.link.faults = { lostRequests: 0, lostAnswers: 0, duplicates: 1, delayMs: 190 };
    a.put('k', 'early');
    await world.pass(20);
    b.put('k', 'late');
    await world.pass(4000);
    a.link.faults = NO_FAULTS;
    expect(world.values('k')).toEqual(expected);
    expect(await a.get('k', { consistency: 'ledger' })).toEqual(
      expected.length === 1 ? expected[0] : expected,
    );
    // What gave way was told to its watchers.
    expect(a.endings()).toEqual(conflict === 'lww' ? ['k superseded'] : []);
    world.check();
  });
});

describe('6: a machine that sleeps for longer than its leases live', () => {
  test('wakes with time left by its own clock, and learns before it can do harm what has ended', async () => {
    const { world, sidecars: [a, b] } = await worldOf(['a', 'b'], { mirror: 'all' });
    a.step({ op: 'grant', namespace: 'default', holder: 'h', id: 'l', ttlMs: 10_000 });
    a.put('session', 'v', { lease: 'l' });
    a.put('fixed', 'v', { ttlMs: 10_000 });
    a.put('long', 'v', { ttlMs: 100_000 });
    await world.pass(1000);
    // A renewal was just promised when everything stood still.
    a.step({ op: 'renew', id: 'l' });
    a.scheduler.suspend();
    await world.pass(30_000);
    expect(world.values('session')).toEqual([]);
    expect(b.endings().sort()).toEqual(['fixed expired', 'session expired']);
    a.scheduler.resume();
    expect(a.held('session')).toBe('v');
    await world.pass(2500);
    expect(a.held('session')).toBeUndefined();
    expect(a.held('fixed')).toBeUndefined();
    expect(a.held('long')).toBe('v');
    expect(a.step({ op: 'renew', id: 'l' })).toMatchObject({ refused: 'lease-ended' });
    expect(a.reconciliation.tally.clockSteps).toBeGreaterThan(0);
    await world.pass(20_000);
    expect(world.values('session')).toEqual([]);
    expect(world.values('long')).toEqual(['v']);
    expect(a.reconciliation.reasons()).toEqual([]);
    world.check();
  });
});

describe('7: deleted by one that is cut off, while its owner, cut off too, renews it', () => {
  test.each([
    'the owner', 'the other',
  ] as const)('it is over, though %s is heard of first', async (first) => {
    const { world, sidecars: [a, b] } = await worldOf(['a', 'b'], {
      mirror: 'all', autonomyMs: 30_000,
    });
    a.step({ op: 'grant', namespace: 'default', holder: 'h', id: 'l', ttlMs: 5000 });
    a.put('k', 'v', { lease: 'l' });
    await world.pass(1000);
    expect(b.held('k')).toBe('v');
    a.link.away = true;
    b.link.away = true;
    await world.pass(1000);
    b.delete('k');
    expect(b.held('k')).toBeUndefined();
    const [soon, later] = first === 'the owner' ? [a, b] : [b, a];
    for (let count = 0; count < 12; count++) {
      await world.pass(2000);
      a.step({ op: 'renew', id: 'l' });
      if (count === 2) soon.link.away = false;
      if (count === 6) later.link.away = false;
    }
    expect(world.values('k')).toEqual([]);
    expect([a.held('k'), b.held('k')]).toEqual([undefined, undefined]);
    expect(a.endings()).toEqual(['k deleted']);
    // Whatever comes late, beyond every horizon: it does not come back.
    for (let count = 0; count < 20; count++) {
      await world.pass(10_000);
      expect(world.values('k')).toEqual([]);
    }
    world.check();
  });
});

describe('11: many short lives of one sidecar', () => {
  test('are vouched for by the last one only where something of theirs is left', async () => {
    const { world, sidecars: [first] } = await worldOf(['a']);
    first.put('kept', 'by the first');
    let current: Sidecar = first;
    for (let life = 0; life < 20; life++) {
      current.put('hot', `life ${life}`);
      await world.pass(1500);
      current = await world.restart(current);
      await world.pass(300);
    }
    current.put('hot', 'last');
    await world.pass(3000);
    expect(world.values('hot')).toEqual(['last']);
    expect(world.values('kept')).toEqual(['by the first']);
    expect(current.replica.predecessors).toHaveLength(20);
    const vouching = current.link.sent
      .filter(({ operation }) => operation === 'beat')
      .slice(-2)
      .flatMap(({ request }) => (request as BeatRequest).caller.predecessors);
    // The first one's value is still there; the one before wrote what was last written over.
    const before = world.gone.at(-1)!.replica.actor;
    expect(new Set(vouching)).toEqual(new Set([first.replica.actor, before]));
    expect(current.reconciliation.tally.duplicateDots).toBe(0);
    expect(current.reconciliation.reasons()).toEqual([]);
    expect(new Set(world.gone.map(({ core }) => core.actor)).size).toBe(20);
    world.check();
  });
});

describe('12: clocks that are wrong', () => {
  test('a day ahead poisons nobody; an hour behind works', async () => {
    const { world, sidecars: [a, b, c] } = await worldOf(['a', 'b', 'c'], {}, [
      {}, { aheadMs: 86_400_000 }, { aheadMs: -3_600_000 },
    ]);
    a.put('k', 'right');
    await world.pass(500);
    b.put('k', 'from tomorrow');
    c!.put('own', 'late clock');
    await world.pass(3000);
    expect(world.values('k')).toEqual(['right']);
    expect(await a.get('k', { consistency: 'ledger' })).toBe('right');
    expect(world.values('own')).toEqual(['late clock']);
    expect(b.reconciliation.reasons()).toEqual(['clock-ahead']);
    // Its deadlines are the ledger's all the same, however its wall clock stands.
    const { deadline } = world.record('own')!.siblings[0]!;
    expect(Math.abs(deadline - (world.time.now() - 3000 + 60_000))).toBeLessThan(50);
    // A write that has seen what was there wins, though its clock is behind.
    const seen = c!.ask({ op: 'get', namespace: 'default', key: 'k' });
    await world.pass(10);
    const { etag } = seen.outcome as { etag: string };
    c!.put('k', 'by the late one', { ifMatch: [etag] });
    await world.pass(3000);
    expect(world.values('k')).toEqual(['by the late one']);
    world.check();
  });

  test('a ledger that jumps, there and back, ends nothing early and is counted', async () => {
    const { world, sidecars: [a, b] } = await worldOf(['a', 'b'], { mirror: 'all' });
    a.step({ op: 'grant', namespace: 'default', holder: 'h', id: 'l', ttlMs: 6000 });
    a.put('session', 'v', { lease: 'l' });
    a.put('fixed', 'v', { ttlMs: 8000 });
    await world.pass(1000);
    const writtenAt = world.time.now() - 1000;
    world.ledgerAheadMs = 3000;
    await world.pass(1500);
    world.ledgerAheadMs = 0;
    for (let count = 0; count < 5; count++) {
      await world.pass(1000);
      a.step({ op: 'renew', id: 'l' });
      expect(a.held('session')).toBe('v');
      if (world.time.now() < writtenAt + 8000) expect(a.held('fixed')).toBe('v');
    }
    expect(a.reconciliation.tally.clockSteps).toBeGreaterThan(0);
    await world.pass(3000);
    expect(a.held('session')).toBe('v');
    expect(world.values('session')).toEqual(['v']);
    expect([...a.endings(), ...b.endings()]).toEqual(['fixed expired']);
    expect(a.reconciliation.tally.repairs).toEqual({ pushed: 0, pulled: 0, ended: 0 });
    world.check();
  });
});
