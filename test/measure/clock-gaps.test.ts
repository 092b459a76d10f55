import { describe, expect, test } from 'vitest';
import { ClockGaps } from '../../src/measure/clock-gaps.ts';

function world() {
  const clocks = {
    monotonic: 1_000,
    wall: 1_700_000_000_000,
    /** Passes between two readings of the monotonic clock. */
    betweenReadingsMs: 0,
    monotonicMs: () => {
      clocks.monotonic += clocks.betweenReadingsMs;
      return clocks.monotonic;
    },
    wallMs: () => clocks.wall,
  };
  const gaps = new ClockGaps(clocks);
  const pass = (monotonicMs: number, wallMs = monotonicMs) => {
    clocks.monotonic += monotonicMs;
    clocks.wall += wallMs;
    return gaps.look();
  };
  return { clocks, gaps, pass };
}

describe('the clocks', () => {
  test('that go together have no gap, however long nobody looked', () => {
    const { gaps, pass } = world();
    expect([pass(1_000), pass(3_600_000), pass(1_000, 1_000.5)]).toEqual([0, 0, 0]);
    expect(gaps.count).toBe(0);
  });

  test('show once that the host was suspended, or its clock was set', () => {
    const { gaps, pass } = world();
    expect(pass(1_000, 61_000)).toBe(60_000);
    expect(pass(1_000)).toBe(0);
    expect(pass(1_000, -4_000)).toBe(-5_000);
    expect(gaps.count).toBe(2);
  });

  test('are read again later when the process stood still between two readings', () => {
    const { clocks, gaps, pass } = world();
    clocks.betweenReadingsMs = 50;
    expect(pass(1_000, 61_000)).toBe(0);
    clocks.betweenReadingsMs = 0;
    expect(pass(1_000)).toBeGreaterThan(59_000);
    expect(gaps.count).toBe(1);
  });
});
