/**
 * An owner releases a lease and the ledger does not hear of it in time: somebody else ends the same
 * grant for the owner's silence, while the bus changes its leader and forgets what it has had. Both
 * name the end alike, so a consumer that drops what it has seen learns of one end; and what the
 * ledger has accepted first is what it holds to (PROTOCOL §3.5, rule 1).
 */
import { describe, expect, test } from 'vitest';
import { toldOf } from '../checkers/reading.ts';
import { GOOD } from '../network/network.ts';
import { toldEvent } from '../network/told-event.ts';
import type { World } from '../world.ts';
import { hand, leaseIn } from './hand.ts';
import { endings, everywhere, type Heard, heard, toldOfKey, valuesEverywhere, valuesInLedger } from './looking.ts';
import { isolate, rejoin, settle, stage, strike } from './stage.ts';
import { SWEPT_WITHIN_MS, until } from './until.ts';

const TTL_MS = 5_000;
/** In which the bus recognises a repeated ending. */
const DUPLICATES_MS = 10_000;

/** Everything that was told of the entry and of its lease as ended, repeats included. */
function endedEvents(world: World, lease: string): readonly Heard[] {
  return heard(world).filter(({ what, data }) => what.endsWith('.ended') && data['lease'] === lease);
}

/** What a reader finds that comes only now. */
function stored({ bus }: World): readonly string[] {
  return bus.messages('endings').map((message) => {
    const { place, what } = toldOf(toldEvent(message, ''));
    return `${place} ${what}`;
  });
}

async function held(world: World): Promise<string> {
  const owner = hand(world, 's1');
  const lease = leaseIn(await owner.grant('sessions', TTL_MS));
  expect((await owner.put('sessions', 'k', 'held', { lease })).status).toBe(201);
  await until(world, 'the value', () => valuesInLedger(world, 'sessions', 'k').length === 1);
  return lease;
}

describe('a lease that its owner releases and a sweeper ends', () => {
  test('has one end for each consumer, whatever the bus forgets', async () => {
    const world = await stage(8, { sidecars: ['s1', 's2', 's3'] });
    const lease = await held(world);
    isolate(world, 's1');
    // Stored, and the answer is lost: it will be told again, when the bus has forgotten it.
    world.network.cut('bus', 's1');
    expect((await hand(world, 's1').release(lease)).status).toBe(204);
    await until(world, 'the sweep', () => endedEvents(world, lease).some(({ place }) => place !== 's1'), SWEPT_WITHIN_MS);
    strike(world, 'bus-dedupe-forgotten', 'bus', { restarts: true }, 0);
    // The new leader lacks what was acknowledged last, too.
    strike(world, 'bus-loses-acknowledged', 'bus', { ms: 1_000 }, 0);
    expect(stored(world)).toEqual(['s1 lease.ended']);
    await world.run(DUPLICATES_MS + 1_000);
    world.network.mend('bus', 's1');
    rejoin(world, 's1');
    await settle(world);

    const told = endedEvents(world, lease);
    const said = told.map(({ what, place, reason }) => `${place} ${what} ${reason}`);
    expect(said.filter((each) => each === 's1 lease.ended released').length).toBeGreaterThan(1);
    expect(said).toContain('s1 entry.ended released');
    expect(said.some((each) => /^s[23] entry.ended expired$/.test(each))).toBe(true);
    expect(endings(told).map(({ what }) => what).sort()).toEqual(['entry.ended', 'lease.ended']);
    expect(stored(world)).toEqual(expect.arrayContaining([
      's1 entry.ended', 's1 lease.ended', expect.stringMatching(/^s[23] entry.ended$/),
    ]));
    expect(await valuesEverywhere(world, 'sessions', 'k')).toEqual(everywhere(world, []));

    // Another grant of the key is another one, and so is its end.
    const other = hand(world, 's1');
    const { etag } = await other.put('sessions', 'k', 'held again', { ttlMs: TTL_MS });
    expect((await other.delete('sessions', 'k', etag)).status).toBe(204);
    await world.run(1_000);
    expect(endings(toldOfKey(world, 'sessions', 'k')).map(({ reason }) => reason)).toEqual(['expired', 'deleted']);
  });

  test('has ended as its owner says, if the ledger hears that first', async () => {
    const world = await stage(8, { sidecars: ['s1', 's2', 's3'] });
    const lease = await held(world);
    world.network.setQuality('s1', 'ledger', { ...GOOD, leastMs: 4_000 });
    expect((await hand(world, 's1').release(lease)).status).toBe(204);
    await world.run(200);
    // It is on its way, and its sender is gone.
    world.sidecar('s1').kill();
    world.sidecar('s1').stayDown();
    await settle(world);
    expect(new Set(endedEvents(world, lease).map(({ reason }) => reason))).toEqual(new Set(['released']));
    expect(endings(toldOfKey(world, 'sessions', 'k'))).toHaveLength(1);
  });

  test('has ended as the sweeper says, if the owner never said anything', async () => {
    const world = await stage(8, { sidecars: ['s1', 's2', 's3'] });
    const lease = await held(world);
    isolate(world, 's1');
    isolate(world, 's1', 'bus');
    world.sidecar('s1').process!.pause();
    await until(world, 'the sweep', () => endedEvents(world, lease).some(({ place }) => place !== 's1'), SWEPT_WITHIN_MS);
    world.sidecar('s1').process!.goOn();
    const renewed = await hand(world, 's1').renew(lease);
    expect([renewed.status, renewed.code]).toEqual([410, 'lease-ended']);
    await settle(world);
    const told = endedEvents(world, lease);
    expect(new Set(told.map(({ reason }) => reason))).toEqual(new Set(['expired']));
    expect(endings(told).map(({ what }) => what).sort()).toEqual(['entry.ended', 'lease.ended']);
  });

  test('is told as deleted by whoever deleted it, if the owner is gone', async () => {
    const world = await stage(8, { sidecars: ['s1', 's2'] });
    const lease = await held(world);
    await world.run(1_000);
    const other = hand(world, 's2');
    const { etag } = await other.get('sessions', 'k');
    world.sidecar('s1').kill();
    world.sidecar('s1').stayDown();
    expect((await other.delete('sessions', 'k', etag)).status).toBe(204);
    await until(world, 'word of the end', () => endedEvents(world, lease).length > 0, SWEPT_WITHIN_MS);
    await settle(world);
    expect(endings(toldOfKey(world, 'sessions', 'k')).map(({ place, reason }) => `${place} ${reason}`)).toEqual(['s2 deleted']);
  });
});
