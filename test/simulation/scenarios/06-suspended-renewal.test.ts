/**
 * A machine is suspended while its client renews, for longer than anybody waits: the monotonic clock
 * stood still, so to its sidecar nothing is due when it goes on, and answers from before arrive.
 * Meanwhile another one has ended its lease for it.
 *
 * What is not there yet: nothing looks for the gap between the clocks, so until it has heard of the
 * ledger the sidecar says "live" (SPEC, Gaps). What holds: it hears within a few heartbeats, the end
 * stands, and no renewal brings the lease back.
 */
import { describe, expect, test } from 'vitest';
import { GOOD } from '../network/network.ts';
import { hand, leaseIn } from './hand.ts';
import { endings, everywhere, toldOfKey, toldOfLease, valuesEverywhere, valuesInLedger } from './looking.ts';
import { LASTS_MS, settle, stage, strike } from './stage.ts';
import { SWEPT_WITHIN_MS, until } from './until.ts';

const TTL_MS = 8_000;
/** Beyond the deadline, and beyond what an owner may be silent for. */
const SUSPENDED_MS = 2 * TTL_MS + 4_000;
/** Heartbeats come every second. */
const HEARD_WITHIN_MS = 3_000;

describe('a machine that is suspended for twice the time of a lease, in the middle of a renewal', () => {
  test('learns soon that the lease has ended, and does not revive it', async () => {
    const world = await stage(6, { sidecars: ['s1', 's2'] });
    const holder = hand(world, 's1');
    const lease = leaseIn(await holder.grant('sessions', TTL_MS));
    expect((await holder.put('sessions', 'k', 'held', { lease })).status).toBe(201);
    await until(world, 'the value', () => valuesInLedger(world, 'sessions', 'k').length === 1);
    await world.run(1_000);

    // Answers of the ledger are under way when everything stops.
    world.network.setQuality('ledger', 's1', { ...GOOD, leastMs: 250 });
    const renewal = holder.ask({ kind: 'renew', lease });
    await world.run(0.1);
    strike(world, 'suspend', 's1', {}, LASTS_MS);
    await world.run(SUSPENDED_MS);
    expect(renewal.answer?.status).toBe(0);
    expect((await hand(world, 's2').get('sessions', 'k')).code).toBe('entry-not-found');
    await until(world, 'the sweep', () => valuesInLedger(world, 'sessions', 'k').length === 0, SWEPT_WITHIN_MS);

    world.sidecar('s1').machine.resume();
    await world.run(HEARD_WITHIN_MS);
    const renewed = await holder.renew(lease);
    expect([renewed.status, renewed.code]).toEqual([410, 'lease-ended']);
    expect((await holder.getLease(lease)).document).toMatchObject({ state: 'ended', reason: 'expired' });
    expect((await holder.get('sessions', 'k')).code).toBe('entry-not-found');

    await settle(world);
    expect(await valuesEverywhere(world, 'sessions', 'k')).toEqual(everywhere(world, []));
    const ended = endings([...toldOfKey(world, 'sessions', 'k'), ...toldOfLease(world, lease)]);
    expect(ended.map(({ what, reason }) => `${what} ${reason}`).sort()).toEqual(['entry.ended expired', 'lease.ended expired']);
  });

  test('keeps a lease that its silence was too short to end', async () => {
    const world = await stage(6, { sidecars: ['s1', 's2'] });
    const holder = hand(world, 's1');
    const lease = leaseIn(await holder.grant('sessions', TTL_MS));
    await holder.put('sessions', 'k', 'held', { lease });
    await world.run(1_000);
    strike(world, 'suspend', 's1', {}, 4_000);
    await world.run(5_000);
    expect((await holder.renew(lease)).status).toBe(200);
    expect(await valuesEverywhere(world, 'sessions', 'k')).toEqual(everywhere(world, ['held']));
    await settle(world);
    const ended = endings(toldOfLease(world, lease));
    expect(ended.map(({ reason }) => reason)).toEqual(['expired']);
  });
});
