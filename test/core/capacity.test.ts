import { describe, expect, it } from 'vitest';
import { Core } from '../../src/core/core.ts';
import { contract, LIMITS, put, START_MS } from '../engine/world.ts';

function evicting(capacity: { leases?: number; entries?: number; bytes?: number }) {
  const namespace = contract({
    capacity: { leases: 100, entries: 100, bytes: 2000, eviction: 'soonestDeadline', ...capacity },
  });
  return new Core(
    {
      actor: '00000000000000aa', hashSeed: 1, namespaces: [namespace], autoCreateNamespaces: false,
      limits: LIMITS,
    },
    START_MS,
  );
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
