/**
 * What a run finds in the ledger of the runs before it, whose journal it has read: most of it known,
 * some of it lost with the power of the machine.
 */
import { describe, expect, test } from 'vitest';
import type { World } from './world.ts';
import { worldOf } from './world-of.ts';

function endsOf(world: World, key: string): string[] {
  return world
    .facts()
    .flatMap((fact) => (fact.kind === 'entry.ended' && fact.key === key ? [fact.reason] : []));
}

describe('a value whose write the journal has lost', () => {
  test('has its end told by the heir, when it is over by then', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    a.put('k', 'v', { ttlMs: 2000 });
    await world.pass(500);
    await a.kill();
    await world.pass(3000);
    await world.restart(a, a.journal.length - 1);
    // Something that makes the new run look into the partition.
    const beside = Array.from({ length: 40 }, (_, n) => `k${n}`).find((key) => world.place(key) === world.place('k'));
    world.sidecars[0]!.put(beside!, 'w', { ttlMs: 60_000 });
    await world.pass(20_000);
    expect(world.values('k')).toEqual([]);
    expect(endsOf(world, 'k')).toEqual(['expired']);
    world.check();
  });

  test('has it told once it is over, when it lives on', async () => {
    const { world, sidecars: [a, b] } = await worldOf(['a', 'b']);
    a.put('k', 'v', { ttlMs: 8000 });
    await world.pass(500);
    const heir = await world.restart(a, a.journal.length - 1);
    await world.pass(2000);
    expect(endsOf(world, 'k')).toEqual([]);
    await world.pass(30_000);
    expect(world.values('k')).toEqual([]);
    expect(endsOf(world, 'k')).toEqual(['expired']);
    expect([heir.endings(), b!.endings()].flat()).toEqual(['k expired']);
    world.check();
  });
});

describe('a value under an explicit lease, whose write the journal has lost', () => {
  test.each(['released', 'left to its deadline'])('has its end told when the lease is %s', async (how) => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    a.step({ op: 'grant', namespace: 'default', holder: 'h', id: 'l', ttlMs: 8000 });
    const kept = a.journal.length;
    a.put('k', 'v', { lease: 'l' });
    await world.pass(500);
    const heir = await world.restart(a, a.journal.length - kept);
    await world.pass(500);
    if (how === 'released') heir.step({ op: 'release', id: 'l' });
    else await world.pass(8000);
    // Not served any more, and not taken for told because of that.
    await heir.get('k');
    await world.pass(60_000);
    expect(world.values('k')).toEqual([]);
    expect(endsOf(world, 'k')).toEqual(['expired']);
    world.check();
  });

  test('does not end the lease when it was written over', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    a.step({ op: 'grant', namespace: 'default', holder: 'h', id: 'l', ttlMs: 20_000 });
    a.put('k', 'one', { lease: 'l' });
    await world.pass(500);
    const kept = a.journal.length;
    a.put('k', 'two');
    await world.pass(500);
    const heir = await world.restart(a, a.journal.length - kept);
    await world.pass(1000);
    await heir.get('k');
    await world.pass(1000);
    expect(heir.step({ op: 'renew', id: 'l' })).toHaveProperty('lease');
    expect(world.values('k')).toEqual(['two']);
    world.check();
  });
});

describe('a value that the heir has ended', () => {
  test('does not come back by way of a ledger that has not swept it yet', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    a.put('k', 'v', { ttlMs: 2000 });
    await world.pass(500);
    const heir = await world.restart(a);
    await world.pass(1000);
    // Its clock goes back, so that the value is not over there for a while.
    world.ledgerAheadMs = -400;
    await world.pass(501);
    expect(heir.endings()).toEqual(['k expired']);
    expect(world.values('k')).toEqual(['v']);
    expect(await heir.get('k')).toBeUndefined();
  });

  test('is not told again in the words of the ledger', async () => {
    const { world, sidecars: [a, b] } = await worldOf(['a', 'b'], { conflict: 'lww' });
    a.put('k', 'one', { ttlMs: 1000 });
    await world.pass(500);
    await world.restart(a);
    // Written without having seen the first, and before the ledger has swept that.
    await world.pass(510);
    b!.put('k', 'two', { ttlMs: 1000 });
    await world.pass(40_000);
    expect(endsOf(world, 'k')).toEqual(['expired', 'expired']);
    world.check();
  });

  test('is not told again by a process that has been isolated since', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    a.put('k', 'v', { ttlMs: 2000 });
    await world.pass(500);
    // By its own clock it has time left when it wakes; by that of the ledger it is long over.
    a.scheduler.suspend();
    await world.pass(12_000);
    a.scheduler.resume();
    a.delete('k');
    await world.pass(60_000);
    expect(world.values('k')).toEqual([]);
    expect(endsOf(world, 'k')).toEqual(['deleted']);
  });
});
