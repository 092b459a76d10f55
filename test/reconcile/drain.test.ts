/** Leaving in order. */
import { describe, expect, test } from 'vitest';
import type { Sidecar, World } from './world.ts';
import { worldOf } from './world-of.ts';

async function drained(world: World, sidecar: Sidecar, budgetMs: number) {
  const outcome: { left?: number; tookMs?: number } = {};
  const startedAt = world.time.now();
  void sidecar.reconciliation.drain(budgetMs).then(({ left }) => {
    outcome.left = left;
    outcome.tookMs = world.time.now() - startedAt;
  });
  await world.pass(budgetMs + 3000);
  return outcome;
}

describe('a drain', () => {
  test('pushes what has not been pushed, and then is done', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    for (let count = 0; count < 300; count++) a.put(`k${count}`, 'v');
    const { left, tookMs } = await drained(world, a, 5000);
    expect(left).toBe(0);
    expect(tookMs).toBeLessThan(1000);
    expect(world.values('k299')).toEqual(['v']);
  });

  test('tells how much is left when the ledger is away, without waiting for it for long', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    a.put('k', 'v');
    await world.pass(500);
    a.link.away = true;
    await world.pass(3000);
    for (let count = 0; count < 20; count++) a.put(`k${count}`, 'v');
    const { left, tookMs } = await drained(world, a, 20_000);
    expect(left).toBe(20);
    expect(tookMs).toBeLessThan(9000);
  });

  test('keeps within its budget when the ledger does not answer', async () => {
    const { world, sidecars: [a] } = await worldOf(['a']);
    a.link.faults = { lostRequests: 1, lostAnswers: 0, duplicates: 0, delayMs: 0 };
    a.put('k', 'v');
    const { left, tookMs } = await drained(world, a, 1000);
    expect(left).toBe(1);
    expect(tookMs).toBeLessThan(1500);
  });

  test.each([
    ['keep', 8000, true], ['handover', 8000, false], ['release', 8000, false],
  ] as const)('with onDrain %s: whether others may sweep at the deadline', async (onDrain, afterMs, kept) => {
    const { world, sidecars: [a, b] } = await worldOf(['a', 'b'], {
      onDrain, autonomyMs: 20_000,
    });
    a.put('k', 'v', { ttlMs: 3000 });
    await world.pass(500);
    const { left } = await drained(world, a, 1000);
    expect(left).toBe(0);
    await a.kill();
    await world.pass(afterMs);
    // Kept: it may come back within the autonomy bound. Gone: its deadline is enough.
    expect(world.values('k')).toEqual(kept ? ['v'] : []);
    expect(b.endings()).toEqual(kept ? [] : ['k expired']);
  });
});

test('closing stops everything', async () => {
  const { world, sidecars: [a] } = await worldOf(['a']);
  a.put('k', 'v');
  await world.pass(1000);
  await a.reconciliation.close();
  const sent = a.link.sent.length;
  await world.pass(60_000);
  expect(a.link.sent.length).toBe(sent);
});
