import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { schedulerOn } from '../../src/resilience/scheduler.ts';
import { systemMachine } from '../../src/machine/system-machine.ts';

const DAY_MS = 86_400_000;

describe('the scheduler on the machine of this process', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('tells the instants of the timeline it was given', () => {
    expect(schedulerOn(systemMachine, { now: () => 1_234.5 }).now()).toBe(1_234.5);
  });

  it('does what it was given once, when the delay is over', () => {
    const scheduler = schedulerOn(systemMachine, { now: () => 0 });
    const work = vi.fn();
    scheduler.after(10.4, work);
    vi.advanceTimersByTime(10);
    expect(work).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    vi.advanceTimersByTime(DAY_MS);
    expect(work).toHaveBeenCalledOnce();
  });

  it('waits for longer than a timer of the machine can', () => {
    const work = vi.fn();
    schedulerOn(systemMachine, { now: () => 0 }).after(60 * DAY_MS, work);
    vi.advanceTimersByTime(60 * DAY_MS - 1);
    expect(work).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(work).toHaveBeenCalledOnce();
  });

  it('does not do what was called off, at any stage of the wait', () => {
    const scheduler = schedulerOn(systemMachine, { now: () => 0 });
    const work = vi.fn();
    const cancelEarly = scheduler.after(10, work);
    cancelEarly();
    cancelEarly();
    const cancelLate = scheduler.after(60 * DAY_MS, work);
    vi.advanceTimersByTime(59 * DAY_MS);
    cancelLate();
    vi.advanceTimersByTime(9 * DAY_MS);
    expect(work).not.toHaveBeenCalled();
  });

  it('does nothing within the call, not even without a delay', () => {
    const work = vi.fn();
    schedulerOn(systemMachine, { now: () => 0 }).after(0, work);
    expect(work).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(work).toHaveBeenCalledOnce();
  });
});
