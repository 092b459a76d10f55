/**
 * Wall clocks are a day ahead, an hour behind, and put back by NTP; the ledger goes over to a host
 * with another clock. Deadlines follow monotonic clocks, so none comes early; stamps that are too far
 * ahead are refused by the ledger, so no write becomes the last one for ever (PROTOCOL §2.5).
 *
 * What waits for exclusive claims: that they are fenced whatever the clocks say.
 */
import { describe, expect, test } from 'vitest';
import { hand, leaseIn } from './hand.ts';
import { endings, everywhere, recordOf, toldOfKey, toldOfLease, valuesEverywhere, valuesInLedger } from './looking.ts';
import { settle, stage, strike } from './stage.ts';
import { until } from './until.ts';

const TTL_MS = 50_000;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** Of the ledger's clock against a stamp: what is further ahead is not taken. */
const SKEW_MS = 5_000;
/** A hybrid clock counts within a millisecond by fractions of it. */
const wallOf = (hlc: number) => Math.floor(hlc / 4096);

describe('clocks that go wrong', () => {
  test('move no deadline, whichever way a wall clock is put', async () => {
    const world = await stage(12, { sidecars: ['s1', 's2', 's3'] });
    const leases: [string, string, number][] = [];
    for (const [name, stepMs] of [['s1', DAY_MS], ['s2', -HOUR_MS], ['s3', -3_000]] as const) {
      const client = hand(world, name);
      const lease = leaseIn(await client.grant('default', 10_000));
      strike(world, 'clock-step', name, { ms: stepMs });
      leases.push([name, lease, world.kernel.nowMs]);
    }
    await world.run(9_000);
    for (const [name, lease] of leases) {
      expect((await hand(world, name).getLease(lease)).document).toMatchObject({ state: 'live' });
    }
    await world.run(2_000);
    for (const [name, lease, grantedAtMs] of leases) {
      expect((await hand(world, name).renew(lease)).code).toBe('lease-ended');
      const [ended] = endings(toldOfLease(world, lease));
      expect(ended!.reason).toBe('expired');
      expect(ended!.atMs - grantedAtMs).toBeGreaterThan(9_990);
      expect(ended!.atMs - grantedAtMs).toBeLessThan(10_100);
    }
    await settle(world);
  });

  test('let nobody write the last word a day ahead', async () => {
    const world = await stage(12, { sidecars: ['s1', 's2', 's3'], changes: { mirror: 'all' } });
    // A run goes by the wall clock it began with.
    for (const [name, ms] of [['s1', DAY_MS], ['s2', -HOUR_MS]] as const) {
      strike(world, 'clock-step', name, { ms });
      world.sidecar(name).kill();
    }
    await until(world, 'the next runs', () => world.sidecars.every(({ ready }) => ready));
    await world.run(500);
    const ahead = hand(world, 's1');
    const behind = hand(world, 's2');
    const right = hand(world, 's3');
    expect((await ahead.put('jobs', 'k', 'from tomorrow', { ttlMs: TTL_MS })).status).toBe(201);
    await world.run(1_500);
    expect(valuesInLedger(world, 'jobs', 'k')).toEqual([]);
    const told = await ahead.status();
    expect(told.reasons).toContain('clock-ahead');
    expect(told.rounds.refused.clockAhead).toBeGreaterThan(0);

    expect((await right.put('jobs', 'k', 'from now', { ttlMs: TTL_MS })).status).toBe(201);
    await until(world, 'the value at s2', () => valuesInLedger(world, 'jobs', 'k').length === 1);
    await world.run(1_500);
    // A write that names what it replaces does so, however late its clock says it is.
    const seen = await behind.get('jobs', 'k');
    expect(seen.values).toEqual(['from now']);
    const refused = await behind.put('jobs', 'k', 'with a clock', { ttlMs: TTL_MS, context: seen.context! });
    expect([refused.status, refused.code]).toEqual([400, 'invalid-request']);
    const written = await behind.put('jobs', 'k', 'from an hour ago', { ttlMs: TTL_MS, ifMatch: seen.etag! });
    expect(written.status).toBe(204);
    await world.run(1_500);
    expect(valuesInLedger(world, 'jobs', 'k')).toEqual(['from an hour ago']);
    expect((await right.get('jobs', 'k')).values).toEqual(['from an hour ago']);
    const ledgerNowMs = world.ledger.clock.now();
    for (const { hlc } of recordOf(world, 'jobs', 'k')!.siblings) {
      expect(wallOf(hlc)).toBeLessThan(ledgerNowMs + SKEW_MS);
    }
    // What was refused is not forgotten either: it waits until its time has come.
    expect((await ahead.status()).ledger.unpushed).toBeGreaterThan(0);
    expect((await ahead.get('jobs', 'k')).values).toEqual(['from tomorrow']);
    await settle(world);
  });

  test('of a ledger that goes over to a host three seconds ahead end nothing early at its owner', async () => {
    const world = await stage(12, { sidecars: ['s1', 's2', 's3'], keepsLedgerImages: true });
    const holder = hand(world, 's1');
    const lease = leaseIn(await holder.grant('sessions', 12_000));
    expect((await holder.put('sessions', 'k', 'held', { lease })).status).toBe(201);
    await world.run(2_000);
    strike(world, 'ledger-failover', 'ledger', { lagMs: 0, stepMs: 3_000 });
    await world.run(2_000);
    // More than the configuration says its steps are: somebody should look.
    expect((await holder.status()).ledger.clockSteps).toBeGreaterThan(0);
    expect((await holder.renewFully(lease)).document).toMatchObject({ state: 'live' });
    await world.run(9_000);
    expect(await valuesEverywhere(world, 'sessions', 'k')).toEqual(everywhere(world, ['held']));
    // NTP puts it back.
    world.ledger.clock.step(-3_000);
    expect((await holder.renewFully(lease)).document).toMatchObject({ state: 'live' });
    await world.run(9_000);
    expect(await valuesEverywhere(world, 'sessions', 'k')).toEqual(everywhere(world, ['held']));
    await settle(world);
    expect(endings(toldOfKey(world, 'sessions', 'k')).map(({ reason }) => reason)).toEqual(['expired']);
  });
});
