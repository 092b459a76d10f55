/**
 * How late the event loop was, by perf_hooks. Its histogram holds the time from one sample to the
 * next, so an idle loop shows the sampling interval; what is reported here has it taken off.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';

const INTERVAL_MS = 1;

export interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Starts watching; the function returned stops and answers in milliseconds. */
export function watchLoopDelay(): () => LoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: INTERVAL_MS });
  histogram.enable();
  return () => {
    histogram.disable();
    const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - INTERVAL_MS);
    return {
      p50: late(histogram.percentile(50)),
      p99: late(histogram.percentile(99)),
      max: late(histogram.max),
    };
  };
}
