import { describe, expect, test } from 'vitest';
import type { Plan } from '../faults/plan.ts';
import { foundAs, neighbourAt, planWith, strikeAt } from './plans.ts';
import { type Run, shrink } from './shrink.ts';

const long = planWith({
  sidecars: ['s1', 's2', 's3'],
  neighbours: ['c1', 'c2', 'c3', 'c4', 'c5'].map((name, index) => neighbourAt(name, `s${1 + (index % 3)}`)),
  chaosMs: 20_000,
  strikes: [
    ...Array.from({ length: 12 }, (_, index) => strikeAt(index * 500, 'noise', `s${1 + (index % 3)}`)),
    strikeAt(6_000, 'pause', 's2', { forMs: 4_000 }),
    strikeAt(6_500, 'noise'),
    strikeAt(7_000, 'partition', 's1', { forMs: 3_000, detail: { server: 'ledger' } }),
    ...Array.from({ length: 5 }, (_, index) => strikeAt(9_500 + index * 500, 'noise', 's3')),
  ],
});
const found = foundAs('convergence', 9_000);

/** Fails with two strikes and a client; `runs` is what was asked. */
function needsTwo(): { readonly run: Run; readonly runs: Plan[] } {
  const runs: Plan[] = [];
  const run: Run = async (plan) => {
    runs.push(plan);
    const has = (kind: string) => plan.strikes.some((strike) => strike.kind === kind && strike.forMs >= 900);
    const fails = has('pause') && has('partition') && plan.neighbours.some(({ name }) => name === 'c4');
    return { found: fails ? found : undefined };
  };
  return { run, runs };
}

describe('a plan that fails', () => {
  test('shrinks to what it takes, and to no sidecar that nothing is said of', async () => {
    const { run, runs } = needsTwo();
    const small = await shrink(long, found, run, { attemptsMax: 500 });
    expect(small.strikes.map(({ kind }) => kind)).toEqual(['pause', 'partition']);
    expect(small.neighbours).toEqual([{ name: 'c4', behaviour: 'editor', sidecar: 's1' }]);
    expect(small.sidecars).toEqual(['s1', 's2']);
    expect(small.chaosMs).toBeLessThan(8_000);
    for (const { forMs } of small.strikes) expect(forMs).toBeLessThan(1_300);
    expect(runs.length).toBeLessThan(150);
    expect((await run(small))?.found?.invariant).toBe('convergence');
  });

  test('shrinks to nothing at all where it fails without trouble; one sidecar stays', async () => {
    const small = await shrink(long, found, async () => ({ found }), { attemptsMax: 100 });
    expect(small).toMatchObject({ strikes: [], neighbours: [], sidecars: ['s3'], chaosMs: 1 });
  });

  test('keeps what makes it fail at the same invariant, and not at another', async () => {
    const run: Run = async ({ strikes }) => ({
      found: strikes.some(({ kind }) => kind === 'pause') ? found : foundAs('no-crash'),
    });
    const small = await shrink(long, found, run, { attemptsMax: 500 });
    expect(small.strikes.map(({ kind }) => kind)).toEqual(['pause']);
  });

  test('moves the clients of a sidecar that goes to one that stays', async () => {
    const plan = planWith({ sidecars: ['s1', 's2'], neighbours: [neighbourAt('c1', 's1')] });
    const run: Run = async ({ neighbours }) => ({ found: neighbours.length > 0 ? found : undefined });
    const small = await shrink(plan, found, run, { attemptsMax: 50 });
    expect(small).toMatchObject({ sidecars: ['s2'], neighbours: [{ name: 'c1', sidecar: 's2' }] });
  });

  test('costs no more runs than it may, and is the smallest known by then', async () => {
    const { run, runs } = needsTwo();
    const small = await shrink(long, found, run, { attemptsMax: 6 });
    expect(runs.length).toBe(6);
    expect(small.strikes.length).toBeLessThan(long.strikes.length);
    expect((await run(small))?.found).toEqual(found);
  });

  test('stays as it is where nobody wants to wait', async () => {
    const { run, runs } = needsTwo();
    const small = await shrink(long, found, run, { attemptsMax: 500, signal: AbortSignal.abort() });
    expect(small).toBe(long);
    expect(runs).toEqual([]);
  });

  test('shrinks the same way each time', async () => {
    const [one, other] = [needsTwo(), needsTwo()];
    await shrink(long, found, one.run, { attemptsMax: 500 });
    await shrink(long, found, other.run, { attemptsMax: 500 });
    expect(other.runs).toEqual(one.runs);
  });
});
