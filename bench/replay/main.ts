/**
 * `npm run replay -- --workload FILE --cluster NAME|all --seconds N …`: published traffic against
 * three sidecars that share every key, or against one, every reply checked. Exit codes: 0 no
 * violation, 1 some, 2 wrong usage.
 */
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { progressText, reportJson, reportText, violationText } from './report.ts';
import { type RunResult, runReplay, type TrafficOptions } from './run.ts';
import { startFleet } from './shared/fleet.ts';
import { runShared } from './shared/run.ts';
import { startSidecar } from './sidecar-process.ts';
import { chooseClusters, type Cluster, loadWorkload, type Plan, planOf } from './workload.ts';

const USAGE = `Usage: npm run replay -- [options]
  --workload FILE    rows of published statistics (bench/workloads.json)
  --cluster NAME     one row, or all (all)
  --seconds N        how long each row runs (60)
  --requests N       or until there are this many replies, if that is sooner
  --sidecars N       how many are started; two or more share every key through a Redis (3)
  --url URL          a running sidecar, http://host:port or unix:/path, instead of those
  --namespace NAME   where the keys go (replay)
  --min-ttl-ms N     the smallest TTL that namespace allows (100)
  --rate R           requests a second; without it, as fast as replies come back
  --connections C    connections to each sidecar (8)
  --pipeline P       requests in flight on each (8)
  --time-scale S     what TTLs are divided by; without it, they become 1 to 20 s of a minute
  --durability D     of the sidecars it starts: memory, journal or fsync (journal)
  --seed N           of the traffic (1)
  --json             the result as JSON on stdout`;

/** Replies a second assumed when no rate is given, to choose how many keys there are. */
const ASSUMED_RATE = 20_000;
const OWN_DEFAULT_TTL_MS = 10_000;
const OWN_ENTRIES = 600_000;
const ENDING_GRACE_MS = 10_000;
const MEMORY_MB = 4_096;
/** Of several sidecars, at the end. */
const CALM_SECONDS = 2;
const REST_MAX_MS = 60_000;

class UsageError extends Error {}

function readArguments(argv: readonly string[]) {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      workload: { type: 'string', default: fileURLToPath(new URL('../workloads.json', import.meta.url)) },
      cluster: { type: 'string', default: 'all' },
      seconds: { type: 'string', default: '60' },
      requests: { type: 'string' },
      sidecars: { type: 'string' },
      url: { type: 'string' },
      namespace: { type: 'string', default: 'replay' },
      'min-ttl-ms': { type: 'string', default: '100' },
      rate: { type: 'string' },
      connections: { type: 'string', default: '8' },
      pipeline: { type: 'string', default: '8' },
      'time-scale': { type: 'string' },
      durability: { type: 'string', default: 'journal' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.url !== undefined && values.sidecars !== undefined) {
    throw new UsageError('--url names a running sidecar, --sidecars has some started: give one of them');
  }
  return {
    ...values,
    sidecars: values.url === undefined ? number('--sidecars', values.sidecars ?? '3', 1, 16) : 1,
    seconds: number('--seconds', values.seconds, 1, 86_400),
    requests: optional('--requests', values.requests, 1, 1e12),
    minTtlMs: number('--min-ttl-ms', values['min-ttl-ms'], 1, 86_400_000),
    rate: optional('--rate', values.rate, 1, 1_000_000),
    connections: number('--connections', values.connections, 1, 1_000),
    pipeline: number('--pipeline', values.pipeline, 1, 1_000),
    timeScale: optional('--time-scale', values['time-scale'], 1e-6, 1e9),
    seed: number('--seed', values.seed, 0, 2 ** 32 - 1),
  };
}

type Arguments = ReturnType<typeof readArguments>;

function number(name: string, text: string, lowest: number, highest: number): number {
  const value = Number(text);
  if (text !== '' && value >= lowest && value <= highest) return value;
  throw new UsageError(`${name} must be a number from ${lowest} to ${highest}, got ${text}`);
}

function optional(name: string, text: string | undefined, lowest: number, highest: number) {
  return text === undefined ? undefined : number(name, text, lowest, highest);
}

/** A namespace whose bounds fit the plan, on a sidecar with room for it, and for all copies. */
function ownConfiguration(args: Arguments, plan: Plan): string {
  const { keyBytes, valueBytes } = plan.cluster;
  const maxMs = Math.max(OWN_DEFAULT_TTL_MS, ...plan.ttlsMs.map((row) => row.item));
  // Values and keys, the content type, and what rounding to slab sizes costs.
  const bytes = Math.max(OWN_ENTRIES * (keyBytes + valueBytes + 64), 64 * 1024 * 1024);
  return `namespaces:
  ${args.namespace}:
    owner: replay
    class: shared
    ttl: { defaultMs: ${OWN_DEFAULT_TTL_MS}, minMs: ${args.minTtlMs}, maxMs: ${maxMs}, maxLifetimeMs: ${maxMs * 2} }
    durability: ${args.durability}
    capacity: { leases: ${OWN_ENTRIES}, entries: ${OWN_ENTRIES}, bytes: ${bytes} }
${args.sidecars > 1 ? '    conflict: lww\n    mirror: all\n' : ''}`;
}

async function replayCluster(args: Arguments, cluster: Cluster): Promise<RunResult> {
  const plan = planOf(cluster, {
    seconds: args.seconds,
    expectedRate: args.rate ?? ASSUMED_RATE,
    timeScale: args.timeScale,
    minTtlMs: args.minTtlMs,
  });
  const status = statusLine(cluster.name);
  const traffic: TrafficOptions = {
    plan,
    namespace: args.namespace,
    seconds: args.seconds,
    requests: args.requests,
    rate: args.rate,
    connections: args.connections,
    pipeline: args.pipeline,
    seed: args.seed,
    endingGraceMs: ENDING_GRACE_MS,
    onProgress: (progress) => status.show(progressText(cluster.name, progress)),
    onViolation: (violation) => status.print(violationText(violation)),
  };
  try {
    return args.sidecars > 1 ? await replayShared(args, traffic) : await replayAlone(args, traffic);
  } finally {
    status.end();
  }
}

async function replayAlone(args: Arguments, traffic: TrafficOptions): Promise<RunResult> {
  const own =
    args.url === undefined
      ? await startSidecar({ configuration: ownConfiguration(args, traffic.plan), memoryLimitMb: MEMORY_MB })
      : undefined;
  try {
    return await runReplay({
      ...traffic,
      url: args.url ?? own?.url ?? '',
      defaultTtlMs: own === undefined ? undefined : OWN_DEFAULT_TTL_MS,
      sidecarExit: () => own?.exit(),
    });
  } finally {
    tellLog(own?.log() ?? '');
    await own?.stop();
  }
}

async function replayShared(args: Arguments, traffic: TrafficOptions): Promise<RunResult> {
  const fleet = await startFleet({
    size: args.sidecars,
    configuration: ownConfiguration(args, traffic.plan),
    memoryLimitMb: MEMORY_MB,
  });
  try {
    return await runShared({
      ...traffic,
      fleet,
      defaultTtlMs: OWN_DEFAULT_TTL_MS,
      calmSeconds: CALM_SECONDS,
      restMaxMs: REST_MAX_MS,
    });
  } finally {
    tellLog(fleet.log());
    await fleet.stop();
  }
}

function tellLog(log: string): void {
  if (log !== '') process.stderr.write(`the sidecar said:\n${log}\n`);
}

/** One line on stderr: rewritten on a terminal, appended elsewhere. */
function statusLine(title: string) {
  const terminal = process.stderr.isTTY;
  process.stderr.write(`${title}: starting\n`);
  return {
    show: (text: string) => process.stderr.write(terminal ? `\r\x1b[K${text}` : `${text}\n`),
    print: (text: string) => process.stderr.write(terminal ? `\r\x1b[K${text}\n` : `${text}\n`),
    end: () => terminal && process.stderr.write('\r\x1b[K'),
  };
}

async function main(): Promise<number> {
  const args = readArguments(process.argv.slice(2));
  if (args.help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const clusters = chooseClusters(loadWorkload(args.workload), args.cluster);
  const results: RunResult[] = [];
  for (const cluster of clusters) {
    const result = await replayCluster(args, cluster);
    results.push(result);
    if (!args.json) process.stdout.write(`${reportText(result)}\n`);
  }
  if (args.json) {
    const reports = results.map(reportJson);
    process.stdout.write(`${JSON.stringify(reports.length === 1 ? reports[0] : reports, null, 2)}\n`);
  }
  const failed = results.some((each) => each.violations > 0 || each.failure !== undefined);
  return failed ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  const usage = error instanceof UsageError || code?.startsWith('ERR_PARSE_ARGS') === true;
  process.stderr.write(usage ? `${message}\n${USAGE}\n` : `${message}\n`);
  process.exitCode = usage ? 2 : 1;
}
