import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TimingWheel } from '../../src/core/timing-wheel.ts';

const START = 1_790_000_000_000.25;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** A wheel with the column of deadlines that its owner keeps, and a record of what fell due. */
class Clockwork {
  readonly wheel: TimingWheel;
  readonly deadlines = new Map<number, number>();
  readonly fired: number[] = [];
  now = START;

  constructor(capacity: number) {
    this.wheel = new TimingWheel(capacity, START);
  }

  schedule(slot: number, deadline: number): void {
    this.deadlines.set(slot, deadline);
    this.wheel.schedule(slot, deadline);
  }

  cancel(slot: number): void {
    this.deadlines.delete(slot);
    this.wheel.cancel(slot);
  }

  advance(now: number, budget = Infinity): number {
    this.now = Math.max(this.now, now);
    return this.wheel.advance(now, budget, (slot) => {
      const deadline = this.deadlines.get(slot);
      if (deadline === undefined) throw new Error(`slot ${slot} came, but nobody scheduled it`);
      if (deadline > this.now) return deadline;
      this.deadlines.delete(slot);
      this.fired.push(slot);
      return 0;
    });
  }
}

describe('a timing wheel', () => {
  test('fires at the first whole millisecond at or after the deadline, not before', () => {
    const clock = new Clockwork(4);
    clock.schedule(1, START + 10); // ends in .25: due at the next whole millisecond
    clock.advance(Math.floor(START) + 10.99);
    expect(clock.fired).toEqual([]);
    expect(clock.wheel.nextMs()).toBe(Math.floor(START) + 11);
    clock.advance(Math.floor(START) + 11);
    expect(clock.fired).toEqual([1]);
    expect(clock.wheel.size).toBe(0);
    expect(clock.wheel.nextMs()).toBe(Infinity);
  });

  test('fires a deadline already past at the next advance, even at the same instant', () => {
    const clock = new Clockwork(4);
    clock.advance(START + 500);
    clock.schedule(1, START + 3);
    expect(clock.wheel.nextMs()).toBeLessThanOrEqual(START + 500);
    clock.advance(START + 500);
    expect(clock.fired).toEqual([1]);
  });

  const edges = [1, 255, 256, 257, 65_535, 65_536, 65_537, 2 ** 24 - 1, 2 ** 24, 2 ** 24 + 1];
  test.each([...edges, 30 * DAY, 49 * DAY, 50 * DAY, 400 * DAY])(
    'keeps a deadline %d ms ahead to the millisecond, by waking only when told to',
    (ahead) => {
      const clock = new Clockwork(2);
      const deadline = Math.floor(START) + ahead;
      clock.schedule(1, deadline);
      let wakings = 0;
      while (clock.fired.length === 0) {
        const next = clock.wheel.nextMs();
        expect(next).toBeLessThanOrEqual(deadline);
        clock.advance(next);
        wakings += 1;
        expect(wakings).toBeLessThan(20);
      }
      expect(clock.now).toBe(deadline);
    },
  );

  test('a jump of hours costs a step per slot, not per millisecond', () => {
    const clock = new Clockwork(1000);
    for (let slot = 1; slot <= 1000; slot += 1) clock.schedule(slot, START + slot * 40_000);
    expect(clock.advance(START + 12 * HOUR)).toBe(1000);
    expect(clock.fired).toHaveLength(1000);
  });

  test('a renewal in the column alone moves the ending, without a call to the wheel', () => {
    const clock = new Clockwork(2);
    clock.schedule(1, START + 1000);
    clock.deadlines.set(1, START + 5000);
    clock.advance(START + 4999);
    expect(clock.fired).toEqual([]);
    expect(clock.wheel.isScheduled(1)).toBe(true);
    clock.advance(START + 5001);
    expect(clock.fired).toEqual([1]);
  });

  test('a pile-up of 200 000 in one millisecond is delivered over several calls, each once', () => {
    const clock = new Clockwork(200_000);
    const deadline = START + 700_000;
    for (let slot = 1; slot <= 200_000; slot += 1) clock.schedule(slot, deadline);
    const due = Math.ceil(deadline);
    let calls = 0;
    do {
      expect(clock.advance(due, 7001)).toBeLessThanOrEqual(7001);
      calls += 1;
      if (clock.wheel.lagging) expect(clock.wheel.nextMs()).toBeLessThanOrEqual(due);
    } while (clock.wheel.lagging);
    expect(calls).toBe(Math.ceil(200_000 / 7001));
    expect(new Set(clock.fired).size).toBe(200_000);
  });

  test('a cascade stopped in the middle goes on where it was, and takes late-comers along', () => {
    const clock = new Clockwork(100);
    const deadline = START + 100_000;
    for (let slot = 1; slot <= 60; slot += 1) clock.schedule(slot, deadline + slot);
    const opening = clock.wheel.nextMs();
    expect(clock.advance(opening, 25)).toBe(25);
    expect(clock.wheel.lagging).toBe(true);
    expect(clock.wheel.nextMs()).toBe(opening);
    clock.schedule(61, deadline + 0.5);
    clock.cancel(60);
    expect(clock.advance(opening, 1000)).toBeLessThan(1000);
    expect(clock.wheel.lagging).toBe(false);
    clock.advance(deadline + 62);
    expect(clock.fired.toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 61 }, (_, index) => index + 1).filter((slot) => slot !== 60),
    );
  });

  test('what falls due may schedule and cancel others, and itself', () => {
    const wheel = new TimingWheel(4, START);
    const fired: number[] = [];
    wheel.schedule(1, START + 5);
    wheel.schedule(2, START + 5);
    wheel.advance(START + 10, 100, (slot) => {
      fired.push(slot);
      if (slot === 1) {
        wheel.cancel(2);
        wheel.schedule(3, START + 5);
        wheel.schedule(1, START + 50);
      }
      return 0;
    });
    expect(fired).toEqual([1, 3]);
    expect(wheel.isScheduled(1)).toBe(true);
    expect(wheel.isScheduled(2)).toBe(false);
    expect(wheel.size).toBe(1);
  });

  test('an instant before the last one counts as the last one', () => {
    const clock = new Clockwork(2);
    clock.advance(START + 1000);
    clock.schedule(1, START + 1100);
    expect(clock.advance(START)).toBe(0);
    expect(clock.wheel.nextMs()).toBeLessThanOrEqual(Math.ceil(START + 1100));
    clock.advance(START + 1101);
    expect(clock.fired).toEqual([1]);
  });

  test('a slot outside the wheel is refused before it can overwrite a list', () => {
    const wheel = new TimingWheel(8, START);
    expect(() => wheel.schedule(0, START)).toThrow(RangeError);
    expect(() => wheel.schedule(9, START)).toThrow(RangeError);
  });

  test('whatever is scheduled, moved, renewed and cancelled fires once, never early, never late', () => {
    const slot = fc.integer({ min: 1, max: 40 });
    const span = fc.oneof(
      fc.double({ min: -50, max: 600, noNaN: true }),
      fc.double({ min: 0, max: 200_000, noNaN: true }),
      fc.double({ min: 0, max: 20 * HOUR, noNaN: true }),
      fc.double({ min: 0, max: 120 * DAY, noNaN: true }),
    );
    const operation = fc.oneof(
      { weight: 5, arbitrary: fc.record({ op: fc.constant('schedule'), slot, span }) },
      { weight: 1, arbitrary: fc.record({ op: fc.constant('cancel'), slot, span }) },
      { weight: 2, arbitrary: fc.record({ op: fc.constant('renew'), slot, span }) },
      { weight: 4, arbitrary: fc.record({ op: fc.constant('advance'), slot, span }) },
      { weight: 2, arbitrary: fc.record({ op: fc.constant('wake'), slot, span }) },
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 120 }), (operations) => {
        const clock = new Clockwork(40);
        const { wheel, deadlines } = clock;
        for (const step of operations) {
          const at = clock.now + step.span;
          if (step.op === 'schedule') clock.schedule(step.slot, at);
          else if (step.op === 'cancel') clock.cancel(step.slot);
          else if (step.op === 'renew') {
            const before = deadlines.get(step.slot);
            if (before !== undefined) deadlines.set(step.slot, before + Math.abs(step.span));
          } else {
            const next = wheel.nextMs();
            const instant = step.op === 'wake' && next !== Infinity ? next : at;
            // The slot number doubles as a small budget, so that cascades stop in the middle.
            const used = clock.advance(instant, step.slot);
            expect(used).toBeLessThanOrEqual(step.slot);
            if (used < step.slot) {
              expect(wheel.lagging).toBe(false);
              for (const [late, deadline] of deadlines) {
                expect(Math.ceil(deadline), `slot ${late} is late`).toBeGreaterThan(clock.now);
              }
              expect(wheel.nextMs()).toBeGreaterThan(clock.now);
            }
          }
          expect(wheel.size).toBe(deadlines.size);
          let earliest = Infinity;
          for (const [live, deadline] of deadlines) {
            expect(wheel.isScheduled(live)).toBe(true);
            earliest = Math.min(earliest, Math.ceil(deadline));
          }
          // Sleeping until nextMs() can make nothing late.
          expect(wheel.nextMs()).toBeLessThanOrEqual(Math.max(earliest, Math.floor(clock.now)));
        }
        clock.advance(clock.now + 1000 * DAY);
        expect(deadlines.size).toBe(0);
        expect(wheel.size).toBe(0);
      }),
      { numRuns: 400 },
    );
  });
});
