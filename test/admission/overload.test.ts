/**
 * Twice as much asked for as can be done, by clients that do not listen: what is admitted, in which
 * order, how long renewals wait, and how soon it is over. On a modelled loop, in simulated time.
 */
import { describe, expect, test } from 'vitest';
import { CAPACITY_PER_MS, ModelledLoop, type Outcome, total } from './modelled-loop.ts';

const WARM_MS = 2_000;
const MEASURED_MS = 3_000;

function overloaded(connections: number, times: number, paced = true) {
  const loop = new ModelledLoop(connections, {}, paced);
  loop.run(WARM_MS, CAPACITY_PER_MS * times);
  const outcome = loop.run(MEASURED_MS, CAPACITY_PER_MS * times);
  return { loop, outcome };
}

function goodput({ served }: Outcome): number {
  return total(served) / (MEASURED_MS * CAPACITY_PER_MS);
}

function p99(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length * 0.99)]!;
}

describe('a loop that is asked for twice what it can do', () => {
  test.each([1500, 3000, 4000])('by %i connections', (connections) => {
    const { outcome } = overloaded(connections, 2);
    const { served, refused, renewals } = outcome;
    expect(goodput(outcome)).toBeGreaterThan(0.93);
    // A tenth of what is asked are renewals.
    expect(refused.renew).toBe(0);
    expect(served.renew).toBeGreaterThan(0.19 * MEASURED_MS * CAPACITY_PER_MS);
    expect(p99(renewals)).toBeLessThan(60);
    const part = (kind: 'list' | 'grant' | 'put' | 'read') =>
      served[kind] / (served[kind] + refused[kind]);
    expect(part('list')).toBeLessThan(0.5);
    expect(part('list')).toBeLessThanOrEqual(part('grant'));
    expect(part('grant')).toBeLessThanOrEqual(part('put'));
    expect(part('put')).toBeLessThanOrEqual(part('read'));
    expect(part('read')).toBeGreaterThan(0.95);
  });

  test('is nominal again within five seconds of its end, by way of each level once', () => {
    const { loop } = overloaded(2000, 2);
    expect(loop.admission.pressure.level).not.toBe('nominal');
    const endedAt = loop.scheduler.now();
    loop.run(6_000, 0.5);
    const last = loop.changes.at(-1)!;
    expect(last.to.level).toBe('nominal');
    expect(last.at - endedAt).toBeLessThan(5_000);
    // Rising, then falling once: no flapping.
    expect(loop.changes.length).toBeLessThanOrEqual(6);
    expect(loop.admission.status()).toMatchObject({ held: 0, limit: { perTurn: null } });
  });

  test('would do next to nothing else if it answered refusals at once', () => {
    const { outcome } = overloaded(2000, 2, false);
    expect(goodput(outcome)).toBeLessThan(0.5);
  });
});

test('a loop that is just busy enough refuses nobody', () => {
  const { loop, outcome } = overloaded(2000, 0.95);
  expect(total(outcome.refused)).toBe(0);
  expect(loop.changes).toEqual([]);
});
