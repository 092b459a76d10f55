import { describe, expect, test } from 'vitest';
import { contractOf } from '../core/fixtures.ts';
import { World } from './world.ts';

describe('a write', () => {
  test('is in the ledger soon, and read by another sidecar', async () => {
    const world = new World();
    const a = world.add('a');
    const b = world.add('b');
    await world.pass(100);
    a.put('k', 'one', { ttlMs: 30_000 });
    await world.pass(10);
    expect(await b.get('k')).toBe('one');
    expect(a.reconciliation.status().ledger.unpushed).toBe(0);
    expect(a.reconciliation.reasons()).toEqual([]);
    world.check();
  });

  test('of two sidecars to one key, under siblings: both values, at both', async () => {
    const world = new World();
    const contracts = [contractOf('default', { conflict: 'siblings' })];
    const a = world.add('a', { contracts });
    const b = world.add('b', { contracts });
    await world.pass(100);
    a.put('k', 'one', { ttlMs: 30_000 });
    b.put('k', 'two', { ttlMs: 30_000 });
    await world.pass(3000);
    expect(a.held('k')).toEqual(['one', 'two']);
    expect(b.held('k')).toEqual(['one', 'two']);
    world.check();
  });
});
