/** Reading what is not held here from the ledger, and what is answered when that cannot be. */
import { describe, expect, test } from 'vitest';
import type { NamespaceContract } from '../../src/core/contract.ts';
import type { PullRequest } from '../../src/ledger/ledger.ts';
import { contractOf } from '../core/fixtures.ts';
import { settled } from './simulated-time.ts';
import { type Sidecar, type SidecarOptions, World } from './world.ts';

const TTL = { defaultMs: 60_000, minMs: 100, maxMs: 120_000, maxLifetimeMs: 600_000 };
const text = new TextEncoder();

async function worldOfTwo(more: Partial<NamespaceContract> = {}, options: SidecarOptions = {}) {
  const world = new World();
  const contracts = [contractOf('default', { ttl: TTL, ...more })];
  const sidecars = ['a', 'b'].map((name) => world.add(name, { contracts, ...options }));
  const [a, b] = sidecars as [Sidecar, Sidecar];
  await world.pass(100);
  return { world, a, b };
}

function pulls({ link }: Sidecar): PullRequest[] {
  return link.sent
    .filter(({ operation }) => operation === 'pull')
    .map(({ request }) => request as PullRequest);
}

function get(sidecar: Sidecar, key: string, more: object = {}) {
  return sidecar.ask({ op: 'get', namespace: 'default', key, ...more });
}

describe('a read', () => {
  test('of what another sidecar holds gets it from the ledger, says so, and keeps no copy', async () => {
    const { world, a, b } = await worldOfTwo();
    a.put('k', 'one');
    await world.pass(50);
    const asked = get(b, 'k');
    await settled();
    expect(asked.outcome).toMatchObject({ source: 'ledger', value: text.encode('one') });
    expect(b.held('k')).toBeUndefined();
    expect(b.core.state.copies).toBe(0);
    world.check();
  });

  test('of what is held here asks nobody', async () => {
    const { world, a } = await worldOfTwo();
    a.put('k', 'one');
    await world.pass(50);
    const before = pulls(a).length;
    const asked = get(a, 'k');
    expect(asked.outcome).toMatchObject({ source: 'local' });
    expect(pulls(a)).toHaveLength(before);
  });

  test('of what nobody holds is a miss, which the ledger confirms', async () => {
    const { b } = await worldOfTwo();
    const asked = get(b, 'nothing');
    await settled();
    expect(asked.outcome).toMatchObject({ refused: 'entry-not-found', members: { source: 'ledger' } });
    expect(asked.outcome).not.toMatchObject({ members: { authoritative: false } });
  });

  test.each([
    'away', 'late', 'crowded',
  ] as const)('while the ledger is %s is answered from here, and says that it is no proof', async (how) => {
    const settings = how === 'crowded' ? { readThroughs: 0 } : {};
    const { world, a, b } = await worldOfTwo({}, { settings });
    a.put('k', 'one');
    await world.pass(50);
    b.link.away = how === 'away';
    if (how === 'late') b.link.script.push({ operation: 'pull', fate: 'lose-answer' });
    const asked = get(b, 'k');
    await world.pass(99);
    if (how === 'late') expect(asked.outcome).toBeUndefined();
    await world.pass(2);
    expect(asked).toMatchObject({
      answers: 1,
      outcome: {
        refused: 'entry-not-found', members: { source: 'local', authoritative: false },
      },
    });
    expect(b.reconciliation.tally.readThroughsMissed).toBe(1);
  });

  test('with consistency ledger asks even for what is held here, or is refused', async () => {
    const { world, a, b } = await worldOfTwo({ mirror: 'all' });
    a.put('k', 'one');
    await world.pass(500);
    expect(b.held('k')).toBe('one');
    a.put('k', 'two');
    await world.pass(5);
    expect(b.held('k')).toBe('one');
    expect(await b.get('k', { consistency: 'ledger' })).toBe('two');
    expect(b.held('k')).toBe('two');
    b.link.away = true;
    const asked = get(b, 'k', { consistency: 'ledger' });
    await settled();
    expect(asked.outcome).toMatchObject({ refused: 'ledger-unavailable' });
    expect(get(b, 'k').outcome).toMatchObject({ source: 'mirror' });
  });

  test('shares one request with everybody who wants the key, and with the same moment\'s keys', async () => {
    const { world, a, b } = await worldOfTwo();
    for (let count = 0; count < 12; count++) a.put(`k${count}`, `v${count}`);
    await world.pass(50);
    const before = pulls(b).length;
    const asked = Array.from({ length: 36 }, (_, count) => get(b, `k${count % 12}`));
    await settled();
    expect(asked.map(({ answers }) => answers)).toEqual(asked.map(() => 1));
    expect(asked.every(({ outcome }) => outcome !== undefined && 'value' in outcome)).toBe(true);
    // Four partitions hold them.
    expect(pulls(b).length - before).toBe(4);
    expect(b.core.state.copies).toBe(0);
  });

  test('whose answer was overtaken by the change log brings nothing old back', async () => {
    const settings = { readThroughMs: 2000 };
    const { world, a, b } = await worldOfTwo({ mirror: 'all' }, { settings });
    a.put('k', 'one');
    await world.pass(1000);
    let held: (() => void) | undefined;
    const original = b.link.pull.bind(b.link);
    b.link.pull = async (at, request) => {
      const reply = await original(at, request);
      if (request.ids.length > 0) await new Promise<void>((resolve) => (held = resolve));
      return reply;
    };
    const asked = get(b, 'k', { consistency: 'ledger' });
    await settled();
    a.delete('k');
    await world.pass(1000);
    expect(b.held('k')).toBeUndefined();
    held!();
    await settled();
    expect(asked.outcome).toMatchObject({ refused: 'entry-not-found' });
    expect(b.held('k')).toBeUndefined();
    expect(b.core.state.copies).toBe(0);
  });
});

describe('a write that depends on what is there', () => {
  test('knows what another sidecar holds: create-only, if-match, delete, increment', async () => {
    const { world, a, b } = await worldOfTwo();
    a.put('k', 'one');
    await world.pass(50);
    const create = b.put('k', 'two', { ifNoneMatch: '*' });
    await settled();
    expect(create.outcome).toMatchObject({ refused: 'version-mismatch' });
    const read = get(b, 'k');
    await settled();
    const { etag } = read.outcome as { etag: string };
    const update = b.put('k', 'two', { ifMatch: [etag] });
    await settled();
    expect(update.outcome).toMatchObject({ created: false });
    await world.pass(2000);
    expect(world.values('k')).toEqual(['two']);
    expect(a.endings()).toEqual(['k superseded']);

    a.put('n', '5');
    await world.pass(50);
    const increment = b.ask({ op: 'increment', namespace: 'default', key: 'n', by: 2 });
    await settled();
    expect(increment.outcome).toMatchObject({ value: 7 });

    a.put('d', 'one');
    await world.pass(50);
    const removed = b.delete('d');
    await settled();
    expect(removed.outcome).toEqual({ existed: true });
    await world.pass(3000);
    expect(world.values('d')).toEqual([]);
    expect(a.endings()).toContain('d deleted');
    expect(a.held('d')).toBeUndefined();
    world.check();
  });

  test('in a batch is told of up to 64 keys', async () => {
    const { world, a, b } = await worldOfTwo({}, { settings: { readThroughs: 500 } });
    for (let count = 0; count < 80; count++) a.put(`k${count}`, 'v');
    await world.pass(200);
    const asked = b.ask({
      op: 'batch', atomic: false,
      operations: Array.from({ length: 80 }, (_, count) => ({
        op: 'put' as const, namespace: 'default', key: `k${count}`, contentType: 'text/plain',
        value: text.encode('w'), ifNoneMatch: '*' as const,
      })),
    });
    await settled();
    expect(asked.outcome).toMatchObject({ applied: 16 });
    expect(b.core.state.copies).toBe(0);
  });

  test('goes on from here while the ledger is away, and blind writes never ask', async () => {
    const { world, a, b } = await worldOfTwo();
    a.put('k', 'one');
    await world.pass(50);
    const before = pulls(b).length;
    expect(b.put('k', 'two').outcome).toMatchObject({ created: true });
    expect(pulls(b)).toHaveLength(before);
    b.link.away = true;
    const asked = b.put('x', 'two', { ifNoneMatch: '*' });
    await settled();
    expect(asked.outcome).toMatchObject({ created: true });
  });
});

test('a namespace that does not reconcile is left alone', async () => {
  const world = new World();
  const sidecar = world.add('a', {
    contracts: [contractOf('default'), contractOf('mine', { class: 'local' })],
  });
  await world.pass(100);
  const before = sidecar.link.sent.length;
  sidecar.ask({
    op: 'put', namespace: 'mine', key: 'k', value: text.encode('v'), contentType: 'text/plain',
    ifNoneMatch: '*',
  });
  const asked = sidecar.ask({ op: 'get', namespace: 'mine', key: 'other' });
  await settled();
  expect(asked.outcome).toMatchObject({ refused: 'entry-not-found' });
  expect(asked.outcome).not.toHaveProperty('members.source');
  await world.pass(20);
  expect(sidecar.link.sent).toHaveLength(before);
});
