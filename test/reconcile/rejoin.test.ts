/** Silence beyond the autonomy bound, and going on as another run (PROTOCOL §2.5, §3.5 rule 6). */
import { describe, expect, test } from 'vitest';
import type { BeatRequest, JoinReply, PushReply } from '../../src/ledger/ledger.ts';
import { World } from './world.ts';
import { worldOf } from './world-of.ts';

describe('a sidecar that was silent for too long', () => {
  test('takes another actor before it says anything as the old one', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    a.put('told', 'v');
    await world.pass(1000);
    const old = a.replica.actor;
    a.link.away = true;
    await world.pass(3000);
    a.put('untold', 'v');
    await world.pass(9000);
    a.link.away = false;
    const before = a.link.sent.length;
    await world.pass(8000);
    expect(a.replica.actor).not.toBe(old);
    expect(a.replica.predecessors).toEqual([old]);
    const spoken = a.link.sent
      .slice(before)
      .filter(({ operation }) => operation === 'beat' || operation === 'push')
      .map(({ request }) => (request as BeatRequest).caller.actor);
    expect(new Set(spoken)).toEqual(new Set([a.replica.actor]));
    expect(world.record('told')!.siblings[0]!.dot.actor).toBe(old);
    expect(world.record('untold')!.siblings[0]!.dot.actor).toBe(a.replica.actor);
    expect(a.reconciliation.tally.rejoins).toBe(1);
    expect(a.reconciliation.reasons()).toEqual([]);
    expect(a.endings()).toEqual([]);
    world.check();
  });

  test('learns so from the ledger, too; its first pushes say that it rejoins', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    a.put('k', 'v');
    await world.pass(1000);
    a.link.script.push({
      operation: 'push', fate: (reply: PushReply) => ({ ...reply, status: 'stale', results: [] }),
    });
    const before = a.link.pushes().length;
    a.put('k2', 'v');
    await world.pass(3000);
    const pushes = a.link.pushes().slice(before);
    expect(pushes.map(({ rejoining }) => rejoining)).toEqual(
      pushes.map((_push, index) => index > 0),
    );
    expect(pushes.length).toBeGreaterThan(1);
    expect(world.values('k2')).toEqual(['v']);
    a.put('k3', 'v');
    await world.pass(3000);
    expect(a.link.pushes().at(-1)!.rejoining).toBe(false);
    expect(a.reconciliation.tally.faults.stale).toBe(1);
    expect(a.reconciliation.reasons()).toEqual([]);
  });

  test('does not bring back what the others have ended for it', async () => {
    const { world, sidecars: [a, b] } = await worldOf(['a', 'b'], { mirror: 'all' });
    a.step({ op: 'grant', namespace: 'default', holder: 'h', id: 'l', ttlMs: 6000 });
    a.put('session', 'v', { lease: 'l' });
    a.put('fixed', 'v', { ttlMs: 90_000 });
    await world.pass(1000);
    a.link.away = true;
    await world.pass(30_000);
    expect(world.values('session')).toEqual([]);
    expect(b.endings()).toEqual(['session expired']);
    a.link.away = false;
    await world.pass(15_000);
    expect(world.values('session')).toEqual([]);
    expect(a.held('session')).toBeUndefined();
    expect(world.values('fixed')).toEqual(['v']);
    // Its own watchers were told at the deadline; under the same identity.
    expect(a.endings()).toEqual(['session expired']);
    world.check();
  });

  test('keeps the stamp of what it writes again: nothing gets younger by isolation', async () => {
    const { world, sidecars: [a, b] } = await worldOf(['a', 'b']);
    a.put('other', 'v');
    await world.pass(1000);
    a.link.away = true;
    await world.pass(100);
    a.put('k', 'old');
    await world.pass(5000);
    b.put('k', 'new');
    await world.pass(8000);
    a.link.away = false;
    await world.pass(10_000);
    expect(world.values('k')).toEqual(['new']);
    expect(await a.get('k')).toBe('new');
    expect(a.endings()).toEqual(['k superseded']);
  });
});

describe('joining', () => {
  test('goes on in the background while everything local is served', async () => {
    const world = new World();
    const a = world.add('a');
    a.link.away = true;
    expect(a.put('k', 'v').outcome).toMatchObject({ created: true });
    await world.pass(20_000);
    expect(a.reconciliation.status().ledger).toMatchObject({ state: 'away', unpushed: 1 });
    expect(a.reconciliation.reasons()).toContain('ledger-unavailable');
    a.link.away = false;
    await world.pass(10_000);
    expect(world.values('k')).toEqual([]);
    a.put('k', 'w');
    await world.pass(2000);
    expect(world.values('k')).toEqual(['w']);
    expect(a.reconciliation.status().ledger.state).toBe('connected');
  });

  test('11: as an actor that is in use already: another one is taken', async () => {
    const world = new World();
    const a = world.add('a');
    await world.pass(100);
    const shared = a.replica.actor;
    const twin = world.add('b', { actor: shared });
    expect(twin.replica.actor).toBe(shared);
    twin.put('k', 'v');
    await world.pass(1000);
    expect(twin.replica.actor).not.toBe(shared);
    expect(world.record('k')!.siblings[0]!.dot.actor).toBe(twin.replica.actor);
    expect(twin.reconciliation.reasons()).toEqual([]);
  });

  test.each([
    ['layout', { status: 'layout', partitions: 8, buckets: 16 }],
    ['version', { status: 'version', versionMin: 3, versionMax: 4 }],
  ] as const)('a ledger of another %s is asked again rarely, and named once', async (obstacle, reply) => {
    const world = new World();
    const a = world.add('a');
    for (let count = 0; count < 3; count++) {
      a.link.script.push({ operation: 'join', fate: () => reply as JoinReply });
    }
    await world.pass(61_000);
    expect(a.link.operations().filter((operation) => operation === 'join')).toHaveLength(3);
    expect(a.reconciliation.reasons()).toEqual(['ledger-misconfigured']);
    const errors = a.logged.filter(({ level }) => level === 'error');
    expect(errors).toHaveLength(1);
    expect(errors[0]!.fields).toMatchObject({ 'error.type': obstacle });
    await world.pass(31_000);
    expect(a.reconciliation.reasons()).toEqual([]);
  });

  test('a ledger that refuses the configuration likewise', async () => {
    const world = new World();
    const a = world.add('a');
    a.link.refuses = ({ operation }) => (operation === 'join' ? 'misconfigured' : undefined);
    await world.pass(100_000);
    expect(a.link.operations().filter((operation) => operation === 'join').length).toBeLessThan(6);
    expect(a.reconciliation.reasons()).toEqual(['ledger-misconfigured']);
    expect(a.logged.filter(({ level }) => level === 'error')).toHaveLength(1);
  });
});

describe('a new run', () => {
  test('goes on with what its journal holds, and vouches for the run before it', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    a.step({ op: 'grant', namespace: 'default', holder: 'h', id: 'l', ttlMs: 8000 });
    a.put('session', 'v', { lease: 'l' });
    a.put('fixed', 'v');
    await world.pass(1000);
    a.link.away = true;
    a.put('untold', 'v');
    await world.pass(500);
    const heir = await world.restart(a);
    for (let count = 0; count < 10; count++) {
      await world.pass(2000);
      expect(heir.step({ op: 'renew', id: 'l' })).toHaveProperty('lease');
    }
    for (const key of ['session', 'fixed', 'untold']) {
      expect(world.values(key)).toEqual(['v']);
      // Never written again: the old run's writes stay its own.
      expect(world.record(key)!.siblings[0]!.dot.actor).toBe(a.replica.actor);
    }
    expect(heir.replica.predecessors).toEqual([a.replica.actor]);
    expect(heir.reconciliation.tally.repairs.ended).toBe(0);
    expect([...a.endings(), ...heir.endings()]).toEqual([]);
    expect(heir.reconciliation.reasons()).toEqual([]);
    world.check();
  });

  test('knows after its first comparison that the ledger has what it holds', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    a.put('k', 'v', { ttlMs: 100_000 });
    await world.pass(1000);
    const heir = await world.restart(a);
    await world.pass(3000);
    heir.link.away = true;
    await world.pass(12_000);
    heir.link.away = false;
    await world.pass(10_000);
    expect(heir.reconciliation.tally.rejoins).toBe(1);
    // So an isolation does not make it write that again.
    expect(world.record('k')!.siblings[0]!.dot.actor).toBe(a.replica.actor);
  });

  test('ends again what it had ended of the run before it, when the ledger goes back', async () => {
    const { world, sidecars: [a] } = await worldOf(['a'], { conflict: 'siblings' });
    a.step({ op: 'grant', namespace: 'default', holder: 'h', id: 'l', ttlMs: 60_000 });
    a.put('k', 'old', { lease: 'l' });
    await world.pass(1000);
    const heir = await world.restart(a);
    await world.pass(2000);
    heir.step({ op: 'grant', namespace: 'default', holder: 'h', id: 'm', ttlMs: 60_000 });
    heir.put('k', 'new', { lease: 'm' });
    await world.pass(2000);
    expect(world.values('k')).toEqual(['new', 'old']);
    const older = world.ledger.image();
    heir.step({ op: 'release', id: 'l' });
    await world.pass(2000);
    expect(world.values('k')).toEqual(['new']);
    world.ledger.restore(older);
    // Before anybody could end it as an orphan's.
    await world.pass(4000);
    expect(world.values('k')).toEqual(['new']);
    expect(heir.endings()).toEqual(['k released']);
    world.check();
  });

  test('S3: whose journal has lost the end vouches for what it holds, and for nothing else', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    // In one partition, as the vouching is by partition.
    const [kept, lost] = ['k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7', 'k8']
      .filter((key) => world.place(key) === world.place('k0'));
    a.step({ op: 'grant', namespace: 'default', holder: 'h', id: 'l', ttlMs: 8000 });
    a.put(kept!, 'v', { lease: 'l' });
    await world.pass(1000);
    const facts = a.journal.length;
    a.step({ op: 'grant', namespace: 'default', holder: 'h', id: 'm', ttlMs: 8000 });
    a.put(lost!, 'v', { lease: 'm' });
    await world.pass(1000);
    const heir = await world.restart(a, a.journal.length - facts);
    for (let count = 0; count < 20; count++) {
      await world.pass(2000);
      expect(heir.step({ op: 'renew', id: 'l' })).toHaveProperty('lease');
    }
    expect(world.values(kept!)).toEqual(['v']);
    // Nobody keeps it alive: it ends as an orphan's (S7 would keep it for ever).
    expect(world.values(lost!)).toEqual([]);
    // What is held goes on as the new run's own, and that did not take an isolation.
    expect(world.record(kept!)!.siblings[0]!.dot.actor).toBe(heir.replica.actor);
    expect(heir.reconciliation.tally.rejoins).toBe(0);
    expect(heir.reconciliation.reasons()).toEqual([]);
    world.check();
  });

  test('2: whose last push was taken unknown to it, and written over, brings nothing back', async () => {
    for (const conflict of ['lww', 'siblings'] as const) {
      const { world, sidecars: [a, b] } = await worldOf(['a', 'b'], { conflict });
      a.link.loses = ({ operation }) => operation === 'push';
      a.put('k', 'one');
      await world.pass(100);
      expect(world.values('k')).toEqual(['one']);
      a.link.away = true;
      const read = b.ask({ op: 'get', namespace: 'default', key: 'k' });
      await world.pass(10);
      const { context } = read.outcome as { context: string };
      b.put('k', 'two', { context });
      await world.pass(500);
      expect(world.values('k')).toEqual(['two']);
      const heir = await world.restart(a);
      await world.pass(5000);
      expect(world.values('k')).toEqual(['two']);
      expect(await heir.get('k')).toBe('two');
      expect(b.held('k')).toBe('two');
      expect(heir.endings()).toEqual(['k superseded']);
    }
  });
});
