/** Durability `ledger`: a write counts when the ledger has it, and its answer says no less. */
import { describe, expect, test } from 'vitest';
import type { NamespaceContract } from '../../src/core/contract.ts';
import type { Service } from '../../src/engine/service.ts';
import type { LedgerAck, PullReply } from '../../src/ledger/ledger.ts';
import { contractOf } from '../core/fixtures.ts';
import { settled } from './simulated-time.ts';
import { type Sidecar, type SidecarOptions, World } from './world.ts';

const TTL = { defaultMs: 60_000, minMs: 100, maxMs: 120_000, maxLifetimeMs: 600_000 };
const text = new TextEncoder();

async function worldOf(
  names: readonly string[],
  more: Partial<NamespaceContract> = {},
  options: SidecarOptions = {},
) {
  const world = new World();
  const contracts = [
    contractOf('default', { ttl: TTL, durability: 'ledger', ...more }),
    contractOf('light', { ttl: TTL }),
  ];
  const sidecars = names.map((name) => world.add(name, { contracts, ...options }));
  await world.pass(100);
  return { world, sidecars: sidecars as [Sidecar, Sidecar, ...Sidecar[]] };
}

const once = (key: string, fingerprint = key) => ({ key, fingerprint });

describe('a write with durability ledger', () => {
  test('is answered when the ledger has it', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    a.link.faults = { lostRequests: 0, lostAnswers: 0, duplicates: 0, delayMs: 40 };
    const asked = a.put('k', 'one');
    await settled();
    expect(asked.answers).toBe(0);
    await world.pass(200);
    expect(asked).toMatchObject({ answers: 1, outcome: { created: true } });
    expect(world.values('k')).toEqual(['one']);
  });

  test('hears the word of the ledger, though its disk takes longer', async () => {
    const { world, sidecars: [a, b] } = await worldOf(['a', 'b'], { conflict: 'firstWins' });
    const slow: Service = {
      submit(command, respond) {
        const reply = b.step(command);
        world.time.after(500, () => respond(reply, false));
      },
      now: () => b.scheduler.now(),
      toWallMs: (instant) => instant,
    };
    // What it reads before is from before the other write.
    b.link.script.push({
      operation: 'pull',
      fate: (reply: PullReply) => ({ ...reply, wanted: reply.wanted.map(({ id }) => ({ id })) }),
    });
    a.put('k', 'first');
    await settled();
    const outcomes: unknown[] = [];
    b.reconciliation.service(slow).submit(
      { op: 'put', namespace: 'default', key: 'k', value: text.encode('second'), contentType: 'text/plain' },
      (outcome) => outcomes.push(outcome),
    );
    await world.pass(2000);
    expect(outcomes).toMatchObject([{ refused: 'entry-held' }]);
    expect(world.values('k')).toEqual(['first']);
  });

  test('goes out at once, without waiting for others to gather', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    const at = world.time.now();
    const asked = a.put('k', 'one');
    await settled();
    expect(asked.outcome).toMatchObject({ created: true });
    expect(world.time.now()).toBe(at);
  });

  test.each<LedgerAck>(['applied', 'replicated', 'fsynced'])('asks the ledger for %s', async (ack) => {
    const { sidecars: [a] } = await worldOf(['a'], {}, { ackOf: () => ack });
    const acks: (LedgerAck | undefined)[] = [];
    const push = a.link.push.bind(a.link);
    a.link.push = (at, request, wanted) => {
      acks.push(wanted);
      return push(at, request, wanted);
    };
    a.put('k', 'one');
    await settled();
    expect(acks).toEqual([ack]);
  });

  test('is refused before anything happened while the ledger is away', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    a.put('other', 'v');
    await world.pass(100);
    a.link.away = true;
    await world.pass(8000);
    for (const asked of [
      a.put('k', 'one'), a.delete('k'),
      a.ask({ op: 'increment', namespace: 'default', key: 'k', by: 1 }),
      a.ask({
        op: 'batch', atomic: true,
        operations: [{
          op: 'put', namespace: 'default', key: 'k', value: text.encode('v'), contentType: 'text/plain',
        }],
      }),
    ]) {
      expect(asked.outcome).toMatchObject({ refused: 'ledger-unavailable' });
    }
    expect(a.held('k')).toBeUndefined();
    expect(a.ask({ op: 'grant', namespace: 'default', holder: 'h' }).outcome).toHaveProperty('lease');
    expect(a.ask({
      op: 'put', namespace: 'light', key: 'k', value: text.encode('v'), contentType: 'text/plain',
    }).outcome).toMatchObject({ created: true });
  });

  test('that gets no answer in time: its outcome is unknown, and told to who asks again', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    a.link.loses = ({ operation }) => operation === 'push';
    const asked = a.ask(
      { op: 'put', namespace: 'default', key: 'k', value: text.encode('v'), contentType: 'text/plain' },
      once('id'),
    );
    await world.pass(1001);
    expect(asked).toMatchObject({ answers: 1, outcome: { refused: 'outcome-unknown' } });
    expect(world.values('k')).toEqual(['v']);
    a.link.loses = () => false;
    await world.pass(6000);
    const again = a.ask(
      { op: 'put', namespace: 'default', key: 'k', value: text.encode('v'), contentType: 'text/plain' },
      once('id'),
    );
    await settled();
    expect(again.outcome).toMatchObject({ created: true });
    expect(asked.answers).toBe(1);
  });

  test('waits for its own change, not for later ones to the same key', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    a.link.faults = { lostRequests: 0, lostAnswers: 0, duplicates: 0, delayMs: 30 };
    const first = a.put('k', 'one');
    await world.pass(5);
    const second = a.put('k', 'two');
    for (let count = 0; count < 30; count++) {
      a.put('k', `more${count}`);
      await world.pass(3);
    }
    expect(first.answers).toBe(1);
    expect(second.answers).toBe(1);
    await world.pass(1000);
    expect(world.values('k')).toEqual(['more29']);
  });

  test('waits in a number that is bounded, whatever becomes of its clients', async () => {
    const { world, sidecars: [a] } = await worldOf(['a'], {}, { settings: { waiters: 3 } });
    a.link.refuses = ({ operation }) => (operation === 'push' ? 'full' : undefined);
    const asked = ['k1', 'k2', 'k3', 'k4'].map((key) => a.put(key, 'v'));
    await settled();
    expect(asked.map(({ outcome }) => outcome && 'refused' in outcome && outcome.refused)).toEqual([
      undefined, undefined, undefined, 'ledger-unavailable',
    ]);
    await world.pass(1500);
    expect(asked[0]!.outcome).toMatchObject({ refused: 'outcome-unknown' });
    // They are still on their way: there is no room for others yet.
    expect(a.put('k5', 'v').outcome).toMatchObject({ refused: 'ledger-unavailable' });
    a.link.refuses = () => undefined;
    await world.pass(8000);
    const last = a.put('k6', 'v');
    await settled();
    expect(last.outcome).toMatchObject({ created: true });
  });

  test('that is refused by the engine, or changes nothing, waits for nobody', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    a.put('k', 'one');
    await world.pass(100);
    a.link.loses = ({ operation }) => operation === 'push';
    const refused = a.put('k', 'two', { ifMatch: ['nonsense'] });
    expect(refused.outcome).toMatchObject({ refused: 'version-mismatch' });
    const removed = a.delete('nothing');
    await settled();
    expect(removed.outcome).toEqual({ existed: false });
  });
});

describe('the first writer wins', () => {
  const firstWins = { conflict: 'firstWins' } as const;

  test('and the other one is told so, also when it asks again', async () => {
    const { world, sidecars: [a, b] } = await worldOf(['a', 'b'], firstWins);
    const put = {
      op: 'put', namespace: 'default', key: 'k', value: text.encode('two'), contentType: 'text/plain',
    } as const;
    // Neither sees the other's: both read through before either has pushed.
    const first = a.put('k', 'one');
    const second = b.ask(put, once('id'));
    await world.pass(500);
    const outcomes = [first.outcome, second.outcome];
    expect(outcomes.filter((one) => one !== undefined && 'created' in one)).toHaveLength(1);
    expect(outcomes).toContainEqual(expect.objectContaining({ refused: 'entry-held' }));
    const [kept] = world.values('k');
    expect(world.values('k')).toHaveLength(1);
    expect(await a.get('k')).toBe(kept);
    expect(await b.get('k')).toBe(kept);
    if (second.outcome !== undefined && 'refused' in second.outcome) {
      const again = b.ask(put, once('id'));
      await settled();
      expect(again.outcome).toMatchObject({ refused: 'entry-held' });
    }
    await world.pass(5000);
    expect(world.values('k')).toEqual([kept]);
    expect(a.reconciliation.status().ledger.unpushed).toBe(0);
    expect(b.reconciliation.status().ledger.unpushed).toBe(0);
    world.check();
  });

  test('is seen before writing where it is known there', async () => {
    const { world, sidecars: [a, b] } = await worldOf(['a', 'b'], firstWins);
    a.put('k', 'one');
    await world.pass(100);
    const asked = b.put('k', 'two');
    await world.pass(500);
    expect(asked.outcome).toMatchObject({ refused: 'entry-held' });
    expect(world.values('k')).toEqual(['one']);
  });

  test('in a batch costs only what lost', async () => {
    const { world, sidecars: [a, b] } = await worldOf(['a', 'b'], firstWins);
    const put = (key: string, value: string) => ({
      op: 'put' as const, namespace: 'default', key, contentType: 'text/plain',
      value: text.encode(value),
    });
    const one = a.ask({ op: 'batch', atomic: false, operations: [put('x', 'a'), put('y', 'a')] });
    const other = b.ask({ op: 'batch', atomic: false, operations: [put('y', 'b'), put('z', 'b')] });
    await world.pass(500);
    const applied = [one, other].map(({ outcome }) => (outcome as { applied: number }).applied);
    expect(applied.sort()).toEqual([1, 2]);
    expect([...world.values('x'), ...world.values('y'), ...world.values('z')]).toHaveLength(3);
  });
});

test('a namespace that comes into being on demand waits for the ledger from its first write', async () => {
  const world = new World();
  const durable = contractOf('default', { ttl: TTL, durability: 'ledger' });
  const a = world.add('a', {
    contracts: [durable], templateOf: (name) => ({ ...durable, name }),
  });
  await world.pass(100);
  a.link.away = true;
  await world.pass(8000);
  const put = {
    op: 'put', namespace: 'new', key: 'k', value: text.encode('v'), contentType: 'text/plain',
  } as const;
  expect(a.ask(put).outcome).toMatchObject({ refused: 'ledger-unavailable' });
  a.link.away = false;
  await world.pass(8000);
  const asked = a.ask(put);
  await settled();
  expect(asked.outcome).toMatchObject({ created: true });
  expect(world.values('k', 'new')).toEqual(['v']);
});
