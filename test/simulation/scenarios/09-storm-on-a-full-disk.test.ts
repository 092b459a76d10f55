/**
 * The bus is away, the sidecar is full, the disk has next to no room, and everything ends at once.
 * Endings need nobody's permission: they are recorded in room that was reserved for them, wait in an
 * outbox that was sized for them, and are told when the bus is back. What adds to it is refused,
 * with another time to come back for everybody.
 *
 * Scaled: some hundred leases instead of a hundred thousand, one minute instead of thirty, and a
 * reserve on the disk that is as much smaller.
 */
import { describe, expect, test } from 'vitest';
import type { Answer, Asked, Operation } from '../history/operation.ts';
import type { World } from '../world.ts';
import { type Hand, hand, leaseIn } from './hand.ts';
import { endings, heard } from './looking.ts';
import { LASTS_MS, settle, stage, strike } from './stage.ts';
import { until } from './until.ts';

const CAPACITY = 4;
/** What the namespace holds by the configuration, times that. */
const LEASES = 64 * CAPACITY;
const TTL_MS = 20_000;
const AWAY_MS = 60_000;
/** Room for that many endings, and for a while of everything else that is written by itself. */
const RESERVE_BYTES = LEASES * 400;
/** Of the disk, about 1 %, and less than what the storm writes. */
const LEFT_BYTES = 16_000;

/** Asks in small groups, as many clients would. */
async function all(world: World, client: Hand, asked: readonly Asked[]): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  for (let first = 0; first < asked.length; first += 8) {
    const group: Operation[] = asked.slice(first, first + 8).map((each) => client.ask(each));
    await until(world, 'the answers', () => group.every(({ answer }) => answer !== undefined));
    answers.push(...group.map(({ answer }) => answer!));
  }
  return answers;
}

/** What is new is refused, and each is told another time to come back. */
async function expectRefused(world: World, client: Hand, when: string, codes: ReadonlySet<string>): Promise<void> {
  const answers = await all(world, client, Array.from({ length: 24 }, (_, index) => ({
    kind: 'put', namespace: 'default', key: `${when} ${index}`, value: `${when} #${index}`, ttlMs: TTL_MS,
  })));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
  expect(answers.filter(({ code }) => !codes.has(code!))).toEqual([]);
  const waits = answers.map(({ document }) => (document as { readonly retryAfterMs: number }).retryAfterMs);
  expect(new Set(waits).size).toBeGreaterThan(answers.length / 2);
}

describe('a full sidecar on a full disk, whose bus is away when everything ends at once', () => {
  test.each(['bus-away', 'bus-frozen'])('refuses no ending and no renewal, loses no event, and has room again (%s)', async (trouble) => {
    const world = await stage(9, { sidecars: ['s1', 's2'], changes: { capacity: CAPACITY, reserveBytes: RESERVE_BYTES } });
    const client = hand(world, 's1');
    const kept = leaseIn(await client.grant('sessions', 60_000));
    const dropped = leaseIn(await client.grant('sessions', 60_000));
    strike(world, trouble, 'bus', {}, LASTS_MS);
    const written = await all(world, client, Array.from({ length: LEASES + 8 }, (_, index) => ({
      kind: 'put', namespace: 'default', key: `k${index}`, value: `v${index}`, ttlMs: TTL_MS,
    })));
    const taken = written.filter(({ status }) => status === 201).length;
    const refused = written.filter(({ status }) => status !== 201);
    expect(taken).toBe(LEASES);
    expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([503]));

    strike(world, 'disk-full', 's1', { leftBytes: LEFT_BYTES }, TTL_MS + AWAY_MS);
    await world.run(TTL_MS + 1_000);
    expect(world.sidecar('s1').run).toBe(1);
    const entries = await client.answer(client.ask({ kind: 'list', namespace: 'default', prefix: 'k' }));
    expect((entries.document as { readonly entries: readonly unknown[] }).entries).toEqual([]);
    expect((await client.status()).reasons).toEqual(expect.arrayContaining(['journal-full', 'bus-away']));
    expect((await client.renew(kept)).status).toBe(200);
    expect((await client.release(dropped)).status).toBe(204);

    await expectRefused(world, client, 'on a full disk', new Set(['journal-full']));
    const untilMs = world.kernel.nowMs + AWAY_MS;
    while (world.kernel.nowMs < untilMs) {
      await world.run(10_000);
      expect((await client.renew(kept)).status).toBe(200);
    }
    // The disk has room again; what is owed to the bus holds its place all the same.
    await expectRefused(world, client, 'with the bus away', new Set(['capacity', 'under-pressure']));
    expect(world.sidecar('s1').run).toBe(1);
    await settle(world);
    const told = endings(heard(world)).filter(({ what, data }) => what === 'entry.ended' && data['namespace'] === 'default');
    expect(told.length).toBe(taken);
    expect(new Set(told.map(({ reason }) => reason))).toEqual(new Set(['expired']));
    expect((await client.put('default', 'k', 'after all', { ttlMs: 1_000 })).status).toBe(201);
  });
});

describe('a sidecar on a full disk that nobody asks anything', () => {
  test('writes nothing on its own, and is there as long as it takes', async () => {
    const world = await stage(9, { sidecars: ['s1'], changes: { reserveBytes: 6_000 } });
    const client = hand(world, 's1');
    expect((await client.put('default', 'k', 'v', { ttlMs: 60_000 })).status).toBe(201);
    strike(world, 'disk-full', 's1', { leftBytes: 0 });
    await world.run(10 * 60_000);
    expect(world.sidecar('s1').run).toBe(1);
    expect((await client.put('default', 'k', 'w', { ttlMs: 1_000 })).code).toBe('journal-full');
    await settle(world);
  });
});
