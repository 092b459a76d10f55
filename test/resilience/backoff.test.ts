import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fullJitter } from '../../src/resilience/backoff.ts';

const BOUNDS = { baseMs: 50, capMs: 5_000 };

describe('the wait before the next attempt', () => {
  it('is spread over all of a ceiling that doubles', () => {
    const ceilings = [0, 1, 2, 6, 7].map((attempt) => fullJitter(attempt, BOUNDS, () => 1));
    expect(ceilings).toEqual([50, 100, 200, 3_200, 5_000]);
    expect(fullJitter(3, BOUNDS, () => 0)).toBe(0);
    expect(fullJitter(3, BOUNDS, () => 0.25)).toBe(100);
  });

  it('never passes the cap, however many attempts failed', () => {
    fc.assert(
      fc.property(fc.nat(5_000), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, chance) => {
        const waitMs = fullJitter(attempt, BOUNDS, () => chance);
        expect(waitMs).toBeGreaterThanOrEqual(0);
        expect(waitMs).toBeLessThan(BOUNDS.capMs);
      }),
    );
  });
});
