import { describe, expect, test } from 'vitest';
import { LedgerClock } from '../../src/reconcile/ledger-clock.ts';

describe('the clock of a ledger', () => {
  test('knows nothing before the first answer', () => {
    const clock = new LedgerClock(0);
    expect(clock.known).toBe(false);
    expect(clock.upper(1000)).toBe(Number.POSITIVE_INFINITY);
  });

  test('is at most as far ahead as an answer at the instant of asking would make it', () => {
    const clock = new LedgerClock(0);
    clock.sample(1000, 1020, 5010);
    // Whole milliseconds, rounded down: it may have been 5010.999.
    expect(clock.upper(1020)).toBe(4011);
  });

  test('is narrowed by a quicker answer, and not widened by a slower one', () => {
    const clock = new LedgerClock(0);
    clock.sample(1000, 1200, 5150);
    expect(clock.upper(1200)).toBe(4151);
    clock.sample(2000, 2002, 6001);
    expect(clock.upper(2002)).toBe(4002);
    clock.sample(3000, 3300, 7100);
    expect(clock.upper(3300)).toBe(4002);
  });

  test('widens with the drift of clocks', () => {
    const clock = new LedgerClock(0.001);
    clock.sample(1000, 1000, 5000);
    expect(clock.upper(11_000)).toBeCloseTo(4001 + 10, 6);
  });

  test('never makes a deadline earlier there than here, whatever the delays', () => {
    const clock = new LedgerClock(0.002);
    // The ledger is 4000.4 ahead and a thousandth faster; one way takes up to 50 ms.
    const ledgerAt = (instant: number) => 4000.4 + instant * 1.001;
    for (let round = 0; round < 200; round++) {
      const sentAt = 1000 + round * 37;
      const there = sentAt + (round * 7919) % 50;
      const receivedAt = there + (round * 104_729) % 50;
      expect(clock.sample(sentAt, receivedAt, Math.floor(ledgerAt(there)))).toBe(false);
      expect(receivedAt + clock.upper(receivedAt)).toBeGreaterThanOrEqual(ledgerAt(receivedAt));
    }
  });

  test.each([3000, -3000])('tells a step of %i ms, and goes on with the new time', (stepMs) => {
    const clock = new LedgerClock(0.001);
    clock.sample(1000, 1010, 5005);
    expect(clock.sample(2000, 2010, 6005)).toBe(false);
    expect(clock.sample(3000, 3010, 7005 + stepMs)).toBe(true);
    expect(clock.upper(3010)).toBe(4006 + stepMs);
    expect(clock.sample(4000, 4010, 8005 + stepMs)).toBe(false);
  });
});
