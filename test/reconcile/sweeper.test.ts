/** Sweeps: own values without a word, and those of the silent with their endings published. */
import { describe, expect, test } from 'vitest';
import type { SweepReply, SweepRequest } from '../../src/ledger/ledger.ts';
import { contractOf } from '../core/fixtures.ts';
import { type Sidecar, World } from './world.ts';
import { worldOf } from './world-of.ts';

const TTL = { defaultMs: 60_000, minMs: 100, maxMs: 120_000, maxLifetimeMs: 600_000 };

function sweeps({ link }: Sidecar, scope: SweepRequest['scope']): SweepRequest[] {
  return link.sent
    .filter(({ operation }) => operation === 'sweep')
    .map(({ request }) => request as SweepRequest)
    .filter((request) => request.scope === scope);
}

describe('own values past their final deadline', () => {
  test('are swept soon, not with every look, and leave nothing behind', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    for (let count = 0; count < 40; count++) a.put(`k${count}`, 'v', { ttlMs: 2000 });
    await world.pass(6000);
    expect(a.endings()).toHaveLength(40);
    expect(world.record('k0')).toBeUndefined();
    expect(a.replica.unswept('default', 0)).toBe(0);
    expect(sweeps(a, 'own').length).toBeLessThan(24);
    const pushed = a.link.pushes().flatMap(({ records }) => records);
    expect(pushed.every(({ siblings }) => siblings.length > 0)).toBe(true);
  });

  test('are not swept while something waits to be pushed there', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    a.put('k', 'v', { ttlMs: 2000 });
    await world.pass(1000);
    a.link.refuses = ({ operation }) => (operation === 'push' ? 'unavailable' : undefined);
    a.put('k', 'again', { ttlMs: 60_000 });
    await world.pass(4000);
    expect(sweeps(a, 'own')).toEqual([]);
  });
});

describe('values of a sidecar that is gone', () => {
  test.each([
    'none', 'all',
  ] as const)('end after its silence, once, told by another; mirror %s', async (mirror) => {
    const { world, sidecars: [a, b, c] } = await worldOf(['a', 'b', 'c'], { mirror });
    a.step({ op: 'grant', namespace: 'default', holder: 'h', id: 'l', ttlMs: 4000 });
    a.put('session', 'v', { lease: 'l' });
    a.put('fixed', 'v', { ttlMs: 3000 });
    a.put('longer', 'v', { ttlMs: 50_000 });
    await world.pass(1000);
    await a.kill();
    const goneAt = world.time.now();
    let endedAt = 0;
    for (let count = 0; count < 400; count++) {
      await world.pass(100);
      if (endedAt === 0 && world.values('session').length === 0) endedAt = world.time.now();
    }
    // Not before autonomy, step and slack are over, however early the deadline was.
    expect(endedAt - goneAt).toBeGreaterThan(5000 - 1000);
    expect(endedAt - goneAt).toBeLessThan(20_000);
    const told = [...b.endings(), ...c!.endings()].sort();
    expect(told).toEqual(['fixed expired', 'session expired']);
    expect(world.values('longer')).toEqual(['v']);
    await world.pass(30_000);
    expect([...b.endings(), ...c!.endings()].sort()).toEqual([
      'fixed expired', 'longer expired', 'session expired',
    ]);
  });

  test('are told although the answer to the sweep got lost', async () => {
    const { world, sidecars: [a, b] } = await worldOf(['a', 'b']);
    a.put('k', 'v', { ttlMs: 3000 });
    await world.pass(1000);
    await a.kill();
    // The sweep that ends it, and the first attempt to find out, get no answer.
    let lost = 0;
    b.link.loses = ({ operation, request, reply }) => {
      const { ended = [] } = (reply ?? {}) as Partial<SweepReply>;
      const swept = operation === 'sweep' && ended.length > 0 && !(request as SweepRequest).dryRun;
      const asked = operation === 'pull' && lost === 1;
      if (swept || asked) lost += 1;
      return swept || asked;
    };
    await world.pass(30_000);
    expect(lost).toBe(2);
    expect(b.endings()).toEqual(['k expired']);
  });
});

describe('the flag for it', () => {
  test('off: nobody is asked; shadow: it is counted, and nothing done', async () => {
    for (const sweep of ['off', 'shadow'] as const) {
      const { world, sidecars: [a, b] } = await worldOf(['a', 'b']);
      b.flags = { ...b.flags, sweep };
      a.put('k', 'v', { ttlMs: 3000 });
      await world.pass(1000);
      await a.kill();
      await world.pass(30_000);
      expect(world.values('k')).toEqual(['v']);
      expect(b.endings()).toEqual([]);
      expect(sweeps(b, 'orphans').every(({ dryRun }) => dryRun)).toBe(true);
      expect(sweeps(b, 'orphans').length > 0).toBe(sweep === 'shadow');
      expect(b.reconciliation.tally.withheld.sweeps > 0).toBe(sweep === 'shadow');
      b.flags = { ...b.flags, sweep: 'on' };
      await world.pass(20_000);
      expect(b.endings()).toEqual(['k expired']);
    }
  });
});

describe('a bus that is behind', () => {
  test('is not owed the endings of others too; they are told when there is room', async () => {
    const world = new World();
    const contracts = [contractOf('default', { ttl: TTL, autonomyMs: 5000 })];
    const limits = { outbox: { endings: 8, endingBytes: 1 << 16 } };
    const a = world.add('a', { contracts });
    const b = world.add('b', { contracts, limits });
    await world.pass(100);
    a.put('k', 'v', { ttlMs: 3000 });
    for (let count = 0; count < 4; count++) b.core.oweEnding('default', false, 100);
    await world.pass(1000);
    await a.kill();
    await world.pass(30_000);
    expect(b.endings()).toEqual([]);
    b.core.settleEnding('default', false, 100);
    await world.pass(20_000);
    expect(b.endings()).toEqual(['k expired']);
  });
});
