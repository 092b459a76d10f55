import { describe, expect, test } from 'vitest';
import type { Plan } from '../faults/plan.ts';
import { type CampaignSettings, type Progress, runCampaign } from './campaign.ts';
import type { Ran } from './lane.ts';
import { foundAs, planWith, ranAs } from './plans.ts';

type Judge = (plan: Plan) => Partial<Ran>;

interface World {
  readonly ran: number[];
  readonly closed: () => number;
  readonly settings: CampaignSettings;
}

/** Lanes whose runs end at once, as `judge` says. */
function worldOf(judge: Judge, more: Partial<CampaignSettings> = {}): World {
  const ran: number[] = [];
  let closed = 0;
  const settings: CampaignSettings = {
    from: 1, seeds: 10, lanes: 2, twiceEvery: 0, failuresMax: 1,
    planOf: (seed) => planWith({ seed }),
    clock: () => ran.length * 10,
    openLane: () => {
      let isClosed = false;
      return {
        run: async (plan) => {
          if (isClosed) return undefined;
          ran.push(plan.seed);
          await Promise.resolve();
          return ranAs(plan, judge(plan));
        },
        close: async () => {
          if (!isClosed) closed += 1;
          isClosed = true;
        },
      };
    },
    ...more,
  };
  return { ran, closed: () => closed, settings };
}

const failsAt = (...seeds: number[]): Judge => ({ seed }) =>
  seeds.includes(seed) ? { found: foundAs('capacity') } : {};

describe('a campaign', () => {
  test('runs every seed once and adds up what came of them', async () => {
    const coverage = { faults: { kill: 2 }, failpoints: { 'after-write': 1 }, answers: {}, told: { a: 3 } };
    const { ran, closed, settings } = worldOf(() => ({ coverage }), { from: 5, seeds: 7 });
    const progress = await runCampaign(settings);
    expect([...ran].sort((one, other) => one - other)).toEqual([5, 6, 7, 8, 9, 10, 11]);
    expect(progress).toEqual({
      seeds: 7, seedsAsked: 7, events: 700, virtualMs: 7_000, realMs: 70, failures: [],
      coverage: { faults: { kill: 14 }, failpoints: { 'after-write': 7 }, answers: {}, told: { a: 21 } },
    });
    expect(closed()).toBe(2);
  });

  test('tells how far it is after each seed', async () => {
    const told: Progress[] = [];
    const { settings } = worldOf(failsAt(), { onProgress: (progress) => told.push(progress) });
    await runCampaign(settings);
    expect(told.map(({ seeds }) => seeds)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test('stops at the first that fails', async () => {
    const { ran, settings } = worldOf(failsAt(3, 9));
    const { failures, seeds } = await runCampaign(settings);
    expect(failures).toEqual([{ plan: planWith({ seed: 3 }), found: foundAs('capacity') }]);
    expect(Math.max(...ran)).toBeLessThan(6);
    expect(seeds).toBe(ran.length);
  });

  test('goes on where it is told to, up to a bound', async () => {
    const { settings } = worldOf(failsAt(2, 3, 8), { failuresMax: 50 });
    const all = await runCampaign(settings);
    expect(all.failures.map(({ plan }) => plan.seed)).toEqual([2, 3, 8]);
    expect(all.seeds).toBe(10);
    const { ran, settings: bounded } = worldOf(failsAt(1, 2, 3, 4, 5, 6, 7, 8), { failuresMax: 3, lanes: 1 });
    expect((await runCampaign(bounded)).failures.length).toBe(3);
    expect(ran).toEqual([1, 2, 3]);
  });

  test('runs some seeds twice, and one whose second run differs has failed', async () => {
    let runs = 0;
    const judge: Judge = ({ seed }) => (seed === 5 ? { hash: `run ${runs++}` } : {});
    const { ran, settings } = worldOf(judge, { lanes: 1, twiceEvery: 4 });
    const { failures, seeds } = await runCampaign(settings);
    expect(ran).toEqual([1, 1, 2, 3, 4, 5, 5]);
    expect(seeds).toBe(5);
    expect(failures).toMatchObject([
      { plan: { seed: 5 }, found: { invariant: 'determinism', detail: expect.stringContaining('run 0 and run 1') } },
    ]);
  });

  test('interrupted, it ends with what is known by then', async () => {
    const stop = new AbortController();
    const { ran, closed, settings } = worldOf(failsAt(), {
      seeds: 1_000_000,
      signal: stop.signal,
      onProgress: ({ seeds }) => {
        if (seeds === 20) stop.abort();
      },
    });
    const { seeds, seedsAsked } = await runCampaign(settings);
    expect(seeds).toBeGreaterThanOrEqual(20);
    expect(ran.length).toBeLessThan(30);
    expect(seedsAsked).toBe(1_000_000);
    expect(closed()).toBe(2);
  });
});
