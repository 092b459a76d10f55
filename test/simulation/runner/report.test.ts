import { describe, expect, test } from 'vitest';
import { FAILPOINTS } from '../../../src/journal/failpoint.ts';
import { FAULTS } from '../faults/catalogue.ts';
import type { Progress } from './campaign.ts';
import { foundAs, planWith } from './plans.ts';
import { coverageLines, progressLine, summaryLines } from './report.ts';

const progress: Progress = {
  seeds: 1_500, seedsAsked: 200_000, events: 12_345_678, virtualMs: 60_000_000, realMs: 50_000,
  coverage: {
    faults: { 'power-cut': 1_234, kill: 7 },
    failpoints: Object.fromEntries(FAILPOINTS.map((name) => [name, 1])),
    answers: { 'put 201': 12 },
    told: {},
  },
  failures: [],
};

describe('a campaign', () => {
  test('under way is one line', () => {
    expect(progressLine(progress)).toBe('1 500 of 200 000 seeds, 30/s, virtual to real 1 200:1, 0 found');
  });

  test('shows what it came by, and what it never did', () => {
    const lines = coverageLines(progress, FAULTS.slice(0, 3));
    expect(lines.slice(0, 4)).toEqual([
      'fault         struck', 'kill               7', 'power-cut      1 234', '',
    ]);
    expect(lines.slice(-2)).toEqual(['', 'Never struck: failpoint']);
  });

  test('that is over is its figures', () => {
    expect(summaryLines(progress)).toEqual([
      '1 500 of 200 000 seeds: 12 345 678 events, 16 h 40 min of virtual time in 50.0 s (1 200:1)',
      'Every invariant held',
    ]);
  });

  test('that found something names it, with its seed', () => {
    const failures = [{ plan: planWith({ seed: 42 }), found: foundAs('capacity') }];
    expect(summaryLines({ ...progress, failures }).at(-1)).toBe('1 found: capacity (seed 42)');
  });
});
