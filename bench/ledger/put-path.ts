/**
 * What a connected ledger costs the path of a PUT: the whole sidecar, journal included, over a bare
 * `node:http` GET of 100 B, as in `http/compare.ts`, with and without Redis, in one run. Processor
 * time is the sidecar's, and counts until the ledger has been told of everything; Redis has its own.
 */
import { processorMs, SERVER_PROCESSOR, startBareServer, startLoadGenerator } from '../http/processes.ts';
import { bareTexts, putTexts } from '../http/variants.ts';
import { type SidecarProcess, startSidecar } from '../replay/sidecar-process.ts';
import { atLeast, type Row } from '../row.ts';
import { lowerQuartile, pause, printRows, quick, shuffled } from '../script.ts';
import { startRedis } from '../../test/servers/redis.ts';

const ROUNDS = quick ? 2 : 7;
const WARM_UP = quick ? 2_000 : 50_000;
const REQUESTS = quick ? 2_000 : 40_000;
const MANY = 32;
/** Keys written over again and again gather between pushes; as many as requests never do. */
const KEYS = { few: 1_000, many: REQUESTS };
const ENTRIES = 200_000;

const CAPACITY = `capacity: { leases: ${ENTRIES}, entries: ${ENTRIES}, bytes: 128Mi }`;
const ALONE = `namespaces:
  journal: { owner: bench, durability: journal, ${CAPACITY} }
`;
const CONNECTED = `${ALONE}  followed: { owner: bench, durability: journal, mirror: all, ${CAPACITY} }
`;

interface Variant {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
  readonly texts: readonly string[];
  /** Waits until nothing is left to do for what was asked. */
  readonly settled: () => Promise<void>;
}

interface Cost {
  readonly cpuMs: number;
  readonly redisMs: number;
  readonly wallMs: number;
  readonly p99Ms: number;
  readonly pushed: number;
}

const redis = await startRedis();
const bareA = await startBareServer();
const bareB = await startBareServer();
const options = { memoryLimitMb: 2048, processor: SERVER_PROCESSOR };
const alone = await startSidecar({ ...options, configuration: ALONE });
const connected = await startSidecar({ ...options, configuration: CONNECTED, ledgerUrl: redis.url });
const load = startLoadGenerator();

try {
  printRows(rowsOf(await measure(variants())));
} finally {
  load.stop();
  bareA.stop();
  bareB.stop();
  await alone.stop();
  await connected.stop();
  await redis.stop();
}

function variants(): Variant[] {
  const bare = { texts: bareTexts(), settled: async () => {} };
  const put = (sidecar: SidecarProcess, namespace: string, keys: number) => ({
    url: sidecar.url,
    pid: sidecar.pid,
    texts: putTexts(namespace, undefined, keys),
    settled: sidecar === alone ? async () => {} : everythingPushed,
  });
  return [
    { name: 'bare', url: bareA.url, pid: bareA.pid, ...bare },
    { name: 'bare again', url: bareB.url, pid: bareB.pid, ...bare },
    { name: 'alone', ...put(alone, 'journal', KEYS.few) },
    { name: 'alone, many', ...put(alone, 'journal', KEYS.many) },
    { name: 'connected', ...put(connected, 'journal', KEYS.few) },
    { name: 'connected, many', ...put(connected, 'journal', KEYS.many) },
    { name: 'followed, many', ...put(connected, 'followed', KEYS.many) },
  ];
}

async function once(variant: Variant, requests: number): Promise<Cost> {
  const { url, texts, pid } = variant;
  const pushedBefore = (await statusOf()).rounds.pushed;
  const before = { own: processorMs(pid), redis: processorMs(redis.pid) };
  const result = await load.run({ url, connections: MANY, requests, requestTexts: texts });
  await variant.settled();
  const after = { own: processorMs(pid), redis: processorMs(redis.pid) };
  if (result.failed > 0) {
    throw new Error(`Cannot measure ${variant.name}: ${result.failed} failed: ${result.firstFailure}`);
  }
  return {
    cpuMs: (after.own - before.own) / requests,
    redisMs: (after.redis - before.redis) / requests,
    wallMs: result.wallMs / requests,
    p99Ms: result.p99Ms,
    pushed: ((await statusOf()).rounds.pushed - pushedBefore) / requests,
  };
}

async function everythingPushed(): Promise<void> {
  while ((await statusOf()).ledger.unpushed > 0) await pause(20);
}

interface Status {
  readonly ledger: { readonly unpushed: number };
  readonly rounds: { readonly pushed: number };
}

async function statusOf(): Promise<Status> {
  return (await (await fetch(`${connected.url}/v1/status`)).json()) as Status;
}

async function measure(all: readonly Variant[]): Promise<Map<string, Cost>> {
  for (const variant of all) await once(variant, WARM_UP);
  const costs = new Map<string, Cost[]>(all.map((variant) => [variant.name, []]));
  for (let round = 1; round <= ROUNDS; round += 1) {
    process.stderr.write(`  round ${round} of ${ROUNDS}\n`);
    for (const variant of shuffled(all)) costs.get(variant.name)?.push(await once(variant, REQUESTS));
  }
  return new Map([...costs].map(([name, list]) => [name, typical(list)]));
}

/** The lower quartile of the rounds: what else a machine does can only add to a cost. */
function typical(costs: readonly Cost[]): Cost {
  const of = (part: keyof Cost): number => lowerQuartile(costs.map((cost) => cost[part]));
  return {
    cpuMs: of('cpuMs'), redisMs: of('redisMs'), wallMs: of('wallMs'), p99Ms: of('p99Ms'),
    pushed: of('pushed'),
  };
}

function rowsOf(costs: ReadonlyMap<string, Cost>): Row[] {
  const cost = (name: string): Cost => costs.get(name)!;
  const compared = (
    what: string, name: string, base: string, by: 'cpuMs' | 'wallMs', bar?: Row['bar'],
  ): Row => {
    const { cpuMs, redisMs, wallMs, p99Ms, pushed } = cost(name);
    const us = (ms: number): string => `${(ms * 1_000).toFixed(1)} µs`;
    const ofRedis = pushed > 0 ? `, ${us(redisMs)} of Redis, ${pushed.toFixed(2)} records pushed each` : '';
    return {
      what,
      value: cost(base)[by] / cost(name)[by],
      unit: '×',
      note: `${Math.round(1_000 / wallMs)}/s, ${us(cpuMs)} of processor${ofRedis}, p99 ${p99Ms.toFixed(2)} ms`,
      ...(bar === undefined ? {} : { bar }),
    };
  };
  const journal = 'PUT 200 B, journal';
  return [
    compared('control: bare over bare, CPU, 32 connections', 'bare again', 'bare', 'cpuMs'),
    compared('control: bare over bare, wall, 32 connections', 'bare again', 'bare', 'wallMs'),
    compared(`${journal}, alone, CPU`, 'alone', 'bare', 'cpuMs', atLeast(0.75, 0.95)),
    compared(`${journal}, Redis connected, CPU`, 'connected', 'bare', 'cpuMs', atLeast(0.4, 0.6)),
    compared(`${journal}, Redis connected, wall`, 'connected', 'bare', 'wallMs'),
    compared(`${journal}, as many keys as requests, alone, CPU`, 'alone, many', 'bare', 'cpuMs'),
    compared(`${journal}, as many keys as requests, Redis connected, CPU`, 'connected, many', 'bare', 'cpuMs', atLeast(0.4, 0.6)),
    compared(`${journal}, as many keys as requests, Redis connected, wall`, 'connected, many', 'bare', 'wallMs'),
    compared(`${journal}, the same where copies of everything are kept, CPU`, 'followed, many', 'bare', 'cpuMs', atLeast(0.4, 0.6)),
    compared('Redis connected over alone, as many keys as requests, CPU', 'connected, many', 'alone, many', 'cpuMs'),
  ];
}
