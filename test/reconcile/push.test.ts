/** What changes here reaches the ledger, once and as it is, whatever happens on the way. */
import { describe, expect, test } from 'vitest';
import { keyHash } from '../../src/key-hash.ts';
import type { BeatRequest, PushReply } from '../../src/ledger/ledger.ts';
import { contractOf } from '../core/fixtures.ts';
import { type SidecarOptions, World } from './world.ts';

const MIRRORS = [contractOf('default', { mirror: 'all' })];

async function worldOfOne(options: SidecarOptions = {}) {
  const world = new World();
  const sidecar = world.add('a', options);
  await world.pass(100);
  return { world, sidecar };
}

describe('a write', () => {
  test('is in the ledger soon, and read by another sidecar', async () => {
    const { world, sidecar } = await worldOfOne();
    const other = world.add('b');
    await world.pass(100);
    sidecar.put('k', 'one', { ttlMs: 30_000 });
    await world.pass(10);
    expect(world.values('k')).toEqual(['one']);
    expect(await other.get('k')).toBe('one');
    expect(sidecar.reconciliation.status().ledger.unpushed).toBe(0);
    expect(sidecar.reconciliation.reasons()).toEqual([]);
    world.check();
  });

  test('stands beside a concurrent one, under siblings, at both sidecars', async () => {
    const contracts = [contractOf('default', { conflict: 'siblings' })];
    const { world, sidecar } = await worldOfOne({ contracts });
    const other = world.add('b', { contracts });
    await world.pass(100);
    sidecar.put('k', 'one', { ttlMs: 30_000 });
    other.put('k', 'two', { ttlMs: 30_000 });
    await world.pass(3000);
    expect(sidecar.held('k')).toEqual(['one', 'two']);
    expect(other.held('k')).toEqual(['one', 'two']);
    expect(world.values('k')).toEqual(['one', 'two']);
    world.check();
  });

  test('whose answer got lost is sent again with the same bytes, and later changes after it', async () => {
    const { world, sidecar } = await worldOfOne();
    sidecar.link.script.push({ operation: 'push', fate: 'lose-answer' });
    sidecar.put('k', 'one', { ttlMs: 30_000 });
    await world.pass(50);
    sidecar.put('k', 'two', { ttlMs: 20_000 });
    await world.pass(2000);
    const [first, again, next] = sidecar.link.pushes();
    expect(again).toBe(first);
    expect(next?.batch).toBe(first!.batch + 1);
    expect(world.values('k')).toEqual(['two']);
    expect(sidecar.reconciliation.status().ledger.faults.timeout).toBe(1);
  });

  test('of its own does not have to be pulled back', async () => {
    const { world, sidecar } = await worldOfOne();
    for (let count = 0; count < 60; count++) {
      sidecar.put(`k${count % 9}`, String(count), { ttlMs: 30_000 });
      await world.pass(100);
    }
    expect(sidecar.link.pushes().length).toBeGreaterThan(30);
    expect(sidecar.link.operations()).not.toContain('pull');
    expect(sidecar.link.operations()).not.toContain('diff');
  });

  test('does not take the cursor past what others have written, however the numbers stand', async () => {
    const { world, sidecar } = await worldOfOne();
    sidecar.put('k', 'one', { ttlMs: 60_000 });
    await world.pass(1500);
    sidecar.link.script.push({
      operation: 'push',
      fate: (reply: PushReply) => ({ ...reply, tail: { ...reply.tail, chain: 'f'.repeat(16) } }),
    });
    sidecar.put('k', 'two', { ttlMs: 60_000 });
    await world.pass(3000);
    const cursors = sidecar.link.sent
      .filter(({ operation }) => operation === 'beat')
      .map(({ request }) => (request as BeatRequest).cursor.chain);
    expect(cursors).not.toContain('f'.repeat(16));
  });

  test('that won over a concurrent one leaves no copy of it', async () => {
    const { world, sidecar } = await worldOfOne({ contracts: MIRRORS });
    const other = world.add('b', { contracts: MIRRORS });
    await world.pass(100);
    sidecar.link.refuses = ({ operation }) => (operation === 'push' ? 'full' : undefined);
    other.put('k', 'theirs', { ttlMs: 60_000 });
    await world.pass(20);
    sidecar.put('k', 'mine', { ttlMs: 60_000 });
    await world.pass(1000);
    expect(sidecar.core.state.copies).toBe(1);
    // Its owner is not there to say anything.
    await other.kill();
    sidecar.link.refuses = () => undefined;
    await world.pass(6000);
    expect(world.values('k')).toEqual(['mine']);
    expect(sidecar.core.state.copies).toBe(0);
    expect(sidecar.reconciliation.tally.repairs).toEqual({ pushed: 0, pulled: 0, ended: 0 });
  });

  test('among many goes in batches that do not hold up the ledger', async () => {
    const { world, sidecar } = await worldOfOne({ limits: { valueBytes: 1 << 17 } });
    sidecar.link.away = true;
    await world.pass(100);
    for (let count = 0; count < 600; count++) sidecar.put(`k${count}`, 'v', { ttlMs: 60_000 });
    for (let count = 0; count < 8; count++) {
      sidecar.put(`large${count}`, 'x'.repeat(30_000), { ttlMs: 60_000 });
    }
    sidecar.put('huge', 'x'.repeat(100_000), { ttlMs: 60_000 });
    sidecar.link.away = false;
    await world.pass(10_000);
    const sizes = sidecar.link.pushes().map(({ records }) => records.length);
    expect(Math.max(...sizes)).toBe(64);
    for (const { records } of sidecar.link.pushes()) {
      const bytes = records.flatMap(({ siblings }) => siblings.map(({ value }) => value.length));
      const sum = bytes.reduce((total, size) => total + size, 0);
      expect(records.length === 1 || sum <= 64 * 1024).toBe(true);
    }
    for (const key of ['k0', 'k599', 'large7', 'huge']) expect(world.values(key)).toHaveLength(1);
    expect(sidecar.reconciliation.status().ledger.unpushed).toBe(0);
  });

  test('beyond what is remembered by name is found by a walk', async () => {
    const { world, sidecar } = await worldOfOne({ unpushedIdsMax: 8 });
    for (let count = 0; count < 10; count++) sidecar.put(`old${count}`, 'v', { ttlMs: 60_000 });
    await world.pass(2000);
    sidecar.link.away = true;
    await world.pass(2000);
    for (let count = 0; count < 60; count++) sidecar.put(`k${count}`, 'v', { ttlMs: 60_000 });
    for (let count = 0; count < 10; count++) sidecar.delete(`old${count}`);
    await world.pass(2000);
    expect(sidecar.reconciliation.status().ledger.unpushed).toBeLessThan(20);
    sidecar.link.away = false;
    await world.pass(10_000);
    const pushed = Array.from({ length: 60 }, (_, count) => world.values(`k${count}`).length);
    expect(pushed.reduce((sum, one) => sum + one)).toBe(60);
    expect(world.values('old3')).toEqual([]);
    expect(sidecar.reconciliation.status().ledger.unpushed).toBe(0);
  });
});

describe('a write that the ledger does not take', () => {
  test('S2: because its deadline has passed on the way, while it was renewed here: told anew', async () => {
    const { world, sidecar } = await worldOfOne({ settings: { timeoutMs: 1500 } });
    sidecar.step({ op: 'grant', namespace: 'default', holder: 'h', id: 'l', ttlMs: 1000 });
    sidecar.link.script.push({ operation: 'push', fate: 'lose-request' });
    sidecar.put('k', 'one', { lease: 'l' });
    await world.pass(700);
    sidecar.step({ op: 'renew', id: 'l' });
    await world.pass(900);
    // The old bytes came too late; what is true now came after them.
    const [lost, again, anew] = sidecar.link.pushes();
    expect(again).toBe(lost);
    expect(anew!.records[0]!.siblings[0]!.deadline).toBeGreaterThan(
      lost!.records[0]!.siblings[0]!.deadline,
    );
    expect(world.values('k')).toEqual(['one']);
    expect(sidecar.held('k')).toBe('one');
    expect(sidecar.endings()).toEqual([]);
    // By itself, not because a truth check has missed it.
    expect(sidecar.reconciliation.tally.repairs.pushed).toBe(0);
  });

  test('as too late, again and again: tried about once a second', async () => {
    const { world, sidecar } = await worldOfOne();
    sidecar.put('k', 'one', { ttlMs: 60_000 });
    for (let count = 0; count < 50; count++) {
      sidecar.link.script.push({
        operation: 'push',
        fate: (reply: PushReply) => ({ ...reply, results: reply.results.map(() => ({ code: 'expired' })) }),
      });
    }
    await world.pass(5000);
    expect(sidecar.link.pushes().length).toBeGreaterThan(3);
    expect(sidecar.link.pushes().length).toBeLessThan(12);
  });

  test('12: stamped too far ahead: stays here, is counted and said, and goes once clocks agree', async () => {
    const { world, sidecar } = await worldOfOne({ aheadMs: 60_000 });
    sidecar.put('k', 'one', { ttlMs: 60_000 });
    await world.pass(5000);
    expect(world.record('k')).toBeUndefined();
    expect(sidecar.held('k')).toBe('one');
    expect(sidecar.reconciliation.reasons()).toContain('clock-ahead');
    const { clockAhead } = sidecar.reconciliation.tally;
    // About once a second, not as fast as it can.
    expect(clockAhead).toBeGreaterThan(3);
    expect(clockAhead).toBeLessThan(8);
    world.ledgerAheadMs = 60_000;
    await world.pass(3000);
    expect(world.values('k')).toEqual(['one']);
    await world.pass(5000);
    expect(sidecar.reconciliation.reasons()).toEqual([]);
  });

  test('11: because the same write number has another value there: said loudly, and given up', async () => {
    const { world, sidecar } = await worldOfOne();
    sidecar.link.script.push({
      operation: 'push',
      fate: (reply: PushReply) => ({ ...reply, results: [{ code: 'duplicate-dot' }] }),
    });
    sidecar.put('k', 'one', { ttlMs: 30_000 });
    await world.pass(500);
    expect(sidecar.reconciliation.tally.duplicateDots).toBe(1);
    expect(sidecar.logged.filter(({ level }) => level === 'error')).toHaveLength(1);
    expect(sidecar.link.pushes()).toHaveLength(1);
  });

  test('because it cannot read what it holds: tried again, rarely', async () => {
    const { world, sidecar } = await worldOfOne();
    sidecar.link.script.push({
      operation: 'push',
      fate: (reply: PushReply) => ({ ...reply, results: [{ code: 'unreadable' }] }),
    });
    sidecar.put('k', 'one', { ttlMs: 60_000 });
    await world.pass(20_000);
    expect(sidecar.link.pushes()).toHaveLength(1);
    expect(sidecar.reconciliation.status().ledger.unpushed).toBe(1);
    await world.pass(15_000);
    expect(sidecar.link.pushes()).toHaveLength(2);
    expect(sidecar.reconciliation.status().ledger.unpushed).toBe(0);
    expect(sidecar.reconciliation.tally.unreadable).toBe(1);
  });

  test.each(['duplicate-dot', 'unreadable'] as const)('as %s: the log names the key, or its hash where it is sensitive', async (code) => {
    const named = async (sensitive: boolean) => {
      const { world, sidecar } = await worldOfOne({ contracts: [contractOf('default', { sensitive })] });
      sidecar.link.script.push({
        operation: 'push',
        fate: (reply: PushReply) => ({ ...reply, results: [{ code }] }),
      });
      sidecar.put('hidden', 'one', { ttlMs: 60_000 });
      await world.pass(500);
      return sidecar.logged.filter(({ level }) => level === 'error').map(({ fields }) => fields);
    };
    expect(await named(false)).toMatchObject([{ namespace: 'default', key: 'hidden' }]);
    const hashed = await named(true);
    expect(hashed).toMatchObject([{ namespace: 'default', keyHash: keyHash('default', 'hidden') }]);
    expect(JSON.stringify(hashed)).not.toContain('hidden');
  });

  test('because its answer made no sense: counted as a fault, and sent again', async () => {
    const { world, sidecar } = await worldOfOne();
    sidecar.link.script.push(
      { operation: 'push', fate: (reply: PushReply) => ({ ...reply, results: [] }) },
      { operation: 'push', fate: (reply: PushReply) => ({ ...reply, tail: undefined }) },
      { operation: 'push', fate: () => null },
    );
    sidecar.put('k', 'one', { ttlMs: 30_000 });
    await world.pass(3000);
    expect(sidecar.link.pushes()).toHaveLength(4);
    expect(sidecar.reconciliation.tally.faults.nonsense).toBe(3);
    expect(sidecar.reconciliation.reasons()).toEqual([]);
  });
});

describe('10: a ledger without memory', () => {
  test('takes endings, and values again when there is room, without anybody doing anything', async () => {
    const { world, sidecar } = await worldOfOne();
    sidecar.put('old', 'v', { ttlMs: 60_000 });
    await world.pass(500);
    for (const peer of world.sidecars) {
      peer.link.refuses = ({ operation, request }) => {
        const { records } = request as { records: { siblings: unknown[] }[] };
        const values = operation === 'push' && records.some(({ siblings }) => siblings.length > 0);
        return values ? 'full' : undefined;
      };
    }
    // All in one partition, so that values stand before the ending in its order.
    const beside = Array.from({ length: 40 }, (_, count) => `n${count}`);
    for (const key of beside) sidecar.put(key, 'v', { ttlMs: 60_000 });
    await world.pass(100);
    sidecar.delete('old');
    await world.pass(8000);
    expect(world.values('old')).toEqual([]);
    expect(sidecar.reconciliation.reasons()).toContain('ledger-full');
    expect(sidecar.reconciliation.status().ledger.state).toBe('connected');
    const { contactAgeMs, unpushed } = sidecar.reconciliation.status().ledger;
    expect(contactAgeMs).toBeLessThan(1500);
    expect(unpushed).toBe(40);
    sidecar.link.refuses = () => undefined;
    await world.pass(8000);
    expect(beside.map((key) => world.values(key).length)).toEqual(beside.map(() => 1));
    expect(sidecar.reconciliation.reasons()).toEqual([]);
  });
});
