/**
 * What a run says at its end, for people and for machines.
 */
import type { Histogram } from './histogram.ts';
import type { Convergence, Progress, RunResult } from './run.ts';
import type { Violation } from './violation.ts';

interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

function percentiles(histogram: Histogram): Percentiles {
  const at = (fraction: number): number => round(histogram.percentile(fraction));
  return {
    count: histogram.count,
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    p999: at(0.999),
    max: round(histogram.max),
  };
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}

/** The run as one JSON value; durations are milliseconds. */
export function reportJson(result: RunResult): object {
  const { plan } = result;
  return {
    cluster: plan.cluster.name,
    seconds: round(result.elapsedMs / 1000),
    keys: plan.keys,
    timeScale: round(plan.timeScale),
    ttlsMs: plan.ttlsMs.map((row) => row.item),
    requestsPerSecond: Math.round((result.replies * 1000) / result.elapsedMs),
    replies: result.replies,
    hits: result.hits,
    misses: result.misses,
    refused: result.refused,
    lost: result.lost,
    skipped: result.skipped,
    reconnects: result.reconnects,
    latencyMs: Object.fromEntries(
      [...result.latency].map(([operation, histogram]) => [operation, percentiles(histogram)]),
    ),
    latenessMs: percentiles(result.lateness),
    endings: result.endings,
    convergence: result.convergence,
    violations: result.violations,
    firstViolations: result.kept,
    failure: result.failure?.message,
  };
}

/** The run as a page of text; its last line is the number of violations. */
export function reportText(result: RunResult): string {
  const { plan, endings } = result;
  const perSecond = Math.round((result.replies * 1000) / result.elapsedMs);
  const ttls = plan.ttlsMs.map((row) => `${row.item} ms`).join(', ');
  const lines = [
    `${plan.cluster.name}: ${(result.elapsedMs / 1000).toFixed(1)} s, ${plan.keys} keys, TTL ${ttls} (published ones divided by ${round(plan.timeScale)})`,
    `  throughput    ${perSecond} requests/s, ${result.replies} replies: ${result.hits} reads found, ${result.misses} did not`,
    ...[...result.latency].map(([operation, histogram]) => line(`latency ${operation}`, histogram)),
    line('lateness', result.lateness),
    `  endings       ${counts(endings.byReason)}; ${endings.moved} ${result.convergence === undefined ? 'live entries got a fresh lease' : 'superseded at another sidecar'}`,
    `  events        ${endings.resyncs} resyncs, ${endings.unverified} endings unverified, ${endings.redelivered} redelivered`,
    `  not done      ${counts(result.refused)} refused, ${result.lost} lost, ${result.skipped} skipped, ${result.reconnects} reconnects`,
  ];
  if (result.convergence !== undefined) lines.push(...convergenceLines(result.convergence));
  if (result.failure !== undefined) lines.push(`  stopped early: ${result.failure.message}`);
  lines.push(`violations: ${result.violations}`);
  return lines.join('\n');
}

function convergenceLines(convergence: Convergence): string[] {
  const { sidecars, toldMs, restMs, held, records, unjudged, pushed, pulled, repairs } = convergence;
  return [
    `  at rest       ${sidecars} sidecars and the ledger hold ${held} entries alike, ${(restMs / 1000).toFixed(1)} s after the last write (${records} records in the ledger)`,
    `  ledger        told of everything ${(toldMs / 1000).toFixed(1)} s after the traffic; ${pushed} records pushed, ${pulled} pulled, ${repairs} repairs; ${unjudged} keys unjudged`,
  ];
}

function line(title: string, histogram: Histogram): string {
  const { count, p50, p99, p999, max } = percentiles(histogram);
  return `  ${title.padEnd(13)} p50 ${p50} ms, p99 ${p99} ms, p99.9 ${p999} ms, max ${max} ms (${count})`;
}

function counts(record: Readonly<Record<string, number>>): string {
  const parts = Object.entries(record).map(([name, count]) => `${count} ${name}`);
  return parts.length === 0 ? '0' : parts.join(', ');
}

export function violationText(violation: Violation): string {
  const history = violation.history.map((step) => `    ${step}`);
  return [`VIOLATION ${violation.kind} (key ${violation.rank}): ${violation.detail}`, ...history].join('\n');
}

export function progressText(cluster: string, progress: Progress): string {
  const seconds = Math.round(progress.elapsedMs / 1000);
  return `${cluster} ${seconds} s: ${Math.round(progress.repliesPerSecond)} requests/s, ${progress.keys} keys in the model, ${progress.endings} endings, ${progress.violations} violations`;
}
