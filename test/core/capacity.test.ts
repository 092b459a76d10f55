import { describe, expect, it } from 'vitest';
import type { CoreLimits, NamespaceContract } from '../../src/core/contract.ts';
import { Core } from '../../src/core/core.ts';
import { checkInvariants } from '../../src/core/invariants.ts';
import { contract, LIMITS, put, START_MS } from '../engine/world.ts';

function coreOf(namespace: NamespaceContract, limits: CoreLimits = LIMITS): Core {
  return new Core(
    {
      actor: '00000000000000aa', hashSeed: 1, namespaces: [namespace], autoCreateNamespaces: false,
      limits,
    },
    START_MS,
  );
}

function evicting(capacity: { leases?: number; entries?: number; bytes?: number }) {
  const namespace = contract({
    capacity: { leases: 100, entries: 100, bytes: 2000, eviction: 'soonestDeadline', ...capacity },
  });
  return coreOf(namespace);
}

describe('evicting', () => {
  it('takes those who would go first anyway', () => {
    const core = evicting({ entries: 3 });
    for (const [key, ttlMs] of [['a', 9000], ['b', 1000], ['c', 5000]] as const) {
      core.step(put(key, 'v', { ttlMs }), START_MS);
    }
    expect(core.step(put('d', 'v', { ttlMs: 9000 }), START_MS)).toMatchObject({ created: true });
    expect(core.step({ op: 'get', namespace: 'default', key: 'b' }, START_MS)).toMatchObject({
      refused: 'entry-not-found',
    });
    expect(core.usage()).toMatchObject({ entries: 3, evictions: 1 });
  });

  it('takes nobody for a value that would not fit an empty namespace', () => {
    const core = evicting({});
    for (let index = 0; index < 20; index++) core.step(put(`k${index}`), START_MS);
    expect(core.step(put('big', 'x'.repeat(3000)), START_MS)).toMatchObject({ refused: 'capacity' });
    expect(core.usage()).toMatchObject({ entries: 20, evictions: 0 });
  });

  it('takes no entry of an explicit lease when it is leases that are short', () => {
    const core = evicting({ leases: 1 });
    core.step({ op: 'grant', namespace: 'default', holder: 'h', id: 'l' }, START_MS);
    core.step(put('a', 'v', { lease: 'l' }), START_MS);
    expect(core.step(put('b'), START_MS)).toMatchObject({ refused: 'capacity' });
    expect(core.usage()).toMatchObject({ entries: 1, evictions: 0 });
  });
});

describe('a write and its own values', () => {
  it('never evicts a value of the key it is about', () => {
    const namespace = contract({
      conflict: 'siblings',
      capacity: { leases: 10, entries: 3, bytes: 2000, eviction: 'soonestDeadline' },
    });
    const core = coreOf(namespace);
    core.step(put('a', '1', { ttlMs: 9000 }), START_MS);
    // Beside the first, and under leases that would go first.
    core.step(put('a', '2', { ttlMs: 1000 }), START_MS);
    core.step(put('a', '3', { ttlMs: 2000 }), START_MS);
    expect(core.step(put('a', '4'), START_MS)).toMatchObject({ refused: 'capacity' });
    const read = core.step({ op: 'get', namespace: 'default', key: 'a' }, START_MS);
    expect('siblings' in read && read.siblings).toHaveLength(3);
    expect(core.usage().evictions).toBe(0);
    checkInvariants(core);
  });

  it('is refused in a batch that has ended more leases than there are rows to spare', () => {
    const limits = { ...LIMITS, leases: 4000, entries: 9000, endedMemory: { entries: 1, ttlMs: 1000 } };
    const namespace = contract({
      conflict: 'siblings',
      capacity: { leases: 4000, entries: 9000, bytes: 1 << 20, eviction: 'refuse' },
    });
    const core = coreOf(namespace, limits);
    const keys = Array.from({ length: 500 }, (_, index) => `k${index}`);
    for (const key of keys) {
      for (let sibling = 0; sibling < 8; sibling++) core.step(put(key, 'v', { ttlMs: 9000 + sibling }), START_MS);
    }
    const operations = [
      ...keys.map((key) => ({ op: 'delete' as const, namespace: 'default', key })),
      ...Array.from({ length: 1100 }, (_, index) => put(`n${index}`, 'v', { ttlMs: 5000 })),
    ];
    expect(core.usage().entries).toBe(4000);
    const reply = core.step({ op: 'batch', atomic: true, operations }, START_MS);
    expect(reply).toMatchObject({ refused: 'batch-refused' });
    expect(core.usage().entries).toBe(4000);
    checkInvariants(core);
  });
});

describe('a key rewritten under fresh leases in one batch', () => {
  it('is refused where the batch ends more leases than there are rows to spare', () => {
    const limits = { ...LIMITS, leases: 10, endedMemory: { entries: 1, ttlMs: 1000 } };
    const core = coreOf(contract({ capacity: { leases: 10, entries: 10, bytes: 2000, eviction: 'refuse' } }), limits);
    const operations = Array.from({ length: 1200 }, () => put('a', 'v', { ttlMs: 5000 }));
    expect(core.step({ op: 'batch', atomic: true, operations }, START_MS)).toMatchObject({
      refused: 'batch-refused',
    });
    expect(core.usage()).toMatchObject({ entries: 0, leases: 0 });
    const piecewise = core.step({ op: 'batch', atomic: false, operations }, START_MS);
    expect(piecewise).toMatchObject({ applied: 1200 });
    checkInvariants(core);
  });
});

describe('many namespaces', () => {
  it('are told apart beyond 256', () => {
    const namespaces = [contract(), ...Array.from({ length: 300 }, (_, index) => contract({ name: `n${index}` }))];
    const core = new Core(
      {
        actor: '00000000000000aa', hashSeed: 1, namespaces, autoCreateNamespaces: false,
        limits: { ...LIMITS, namespaces: 400 },
      },
      START_MS,
    );
    for (const index of [43, 299]) {
      const value = new TextEncoder().encode(`of ${index}`);
      core.step({ ...put('a'), value, namespace: `n${index}` }, START_MS);
    }
    for (const index of [43, 299]) {
      const read = core.step({ op: 'get', namespace: `n${index}`, key: 'a' }, START_MS);
      expect('value' in read && new TextDecoder().decode(read.value)).toBe(`of ${index}`);
    }
  });
});
