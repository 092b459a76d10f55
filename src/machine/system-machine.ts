/** The machine this process runs on. */
import { randomBytes } from 'node:crypto';
import { performance as counters } from 'node:perf_hooks';
import type { Machine } from './machine.ts';

/** Longer timers than this overflow in Node and fire at once. */
const DELAY_MAX_MS = 2 ** 31 - 1;

export const systemMachine: Machine = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, work) {
    // Node counts in whole milliseconds and may fire one early.
    const dueAt = performance.now() + delayMs;
    const wait = (): NodeJS.Timeout => {
      const leftMs = Math.ceil(dueAt - performance.now());
      return setTimeout(look, Math.min(Math.max(leftMs, 0), DELAY_MAX_MS));
    };
    const look = (): void => {
      if (performance.now() >= dueAt) work();
      else timer = wait();
    };
    let timer = wait();
    return () => clearTimeout(timer);
  },
  soon: (work) => void setImmediate(work),
  random: Math.random,
  randomBytes: (count) => randomBytes(count),
  loop() {
    const { active } = counters.eventLoopUtilization();
    return { activeMs: active, turns: counters.nodeTiming.uvMetricsInfo.loopCount };
  },
  residentBytes: process.memoryUsage.rss,
};
