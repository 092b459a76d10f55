import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Breaker } from '../../src/resilience/breaker.ts';
import { ManualScheduler } from './manual-scheduler.ts';

function world(): { breaker: Breaker; time: ManualScheduler } {
  const time = new ManualScheduler();
  const breaker = new Breaker({ failures: 3, openMs: 1_000, maxOpenMs: 4_000 }, time);
  return { breaker, time };
}

function fail(breaker: Breaker, times: number): void {
  for (let failure = 0; failure < times; failure++) breaker.failed();
}

describe('the breaker', () => {
  it('opens after failures in a row, and only in a row', () => {
    const { breaker } = world();
    fail(breaker, 2);
    breaker.succeeded();
    fail(breaker, 2);
    expect(breaker.state).toBe('closed');
    expect(breaker.permits()).toBe(true);
    fail(breaker, 1);
    expect(breaker.state).toBe('open');
    expect(breaker.permits()).toBe(false);
  });

  it('lets one probe through when its time is over, and no second one before it has reported', () => {
    const { breaker, time } = world();
    fail(breaker, 3);
    time.pass(499);
    expect(breaker.permits()).toBe(false);
    time.pass(1);
    expect(breaker.state).toBe('half-open');
    expect([breaker.permits(), breaker.permits()]).toEqual([true, false]);
    breaker.succeeded();
    expect(breaker.state).toBe('closed');
    expect([breaker.permits(), breaker.permits()]).toEqual([true, true]);
  });

  it('stays open twice as long each time the probe fails, up to its longest, and forgets by a success', () => {
    const { breaker, time } = world();
    const waits: number[] = [];
    fail(breaker, 3);
    for (let round = 0; round < 5; round++) {
      waits.push(breaker.opensIn);
      time.pass(breaker.opensIn);
      expect(breaker.permits()).toBe(true);
      breaker.failed();
    }
    expect(waits).toEqual([500, 1_000, 2_000, 2_000, 2_000]);
    time.pass(breaker.opensIn);
    expect(breaker.permits()).toBe(true);
    breaker.succeeded();
    expect(breaker.opensIn).toBe(0);
    fail(breaker, 3);
    expect(breaker.opensIn).toBe(500);
  });

  it('is open for a time by chance', () => {
    const { breaker, time } = world();
    time.chances.push(0.9, 0.1);
    fail(breaker, 3);
    expect(breaker.opensIn).toBe(900);
    time.pass(900);
    breaker.permits();
    breaker.failed();
    expect(breaker.opensIn).toBe(200);
  });

  it('is not held open by failures of what was sent before it opened', () => {
    const { breaker, time } = world();
    fail(breaker, 3);
    time.pass(100);
    fail(breaker, 10);
    expect(breaker.opensIn).toBe(400);
    time.pass(400);
    breaker.failed();
    expect(breaker.state).toBe('half-open');
    expect(breaker.permits()).toBe(true);
  });

  it('does not wait for ever for a probe that never reports', () => {
    const { breaker, time } = world();
    fail(breaker, 3);
    time.pass(500);
    expect(breaker.permits()).toBe(true);
    time.pass(3_999);
    expect(breaker.permits()).toBe(false);
    time.pass(1);
    expect([breaker.permits(), breaker.permits()]).toEqual([true, false]);
  });

  it('always lets somebody through in the end, and never two probes at once', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(3_000) }),
      fc.record({ kind: fc.constantFrom('ask' as const, 'fail' as const, 'succeed' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step), fc.array(fc.double({ min: 0, max: 0.999, noNaN: true })), (steps, chances) => {
        const { breaker, time } = world();
        time.chances.push(...chances);
        let probeUntil = Number.NEGATIVE_INFINITY;
        for (const each of steps) {
          if (each.kind === 'pass') time.pass(each.ms);
          else if (each.kind === 'ask') {
            const state = breaker.state;
            const permitted = breaker.permits();
            if (state === 'open') expect(permitted).toBe(false);
            if (state === 'closed') expect(permitted).toBe(true);
            if (state === 'half-open' && permitted) {
              expect(time.now()).toBeGreaterThanOrEqual(probeUntil);
              probeUntil = time.now() + 4_000;
            }
          } else {
            probeUntil = Number.NEGATIVE_INFINITY;
            if (each.kind === 'fail') breaker.failed();
            else breaker.succeeded();
          }
          expect(breaker.opensIn).toBeLessThanOrEqual(4_000);
        }
        time.pass(4_000);
        expect(breaker.permits()).toBe(true);
      }),
    );
  });
});
