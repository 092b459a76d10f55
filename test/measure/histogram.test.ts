import { describe, expect, test } from 'vitest';
import * as buckets from '../../src/measure/buckets.ts';
import { Histogram } from '../../src/measure/histogram.ts';

describe('a histogram', () => {
  test('counts a value in the first bucket whose bound it does not exceed', () => {
    const histogram = new Histogram([1, 10]);
    for (const value of [0, 1, 1.5, 10, 10.5, 1e9]) histogram.add(value);
    expect([...histogram.counts]).toEqual([2, 2, 2]);
    expect([histogram.count, histogram.sum]).toEqual([6, 1e9 + 23]);
  });

  test.each(Object.entries(buckets))('%s ascends', (_, bounds) => {
    expect(bounds.length).toBeGreaterThan(5);
    expect([...bounds].sort((left, right) => left - right)).toEqual(bounds);
    expect(new Set(bounds).size).toBe(bounds.length);
  });

  test('of lateness has the promised budgets among its bounds', () => {
    expect(buckets.LATENESS_MS).toEqual(expect.arrayContaining([10, 250]));
  });
});
