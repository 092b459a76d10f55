/** What a ledger has lost, kept too long, or got from nowhere is found and put right. */
import { describe, expect, test } from 'vitest';
import type { NamespaceContract } from '../../src/core/contract.ts';
import { contractOf } from '../core/fixtures.ts';
import { type Sidecar, World } from './world.ts';

const TTL = { defaultMs: 60_000, minMs: 100, maxMs: 120_000, maxLifetimeMs: 600_000 };

async function worldOf(names: readonly string[], more: Partial<NamespaceContract> = {}) {
  const world = new World();
  const contracts = [contractOf('default', { ttl: TTL, ...more })];
  const sidecars = names.map((name) => world.add(name, { contracts }));
  await world.pass(100);
  return { world, sidecars: sidecars as [Sidecar, Sidecar, ...Sidecar[]] };
}

function diffs({ link }: Sidecar): number {
  return link.operations().filter((operation) => operation === 'diff').length;
}

describe('a ledger restarted empty', () => {
  test('gets everything back from its owners', async () => {
    const { world, sidecars: [a, b] } = await worldOf(['a', 'b']);
    for (let count = 0; count < 30; count++) a.put(`a${count}`, 'v');
    for (let count = 0; count < 30; count++) b.put(`b${count}`, 'v');
    await world.pass(2000);
    world.ledger.clear();
    await world.pass(5000);
    for (const key of ['a0', 'a29', 'b0', 'b29']) expect(world.values(key)).toEqual(['v']);
    expect(a.reconciliation.tally.repairs.pushed).toBe(30);
    expect(b.reconciliation.tally.repairs.pushed).toBe(30);
    expect(a.reconciliation.tally.faults['lost-history']).toBeGreaterThan(0);
    expect([...a.endings(), ...b.endings()]).toEqual([]);
    expect(a.reconciliation.reasons()).toEqual([]);
    // And from then on all is as before.
    const before = diffs(a);
    await world.pass(20_000);
    expect(diffs(a)).toBe(before);
    world.check();
  });

  test('does not take copies along: they stay readable until their owners have told them again', async () => {
    const { world, sidecars: [a, b] } = await worldOf(['a', 'b'], { mirror: 'all' });
    a.put('k', 'one');
    await world.pass(2000);
    expect(b.held('k')).toBe('one');
    a.link.away = true;
    world.ledger.clear();
    for (let count = 0; count < 20; count++) {
      await world.pass(100);
      expect(b.held('k')).toBe('one');
    }
    a.link.away = false;
    await world.pass(10_000);
    expect(world.values('k')).toEqual(['one']);
    expect(b.held('k')).toBe('one');
  });

  test('and whose owner does not come back: copies of what is lost are dropped in the end', async () => {
    const { world, sidecars: [a, b] } = await worldOf(['a', 'b'], { mirror: 'all' });
    a.put('k', 'one');
    await world.pass(2000);
    await a.kill();
    world.ledger.clear();
    await world.pass(15_000);
    expect(b.held('k')).toBeUndefined();
    expect(b.endings()).toEqual([]);
  });

  test('hears first what has ended: whoever was cut off meanwhile does not bring it back', async () => {
    const { world, sidecars: [a, b] } = await worldOf(['a', 'b'], { mirror: 'all' });
    a.put('k', 'one');
    await world.pass(1000);
    a.link.away = true;
    b.delete('k');
    await world.pass(1000);
    expect(world.values('k')).toEqual([]);
    world.ledger.clear();
    await world.pass(8000);
    a.link.away = false;
    for (let count = 0; count < 100; count++) {
      await world.pass(100);
      expect(world.values('k')).toEqual([]);
    }
    expect(a.held('k')).toBeUndefined();
    expect(a.endings()).toHaveLength(1);
  });

  test('is no reason to be not ready while it is away', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    a.put('k', 'v');
    await world.pass(1000);
    world.ledger.clear();
    // It goes away again in the midst of the repair.
    a.link.refuses = ({ operation }) => (operation === 'push' ? 'unavailable' : undefined);
    let repairing = 0;
    for (let count = 0; count < 40; count++) {
      await world.pass(100);
      if (a.reconciliation.reasons().includes('repairing')) repairing += 1;
    }
    expect(repairing).toBeGreaterThan(0);
    a.link.away = true;
    await world.pass(3000);
    expect(a.reconciliation.reasons()).toEqual(['ledger-unavailable']);
  });

  test('makes the sidecar not ready only while the repair is under way', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    for (let count = 0; count < 30; count++) a.put(`k${count}`, 'v');
    await world.pass(2000);
    a.link.faults = { lostRequests: 0, lostAnswers: 0, duplicates: 0, delayMs: 90 };
    world.ledger.clear();
    let repairing = 0;
    for (let count = 0; count < 100; count++) {
      await world.pass(50);
      if (a.reconciliation.reasons().includes('repairing')) repairing += 1;
    }
    expect(repairing).toBeGreaterThan(0);
    expect(repairing).toBeLessThan(50);
    expect(a.reconciliation.reasons()).toEqual([]);
  });
});

describe('3: a failover to an older state, with more written since than was lost', () => {
  test.each([
    'none', 'all',
  ] as const)('is seen by the chain, mirror %s; what was lost is pushed again', async (mirror) => {
    const { world, sidecars: [a, b] } = await worldOf(['a', 'b'], { mirror });
    for (let count = 0; count < 10; count++) a.put(`a${count}`, 'early');
    await world.pass(2000);
    const older = world.ledger.image();
    for (let count = 0; count < 10; count++) a.put(`late${count}`, 'v');
    a.put('a3', 'newer');
    a.delete('a4');
    await world.pass(300);
    world.ledger.restore(older);
    // Twice as many as were lost, before the other one looks again: numbers alone look fine.
    for (let count = 0; count < 24; count++) b.put(`b${count}`, 'v');
    await world.pass(6000);
    for (let count = 0; count < 10; count++) expect(world.values(`late${count}`)).toEqual(['v']);
    expect(world.values('a3')).toEqual(['newer']);
    expect(world.values('a4')).toEqual([]);
    for (let count = 0; count < 24; count++) expect(world.values(`b${count}`)).toEqual(['v']);
    expect(a.reconciliation.tally.faults['lost-history']).toBeGreaterThan(0);
    if (mirror === 'all') {
      expect(b.held('a3')).toBe('newer');
      expect(b.held('a4')).toBeUndefined();
      expect(b.held('late9')).toBe('v');
      expect(a.held('b9')).toBe('v');
    }
    expect(a.endings()).toEqual(['a4 deleted']);
    world.check();
  });

  test('that has forgotten an answered push is looked into once, not with every heartbeat', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    const { outcome } = a.put('k', 'one');
    await world.pass(2000);
    const older = world.ledger.image();
    // A later deadline: the same write, so that there is nothing to tell again.
    a.step({ op: 'renew', id: (outcome as { lease: string }).lease });
    await world.pass(2000);
    expect(a.link.pushes()).toHaveLength(2);
    world.ledger.restore(older);
    await world.pass(5000);
    const before = diffs(a);
    expect(before).toBeGreaterThan(0);
    await world.pass(20_000);
    expect(diffs(a)).toBe(before);
  });

  test('does not bring back what had ended before it', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    a.put('k', 'one');
    await world.pass(1000);
    const older = world.ledger.image();
    a.delete('k');
    await world.pass(1000);
    world.ledger.restore(older);
    expect(world.values('k')).toEqual(['one']);
    await world.pass(5000);
    expect(world.values('k')).toEqual([]);
    expect(a.endings()).toEqual(['k deleted']);
  });

  test('does not bring back what had been written over', async () => {
    const { world, sidecars: [a] } = await worldOf(['a'], { conflict: 'siblings' });
    a.put('k', 'one');
    await world.pass(1000);
    const older = world.ledger.image();
    const read = a.step({ op: 'get', namespace: 'default', key: 'k' });
    a.put('k', 'two', 'context' in read ? { context: read.context } : {});
    await world.pass(1000);
    expect(world.values('k')).toEqual(['two']);
    world.ledger.restore(older);
    await world.pass(5000);
    expect(world.values('k')).toEqual(['two']);
    expect(a.held('k')).toBe('two');
  });
});

describe('a sidecar that copies nothing', () => {
  test('learns within a heartbeat that another one wrote over its value', async () => {
    const { world, sidecars: [a, b] } = await worldOf(['a', 'b']);
    a.put('k', 'one');
    await world.pass(2000);
    expect(await b.get('k')).toBe('one');
    b.put('k', 'two');
    await world.pass(2500);
    expect(a.held('k')).toBeUndefined();
    expect(a.endings()).toEqual(['k superseded']);
    expect(await a.get('k')).toBe('two');
  });

  test('shows the values of others beside its own for as long as their owners live', async () => {
    const { world, sidecars: [a, b] } = await worldOf(['a', 'b'], {
      conflict: 'siblings', autonomyMs: 5000,
    });
    a.put('k', 'one');
    b.step({ op: 'grant', namespace: 'default', holder: 'h', id: 'l', ttlMs: 4000 });
    b.put('k', 'two', { lease: 'l' });
    for (let count = 0; count < 15; count++) {
      await world.pass(2000);
      expect(b.step({ op: 'renew', id: 'l' })).toHaveProperty('lease');
      expect(a.held('k')).toEqual(['one', 'two']);
    }
  });

  test('keeps the values of others that stand beside its own, also across a lost log', async () => {
    const { world, sidecars: [a, b] } = await worldOf(['a', 'b'], { conflict: 'siblings' });
    a.put('k', 'one');
    b.put('k', 'two');
    await world.pass(3000);
    expect(a.held('k')).toEqual(['one', 'two']);
    a.link.away = true;
    await world.pass(1000);
    b.put('k', 'three');
    await world.pass(1000);
    // The same data under another history: nothing is lost, and no cursor leads on.
    world.ledger.restore(world.ledger.image());
    a.link.away = false;
    await world.pass(8000);
    expect(a.held('k')).toEqual(b.held('k'));
    expect(a.held('k')).toContain('three');
  });
});

describe('counting what awaits its sweep', () => {
  test('a million would be no repair: values that end at their deadlines make no difference', async () => {
    const { world, sidecars: [a] } = await worldOf(['a'], { mirror: 'all' });
    for (let count = 0; count < 300; count++) a.put(`k${count}`, 'v', { ttlMs: 3000 + count });
    await world.pass(12_000);
    expect(diffs(a)).toBe(0);
    const pushed = a.link.pushes().flatMap(({ records }) => records);
    expect(pushed.every(({ siblings }) => siblings.length === 1)).toBe(true);
    expect(a.endings()).toHaveLength(300);
    expect(world.record('k7')).toBeUndefined();
    expect(a.reconciliation.tally.repairs).toEqual({ pushed: 0, pulled: 0, ended: 0 });
  });

  test('is set right when the answer to a sweep got lost', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    a.put('k', 'v', { ttlMs: 2000 });
    a.put('stays', 'v');
    await world.pass(1500);
    for (let count = 0; count < 3; count++) {
      a.link.script.push({ operation: 'sweep', fate: 'lose-answer' });
    }
    await world.pass(10_000);
    expect(world.record('k')).toBeUndefined();
    const outcome = await a.reconciliation.reconcile({ dryRun: false });
    expect(outcome).toMatchObject({ outcome: 'in-step' });
    const before = diffs(a);
    expect(await a.reconciliation.reconcile({ dryRun: false })).toMatchObject({ outcome: 'in-step' });
    expect(diffs(a)).toBe(before);
    expect(a.reconciliation.tally.repairs).toEqual({ pushed: 0, pulled: 0, ended: 0 });
  });
});

describe('a truth check because somebody asks', () => {
  test('says that all is well, and in a dry run what it would do without doing it', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    for (let count = 0; count < 12; count++) a.put(`k${count}`, 'value');
    await world.pass(2000);
    expect(await a.reconciliation.reconcile({ dryRun: false })).toEqual({
      dryRun: false, partitions: 4, outcome: 'in-step',
      repairs: { pushed: 0, pulled: 0, ended: 0 },
    });
    world.ledger.clear();
    const dry = await a.reconciliation.reconcile({ dryRun: true });
    expect(dry).toMatchObject({ dryRun: true, partitions: 4, wouldPush: 12, wouldPull: 0 });
    expect((dry as { bytes: number }).bytes).toBeGreaterThan(12 * 5);
    expect(world.values('k0')).toEqual([]);
    const repair = await a.reconciliation.reconcile({ dryRun: false });
    expect(repair).toMatchObject({ outcome: 'repaired', repairs: { pushed: 12 } });
    await world.pass(100);
    expect(world.values('k0')).toEqual(['value']);
  });

  test('is refused while the ledger is away', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    a.put('k', 'v');
    a.link.away = true;
    await world.pass(5000);
    expect(await a.reconciliation.reconcile({ dryRun: true })).toMatchObject({
      refused: 'ledger-unavailable',
    });
  });
});
