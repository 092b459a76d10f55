/** A sidecar leaves in order, and another one goes on with its leases (PROTOCOL §11, step 13). */
import { describe, expect, it } from 'vitest';
import type { Bearer } from '../../src/core/bearer.ts';
import { isRefusal } from '../../src/core/refusal.ts';
import { contractOf } from '../core/fixtures.ts';
import { settled } from './simulated-time.ts';
import { type Sidecar, World } from './world.ts';

const HANDOVER = contractOf('default', {
  onDrain: 'handover',
  ttl: { defaultMs: 20_000, minMs: 100, maxMs: 60_000, maxLifetimeMs: 600_000 },
});

async function worldOfTwo(adoption: 'off' | 'shadow' | 'on' = 'on', bearer?: Bearer) {
  const world = new World();
  const [leaving, staying] = ['a', 'b'].map((name) => world.add(name, { contracts: [HANDOVER] })) as [
    Sidecar, Sidecar,
  ];
  staying.flags = { ...staying.flags, adoption };
  await world.pass(100);
  const labels = { zone: 'x' };
  leaving.ask({ op: 'grant', namespace: 'default', holder: 'worker', id: 'job', labels, ...by(bearer) });
  await settled();
  for (const key of ['one', 'two', 'three']) leaving.put(key, `of ${key}`, { lease: 'job' });
  leaving.put('alone', 'implicit');
  await world.pass(500);
  return { world, leaving, staying };
}

function by(bearer: Bearer | undefined): { readonly bearer?: Bearer } {
  return bearer === undefined ? {} : { bearer };
}

async function leave(world: World, sidecar: Sidecar): Promise<void> {
  let left: number | undefined;
  void sidecar.reconciliation.drain(5000).then((outcome) => {
    left = outcome.left;
  });
  await world.pass(1000);
  expect(left).toBe(0);
  await sidecar.kill();
}

async function ask(sidecar: Sidecar, holder: string, bearer?: Bearer) {
  const asked = sidecar.ask({ op: 'grant', namespace: 'default', holder, id: 'job', ...by(bearer) });
  await settled();
  return asked.outcome;
}

describe('a lease that was handed over', () => {
  it('goes on at the next sidecar: same id, holder, deadline, labels and entries; nothing ends', async () => {
    const { world, leaving, staying } = await worldOfTwo();
    const lease = leaving.step({ op: 'get-lease', id: 'job' });
    if (isRefusal(lease)) throw new Error(lease.detail);
    await leave(world, leaving);
    const outcome = await ask(staying, 'worker');
    expect(outcome).toMatchObject({
      adopted: true, created: false,
      lease: { id: 'job', holder: 'worker', entries: 3, labels: { zone: 'x' } },
    });
    const adopted = staying.step({ op: 'get-lease', id: 'job' });
    if (isRefusal(adopted)) throw new Error(adopted.detail);
    expect(Math.abs(adopted.lease.expiresAt - lease.lease.expiresAt)).toBeLessThan(50);
    expect(staying.held('two')).toBe('of two');
    expect(staying.facts.map(({ kind }) => kind))
      .toEqual(['lease.granted', 'entry.written', 'entry.written', 'entry.written']);
    await world.pass(60_000);
    // The orphan that nobody adopted was swept; the adopted ones ended at their lease's deadline.
    expect(staying.endings().sort()).toEqual([
      'alone expired', 'one expired', 'three expired', 'two expired',
    ]);
    expect(leaving.endings()).toEqual([]);
    world.check();
  });

  it('is refused to another holder', async () => {
    const { world, leaving, staying } = await worldOfTwo();
    await leave(world, leaving);
    expect(await ask(staying, 'somebody else')).toMatchObject({ refused: 'lease-held' });
    expect(await ask(staying, 'worker')).toMatchObject({ adopted: true });
  });

  it('is its subject’s alone at the next sidecar too', async () => {
    const [web, jobs] = ['web', 'jobs'].map((subject) => ({ subject, namespaces: undefined }));
    const { world, leaving, staying } = await worldOfTwo('on', web);
    await leave(world, leaving);
    expect(await ask(staying, 'worker', jobs)).toMatchObject({ refused: 'forbidden' });
    expect(await ask(staying, 'worker', web)).toMatchObject({
      adopted: true, lease: { labels: { zone: 'x' } },
    });
    expect(staying.step({ op: 'renew', id: 'job', ...by(jobs) })).toMatchObject({ refused: 'forbidden' });
  });

  it('is taken up by one of two that ask at once', async () => {
    const { world, leaving, staying } = await worldOfTwo();
    const third = world.add('c', { contracts: [HANDOVER] });
    await world.pass(100);
    await leave(world, leaving);
    const asked = [staying, third].map((sidecar) =>
      sidecar.ask({ op: 'grant', namespace: 'default', holder: 'worker', id: 'job' }));
    await settled();
    const adopted = asked.filter(({ outcome }) => outcome !== undefined && 'adopted' in outcome);
    expect(adopted).toHaveLength(1);
  });

  it('is left alone by the flag, and only counted in its shadow', async () => {
    for (const adoption of ['off', 'shadow'] as const) {
      const { world, leaving, staying } = await worldOfTwo(adoption);
      await leave(world, leaving);
      expect(await ask(staying, 'worker')).toMatchObject({ created: true });
      expect(staying.reconciliation.tally.withheld.adoptions).toBe(adoption === 'shadow' ? 1 : 0);
    }
  });

  it('is no entry: listings, copies and endings do not show it', async () => {
    const { world, leaving, staying } = await worldOfTwo();
    const mirror = world.add('m', { contracts: [{ ...HANDOVER, mirror: 'all' }] });
    await leave(world, leaving);
    await world.pass(2000);
    const page = mirror.step({
      op: 'list-entries', namespace: 'default', prefix: '', limit: 50, values: false,
    });
    expect(page).toMatchObject({
      entries: [{ key: 'alone' }, { key: 'one' }, { key: 'three' }, { key: 'two' }],
    });
    await world.pass(120_000);
    const told = [staying, mirror].flatMap((sidecar) => sidecar.endings()).sort();
    expect(told).toEqual(['alone expired', 'one expired', 'three expired', 'two expired']);
  });
});
