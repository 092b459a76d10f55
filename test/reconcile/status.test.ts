/** What operators see, and what they can switch. */
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

describe('the status', () => {
  test('tells of the ledger and of the rounds with it', async () => {
    const { world, sidecars: [, a] } = await worldOf(['a', 'b']);
    for (let count = 0; count < 5; count++) a.put(`k${count}`, 'v');
    await world.pass(3000);
    const { ledger, rounds } = a.reconciliation.status();
    expect(ledger).toMatchObject({
      url: 'redis://ledger', state: 'connected', unpushed: 0, oldestUnpushedMs: null, members: 1,
      isolated: [], lastFault: null, requestsInFlight: 0, rejoins: 0,
    });
    expect(ledger.epoch).toBeGreaterThan(0);
    expect(ledger.contactAgeMs).toBeLessThan(1500);
    expect(ledger.partitions).toBeGreaterThan(1);
    expect(rounds).toMatchObject({
      pushed: 5, conflicts: 0, repairs: { pushed: 0, pulled: 0, ended: 0 },
      lastOutcome: 'in-step', inProgress: 0, bytesSent: 0, bytesReceived: 0,
    });
    expect(rounds.lastAgeMs).toBeLessThan(4000);
  });

  test('tells what waits, for how long, and what went wrong', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    a.put('first', 'v');
    await world.pass(500);
    a.link.away = true;
    await world.pass(100);
    a.put('k', 'v');
    await world.pass(4000);
    const { ledger, rounds } = a.reconciliation.status();
    expect(ledger).toMatchObject({ state: 'away', unpushed: 1 });
    expect(ledger.oldestUnpushedMs).toBeGreaterThan(2900);
    expect(ledger.oldestUnpushedMs).toBeLessThan(4001);
    expect(ledger.contactAgeMs).toBeGreaterThan(3900);
    expect(ledger.faults.unavailable).toBeGreaterThan(4);
    expect(ledger.lastFault).toMatch(/^unavailable: /);
    expect(rounds.lastOutcome).toBe('failed');
  });

  test('says when the ledger takes no writes', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    a.put('k', 'v');
    await world.pass(500);
    a.link.refuses = () => 'read-only';
    await world.pass(6000);
    expect(a.reconciliation.reasons()).toEqual(['ledger-unavailable', 'ledger-read-only']);
    a.link.refuses = () => undefined;
    await world.pass(10_000);
    expect(a.reconciliation.reasons()).toEqual([]);
  });
});

describe('the flag merge', () => {
  test.each([
    'off', 'shadow',
  ] as const)('%s: others\' values are counted and left; own ones go out', async (merge) => {
    const { world, sidecars: [a, b] } = await worldOf(['a', 'b'], { mirror: 'all' });
    b.flags = { ...b.flags, merge };
    a.put('k', 'one');
    a.put('left', 'two');
    b.put('own', 'mine');
    await world.pass(3000);
    expect(b.held('k')).toBeUndefined();
    expect(world.values('own')).toEqual(['mine']);
    expect(b.reconciliation.tally.withheld.merges).toBeGreaterThan(0);
    // Whoever asks for one gets it.
    expect(await b.get('k')).toBe('one');
    // What was left is made up for, long before the next truth check.
    b.flags = { ...b.flags, merge: 'on' };
    await world.pass(3000);
    expect([b.held('k'), b.held('left')]).toEqual(['one', 'two']);
  });
});
