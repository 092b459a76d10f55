/** Heartbeats: who is vouched for, what counts as contact, and what an answer gives away. */
import { describe, expect, test } from 'vitest';
import { type BeatReply, type BeatRequest, NO_CURSOR } from '../../src/ledger/ledger.ts';
import { contractOf } from '../core/fixtures.ts';
import { B, caller, TERMS, value } from '../ledger/fixtures.ts';
import { type Sidecar, World } from './world.ts';

const CONTRACTS = [contractOf('default', { autonomyMs: 10_000 })];

function beats({ link }: Sidecar): BeatRequest[] {
  return link.sent
    .filter(({ operation }) => operation === 'beat')
    .map(({ request }) => request as BeatRequest);
}

async function worldOfOne(contracts = CONTRACTS) {
  const world = new World();
  const sidecar = world.add('a', { contracts });
  await world.pass(100);
  return { world, sidecar };
}

describe('heartbeats', () => {
  test('come to each active partition in every interval, and to no other', async () => {
    const { world, sidecar } = await worldOfOne();
    sidecar.put('k', 'one', { ttlMs: 60_000 });
    await world.pass(500);
    const before = sidecar.link.sent.length;
    await world.pass(20_000);
    const sent = sidecar.link.sent.slice(before);
    const places = new Set(
      sent.filter(({ operation }) => operation === 'beat').map(({ at }) => at?.partition),
    );
    expect(places.size).toBe(1);
    const count = sent.filter(({ operation }) => operation === 'beat').length;
    expect(count).toBeGreaterThan(15);
    expect(count).toBeLessThan(26);
    expect(sidecar.core.state.namespaces.find('default')!.contactAt)
      .toBeGreaterThan(world.time.now() - 3000);
  });

  test('compare digests at first and at truth checks; else the cursor vouches', async () => {
    const { world, sidecar } = await worldOfOne();
    sidecar.put('k', 'one', { ttlMs: 60_000 });
    await world.pass(10_000);
    const compared = beats(sidecar).map(({ owned }) => owned !== undefined);
    expect(compared[0]).toBe(true);
    expect(compared.filter((one) => one)).toHaveLength(1);
  });

  test('stop a while after nothing is owned any more, and begin again with the next write', async () => {
    const { world, sidecar } = await worldOfOne();
    sidecar.put('k', 'one', { ttlMs: 2000 });
    await world.pass(15_000);
    // Should the ledger lose what it was told of late, it can be told again.
    expect(sidecar.reconciliation.status().ledger.partitions).toBe(1);
    // And until the horizon somebody must be there for whom nobody else speaks.
    await world.pass(200_000);
    expect(sidecar.reconciliation.status().ledger.partitions).toBe(0);
    const before = beats(sidecar).length;
    await world.pass(10_000);
    expect(beats(sidecar).length).toBe(before);
    sidecar.put('k', 'two', { ttlMs: 30_000 });
    await world.pass(3000);
    expect(beats(sidecar).length).toBeGreaterThan(before);
    expect(world.values('k')).toEqual(['two']);
  });

  test('are not held up by writing all the time', async () => {
    const { world, sidecar } = await worldOfOne();
    for (let count = 0; count < 400; count++) {
      sidecar.put('k', String(count), { ttlMs: 60_000 });
      await world.pass(25);
    }
    expect(beats(sidecar).length).toBeGreaterThan(6);
    expect(sidecar.reconciliation.reasons()).toEqual([]);
    expect(sidecar.core.state.namespaces.find('default')!.contactAt)
      .toBeGreaterThan(world.time.now() - 3000);
  });

  test('are contact although others write all the time', async () => {
    const { world, sidecar } = await worldOfOne();
    sidecar.put('k', 'mine', { ttlMs: 60_000 });
    // Whenever a pull has reached the tail, it has moved on before the next heartbeat.
    const pull = sidecar.link.pull.bind(sidecar.link);
    let writes = 0;
    sidecar.link.pull = async (at, request) => {
      const reply = await pull(at, request);
      writes += 1;
      await world.ledger.push(at, {
        caller: caller(B), terms: TERMS, batch: writes, version: 2, rejoining: true,
        records: [{
          id: 'other', bucket: 0, ends: [],
          siblings: [value(B, writes, { deadline: world.time.now() + 60_000, wall: world.time.now() })],
          context: [{ actor: B, seq: writes, until: 0 }],
        }],
      });
      return reply;
    };
    await world.pass(1000);
    const partition = { namespace: 'default', partition: world.place('k') };
    await sidecar.link.pull(partition, {
      caller: caller(B), cursor: NO_CURSOR, limit: 0, records: false, ids: [],
    });
    await world.pass(15_000);
    expect(writes).toBeGreaterThan(20);
    const answers = sidecar.link.sent
      .filter(({ operation }) => operation === 'beat')
      .slice(-10)
      .map(({ reply }) => (reply as BeatReply).history);
    expect(new Set(answers)).toEqual(new Set(['behind']));
    expect(sidecar.core.state.namespaces.find('default')!.contactAt)
      .toBeGreaterThan(world.time.now() - 3000);
  });

  test('come more often where the autonomy bound is short', async () => {
    const { world, sidecar } = await worldOfOne([contractOf('default', { autonomyMs: 1000 })]);
    sidecar.put('k', 'one', { ttlMs: 60_000 });
    await world.pass(10_000);
    expect(beats(sidecar).length).toBeGreaterThan(30);
    expect(sidecar.reconciliation.reasons()).toEqual([]);
  });
});

describe('contact', () => {
  test('is kept where nothing is owned, so that leases may be granted', async () => {
    const { world, sidecar } = await worldOfOne();
    await world.pass(60_000);
    expect(sidecar.step({ op: 'grant', namespace: 'default', holder: 'h' })).toHaveProperty('lease');
    expect(sidecar.core.state.namespaces.find('default')!.contactAt)
      .toBeGreaterThan(world.time.now() - 5000);
  });

  test('ends with the ledger, is missed past the autonomy bound, and comes back', async () => {
    const { world, sidecar } = await worldOfOne();
    sidecar.put('k', 'one', { ttlMs: 60_000 });
    await world.pass(2000);
    sidecar.link.away = true;
    await world.pass(9000);
    expect(sidecar.reconciliation.reasons()).toEqual(['ledger-unavailable']);
    await world.pass(3000);
    expect(sidecar.reconciliation.reasons()).toEqual(['ledger-unavailable', 'isolated']);
    expect(sidecar.step({ op: 'grant', namespace: 'default', holder: 'h' })).toMatchObject({
      refused: 'isolated',
    });
    sidecar.link.away = false;
    await world.pass(10_000);
    expect(sidecar.reconciliation.reasons()).toEqual([]);
    expect(sidecar.step({ op: 'grant', namespace: 'default', holder: 'h' })).toHaveProperty('lease');
    expect(sidecar.held('k')).toBe('one');
    expect(world.values('k')).toEqual(['one']);
    world.check();
  });

  test('is counted from when the request was sent, not from its answer', async () => {
    const { world, sidecar } = await worldOfOne();
    sidecar.put('k', 'one', { ttlMs: 60_000 });
    await world.pass(500);
    sidecar.link.faults = { lostRequests: 0, lostAnswers: 0, duplicates: 0, delayMs: 90 };
    await world.pass(10_000);
    const sentAt = sidecar.link.sent
      .filter(({ operation }) => operation === 'beat')
      .map(({ sentAt: at }) => at);
    expect(sentAt).toContain(sidecar.core.state.namespaces.find('default')!.contactAt);
  });

  test('is not claimed for an answer that vouches for less than everything', async () => {
    const { world, sidecar } = await worldOfOne();
    sidecar.put('k', 'one', { ttlMs: 60_000 });
    await world.pass(500);
    const contact = () => sidecar.core.state.namespaces.find('default')!.contactAt;
    const before = contact();
    for (let count = 0; count < 200; count++) {
      sidecar.link.script.push({
        operation: 'beat', fate: (reply: BeatReply) => ({ ...reply, vouched: [] }),
      });
    }
    await world.pass(5000);
    expect(contact()).toBe(before);
  });
});

describe('a heartbeat whose answer', () => {
  const about = (changes: Partial<BeatReply>) => async () => {
    const { world, sidecar } = await worldOfOne();
    sidecar.put('k', 'one', { ttlMs: 60_000 });
    await world.pass(2500);
    const compared = () => beats(sidecar).filter(({ owned }) => owned !== undefined).length;
    const before = compared();
    sidecar.link.script.push({
      operation: 'beat', fate: (reply: BeatReply) => ({ ...reply, ...changes }),
    });
    await world.pass(3000);
    expect(compared()).toBeGreaterThan(before);
    expect(sidecar.reconciliation.reasons()).toEqual([]);
  };

  test('says that its parts do not add up leads to a truth check', about({ corrupt: true }));
  test('has forgotten a batch leads to a truth check', about({ forgotBatch: true }));
  test('is on another history leads to a truth check', about({ history: 'lost' }));
  test('is of a shorter history than before leads to one, and is counted', async () => {
    const { world, sidecar } = await worldOfOne();
    for (const value of ['one', 'two', 'three']) {
      sidecar.put('k', value, { ttlMs: 60_000 });
      await world.pass(700);
    }
    const compared = beats(sidecar).filter(({ owned }) => owned !== undefined).length;
    sidecar.link.script.push({
      operation: 'beat',
      fate: (reply: BeatReply) => ({ ...reply, tail: { ...reply.tail, seq: reply.tail.seq - 2 } }),
    });
    await world.pass(3000);
    expect(sidecar.reconciliation.tally.faults['went-back']).toBe(1);
    expect(beats(sidecar).filter(({ owned }) => owned !== undefined).length)
      .toBeGreaterThan(compared);
  });

  test('vouches for nobody leads to a truth check', about({ vouched: [] }));
});
