/**
 * One row of a workload against several sidecars that share every key: each operation goes to any
 * of them, and at the end all must hold the same.
 */
import { type DriverCounts, Driver } from '../driver.ts';
import { EventStream } from '../event-stream.ts';
import { Histogram } from '../histogram.ts';
import { type Address, parseAddress } from '../http-client.ts';
import { integerValues, type KeyNames, keyNames, opaqueValues, type Values } from '../payload.ts';
import { seededRandom } from '../random.ts';
import {
  type Convergence, type RunResult, settle, SWEEP_KEYS, type TrafficOptions, watch,
} from '../run.ts';
import { drawSource } from '../traffic.ts';
import { ViolationLog } from '../violation.ts';
import type { Operation, Plan } from '../workload.ts';
import { SharedEndings } from './endings.ts';
import type { Fleet } from './fleet.ts';
import { SharedJudge } from './judge.ts';
import { type Difference, judgeRest, untilTold } from './rest.ts';

export interface SharedRunOptions extends TrafficOptions {
  readonly fleet: Fleet;
  readonly defaultTtlMs: number;
  /**
   * After the traffic, a calm stretch of writes that live for long: however far the ledger had
   * fallen behind and however short lives were, there is something left that everybody must hold.
   */
  readonly calmSeconds: number;
  /** How long they have at the end to tell the ledger of everything, and to agree. */
  readonly restMaxMs: number;
}

/** Writes a second of the calm stretch, at all sidecars together. */
const CALM_RATE = 600;

/** Drives all sidecars for `seconds`, and judges what they answer and what they come to. */
export async function runShared(options: SharedRunOptions): Promise<RunResult> {
  const { plan, namespace, fleet, defaultTtlMs, restMaxMs } = options;
  const addresses = fleet.sidecars.map(({ url }) => parseAddress(url));
  const { keyBytes, valueBytes, operations } = plan.cluster;
  const names = keyNames(keyBytes, plan.keys, { next: Math.random });
  const values =
    operations.incr === undefined ? opaqueValues(valueBytes, seededRandom(options.seed)) : integerValues(valueBytes);
  const log = new ViolationLog(performance.now(), options.onViolation);
  const judge = new SharedJudge({ sidecars: addresses.length, log, render: values.render, defaultTtlMs });
  const endings = new SharedEndings(judge, log, options.endingGraceMs);
  const streams = addresses.map((address, sidecar) => follow(address, sidecar, namespace, names, endings, log));
  const drivers: Driver[] = [];
  const counts = (): DriverCounts => sumOf(drivers.map((driver) => driver.counts));
  const failure = (): Error | undefined => {
    const exit = fleet.exit();
    if (exit !== undefined) return new Error(`sidecar ${exit}`);
    return drivers.find((driver) => driver.failure !== undefined)?.failure;
  };
  const drive = async (stretch: TrafficOptions): Promise<number> => {
    const first = drivers.length;
    for (const [sidecar, address] of addresses.entries()) {
      drivers.push(
        new Driver({
          address,
          namespace,
          names,
          connections: options.connections,
          pipeline: options.pipeline,
          rate: stretch.rate === undefined ? undefined : stretch.rate / addresses.length,
          draws: drawSource(stretch.plan, seededRandom(options.seed + first + sidecar)),
          values: distinct(values, first + sidecar, 2 * addresses.length),
          model: judge.at(sidecar),
          onIdle: (now) => endings.sweep(now, SWEEP_KEYS / addresses.length),
        }),
      );
    }
    const driving = drivers.slice(first);
    for (const driver of driving) driver.start();
    try {
      const elapsedMs = await watch(stretch, {
        replies: () => counts().replies,
        keys: () => judge.keys.size,
        endings: () => endings.counts,
        violations: () => log.total,
        failure,
      });
      await Promise.all(driving.map((driver) => driver.stop()));
      return elapsedMs;
    } finally {
      for (const driver of driving) driver.close();
    }
  };
  let convergence: Convergence | undefined;
  try {
    await Promise.all(streams.map((stream) => stream.open()));
    const elapsedMs = await drive(options);
    const busy = counts();
    const latency = latencyOf(drivers);
    if (failure() === undefined) {
      const report = ({ kind, rank, detail }: Difference): void => log.report(kind, rank, detail);
      const rest = { fleet, namespace, names, judge, restMaxMs, report };
      const toldMs = await untilTold(rest);
      await drive({
        ...options,
        plan: calmPlan(plan, defaultTtlMs),
        seconds: options.calmSeconds, rate: CALM_RATE, requests: undefined,
      });
      if (failure() === undefined) convergence = { ...(await judgeRest(rest)), toldMs };
      const readAt = performance.now();
      await settle(endings, readAt, options.endingGraceMs);
      endings.finish(readAt);
    }
    return {
      ...busy,
      plan,
      elapsedMs,
      convergence,
      latency,
      lateness: endings.lateness,
      endings: endings.counts,
      violations: log.total,
      kept: log.kept,
      failure: failure(),
    };
  } finally {
    for (const stream of streams) stream.close();
  }
}

/** The writes of a plan, all with one long TTL. */
function calmPlan(plan: Plan, ttlMs: number): Plan {
  const longest = Math.max(ttlMs, ...plan.ttlsMs.map(({ item }) => item));
  let upTo = 0;
  const shares = plan.operations
    .map(({ item, upTo: end }, index) => ({ item, share: end - (plan.operations[index - 1]?.upTo ?? 0) }))
    .filter(({ item }) => item !== 'get' && item !== 'gets');
  const whole = shares.reduce((sum, { share }) => sum + share, 0);
  const writes = shares.map(({ item, share }) => {
    upTo += share / whole;
    return { item, upTo };
  });
  return { ...plan, operations: writes, ttlsMs: [{ item: longest, upTo: 1 }] };
}

function follow(
  address: Address,
  sidecar: number,
  namespace: string,
  names: KeyNames,
  endings: SharedEndings,
  log: ViolationLog,
): EventStream {
  return new EventStream({
    address,
    namespace,
    onEnding: (ending, receivedAt) => {
      const rank = names.rankOf(ending.key);
      if (rank !== undefined) endings.note(sidecar, { ...ending, rank }, receivedAt);
    },
    onResync: (receivedAt) => endings.noteGap(sidecar, receivedAt),
    onMalformed: (detail) => log.report('unknown ending', 0, detail),
  });
}

/** Values that no other driver writes, too. */
export function distinct({ contentFor, render }: Values, index: number, count: number): Values {
  return { render, contentFor: (write) => contentFor(write * count + index) };
}

export function sumOf(all: readonly DriverCounts[]): DriverCounts {
  const sum = (of: (counts: DriverCounts) => number): number => all.reduce((total, each) => total + of(each), 0);
  const refused: Record<string, number> = {};
  for (const [code, count] of all.flatMap((each) => Object.entries(each.refused))) {
    refused[code] = (refused[code] ?? 0) + count;
  }
  return {
    refused,
    replies: sum(({ replies }) => replies),
    hits: sum(({ hits }) => hits),
    misses: sum(({ misses }) => misses),
    lost: sum(({ lost }) => lost),
    skipped: sum(({ skipped }) => skipped),
    reconnects: sum(({ reconnects }) => reconnects),
  };
}

function latencyOf(drivers: readonly Driver[]): Map<Operation, Histogram> {
  const latency = new Map<Operation, Histogram>();
  for (const [operation, histogram] of drivers.flatMap((driver) => [...driver.latency])) {
    const sum = latency.get(operation) ?? new Histogram();
    sum.add(histogram);
    latency.set(operation, sum);
  }
  return latency;
}
