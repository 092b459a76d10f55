/**
 * One row of a workload against one sidecar, from the first request to the verdict.
 */
import { Driver, type DriverCounts } from './driver.ts';
import { type EndingCounts, Endings } from './endings.ts';
import { EventStream } from './event-stream.ts';
import type { Histogram } from './histogram.ts';
import { parseAddress } from './http-client.ts';
import { Model } from './model.ts';
import { integerValues, keyNames, opaqueValues } from './payload.ts';
import { seededRandom } from './random.ts';
import { drawSource } from './traffic.ts';
import { type Violation, ViolationLog } from './violation.ts';
import type { Operation, Plan } from './workload.ts';

/** Keys looked at in one go: about half a millisecond. */
export const SWEEP_KEYS = 2_000;
const PROGRESS_MS = 1_000;

/** What a run is told, whatever it is run against. */
export interface TrafficOptions {
  readonly plan: Plan;
  readonly namespace: string;
  readonly seconds: number;
  /** Stops before its time once there are this many replies. */
  readonly requests?: number | undefined;
  readonly rate: number | undefined;
  /** To each sidecar. */
  readonly connections: number;
  readonly pipeline: number;
  readonly seed: number;
  /** An ending may be this late on its way here before it counts as missing. */
  readonly endingGraceMs: number;
  readonly onProgress: (progress: Progress) => void;
  readonly onViolation: (violation: Violation) => void;
}

export interface RunOptions extends TrafficOptions {
  readonly url: string;
  readonly defaultTtlMs: number | undefined;
  /** Why the sidecar is no longer there; undefined while it runs, or when nobody can tell. */
  readonly sidecarExit?: () => string | undefined;
}

export interface Progress {
  readonly elapsedMs: number;
  /** Since the last one. */
  readonly repliesPerSecond: number;
  readonly keys: number;
  readonly endings: number;
  readonly violations: number;
}

export interface RunResult extends DriverCounts {
  readonly plan: Plan;
  readonly elapsedMs: number;
  readonly latency: ReadonlyMap<Operation, Histogram>;
  readonly lateness: Histogram;
  readonly endings: EndingCounts;
  readonly violations: number;
  readonly kept: readonly Violation[];
  /** Why it stopped before its time. */
  readonly failure: Error | undefined;
  /** Of several sidecars that share every key: what they came to. */
  readonly convergence?: Convergence | undefined;
}

export interface Convergence {
  readonly sidecars: number;
  /** From the last reply of the traffic until the ledger had been told of everything. */
  readonly toldMs: number;
  /** From the last reply of the calm stretch after it until all held the same. */
  readonly restMs: number;
  /** Entries that all of them and the ledger held then, alike. */
  readonly held: number;
  /** Records the ledger held. */
  readonly records: number;
  /** Keys that could not be judged, because an outcome was lost. */
  readonly unjudged: number;
  /** Records pushed to the ledger and pulled from it, by all of them. */
  readonly pushed: number;
  readonly pulled: number;
  /** What truth checks have put right: nothing, as long as nothing breaks. */
  readonly repairs: number;
}

/** How often it is looked whether there are enough replies. */
const LOOK_MS = 20;

/** Drives the traffic for `seconds`, then waits for the endings that are still owed. */
export async function runReplay(options: RunOptions): Promise<RunResult> {
  const { plan, namespace } = options;
  const address = parseAddress(options.url);
  const random = seededRandom(options.seed);
  const { keyBytes, valueBytes, operations } = plan.cluster;
  // Names differ from run to run even with one seed: what an earlier run left must not be met.
  const names = keyNames(keyBytes, plan.keys, { next: Math.random });
  const values =
    operations.incr === undefined ? opaqueValues(valueBytes, random) : integerValues(valueBytes);
  const startedAt = performance.now();
  const log = new ViolationLog(startedAt, options.onViolation);
  const model = new Model({ log, render: values.render, defaultTtlMs: options.defaultTtlMs });
  const endings = new Endings(model, log, options.endingGraceMs);
  const events = new EventStream({
    address,
    namespace,
    onEnding: (ending, receivedAt) => {
      const rank = names.rankOf(ending.key);
      if (rank !== undefined) endings.note({ ...ending, rank }, receivedAt);
    },
    onResync: (receivedAt) => endings.noteGap(receivedAt),
    onMalformed: (detail) => log.report('unknown ending', 0, detail),
  });
  const driver = new Driver({
    address,
    namespace,
    connections: options.connections,
    pipeline: options.pipeline,
    rate: options.rate,
    draws: drawSource(plan, random),
    names,
    values,
    model,
    onIdle: (now) => endings.sweep(now, SWEEP_KEYS),
  });
  try {
    await events.open();
    driver.start();
    const elapsedMs = await watch(options, {
      replies: () => driver.counts.replies,
      keys: () => model.keys.size,
      endings: () => endings.counts,
      violations: () => log.total,
      failure: () => failureOf(options, driver),
    });
    await driver.stop();
    const stoppedAt = performance.now();
    // A sidecar that is gone owes its endings to the next run, not to this one.
    if (failureOf(options, driver) === undefined) {
      await settle(endings, stoppedAt, options.endingGraceMs);
      endings.finish(stoppedAt);
    }
    return {
      ...driver.counts,
      plan,
      elapsedMs,
      latency: driver.latency,
      lateness: endings.lateness,
      endings: endings.counts,
      violations: log.total,
      kept: log.kept,
      failure: failureOf(options, driver),
    };
  } finally {
    driver.close();
    events.close();
  }
}

/** What is watched while traffic runs. */
export interface Watched {
  readonly replies: () => number;
  readonly keys: () => number;
  readonly endings: () => EndingCounts;
  readonly violations: () => number;
  readonly failure: () => Error | undefined;
}

/** Waits until the time is over, there are enough replies, or something fails; how long it was. */
export async function watch(options: TrafficOptions, watched: Watched): Promise<number> {
  const startedAt = performance.now();
  const enough = options.requests ?? Infinity;
  let lastAt = startedAt;
  let lastReplies = watched.replies();
  for (;;) {
    const now = performance.now();
    const replies = watched.replies();
    const over = now - startedAt >= options.seconds * 1_000 || replies >= enough;
    if (over || watched.failure() !== undefined) return now - startedAt;
    if (now - lastAt >= PROGRESS_MS) {
      options.onProgress({
        elapsedMs: now - startedAt,
        repliesPerSecond: ((replies - lastReplies) * 1_000) / (now - lastAt),
        keys: watched.keys(),
        endings: Object.values(watched.endings().byReason).reduce((sum, count) => sum + count, 0),
        violations: watched.violations(),
      });
      lastAt = now;
      lastReplies = replies;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function failureOf(options: RunOptions, driver: Driver): Error | undefined {
  const exit = options.sidecarExit?.();
  return exit === undefined ? driver.failure : new Error(`the sidecar ${exit}`);
}

/** Waits until every ending that was due at `stoppedAt` has come, or its grace is over. */
export async function settle(
  endings: Pick<Endings, 'isSettled'>,
  stoppedAt: number,
  graceMs: number,
): Promise<void> {
  while (!endings.isSettled(stoppedAt) && performance.now() < stoppedAt + graceMs) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
