/**
 * The HTTP API over a bare `node:http` server, in one run: two bare servers as a control of each
 * other, the sidecar by TCP and by Unix socket, everything warmed, in rounds whose order is
 * shuffled. Processor time per request is the server's alone; wall time is what a client sees.
 */
import { startSidecar } from '../replay/sidecar-process.ts';
import { atLeast, type Row } from '../row.ts';
import { lowerQuartile, printRows, quick, shuffled } from '../script.ts';
import {
  processorMs,
  SERVER_PROCESSOR,
  startBareServer,
  startLoadGenerator,
} from './processes.ts';
import { BATCH, bareTexts, batchTexts, getTexts, putTexts } from './variants.ts';

const ROUNDS = quick ? 2 : 7;
const WARM_UP = quick ? 2_000 : 50_000;
const MANY = 32;
/** Requests of one measurement; of the slow ones fewer. */
const REQUESTS = quick ? 2_000 : 40_000;

const CONFIGURATION = `namespaces:
  memory: { owner: bench, durability: memory }
  journal: { owner: bench, durability: journal }
  fsync: { owner: bench, durability: fsync }
`;

interface Variant {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
  readonly texts: readonly string[];
  readonly connections: number;
  readonly requests: number;
}

interface Cost {
  readonly cpuMs: number;
  readonly wallMs: number;
  readonly p99Ms: number;
}

const bareA = await startBareServer();
const bareB = await startBareServer();
const sidecar = await startSidecar({
  configuration: CONFIGURATION,
  memoryLimitMb: 2048,
  unixSocket: true,
  processor: SERVER_PROCESSOR,
});
const load = startLoadGenerator();

try {
  printRows(rowsOf(await measure(variants())));
} finally {
  load.stop();
  bareA.stop();
  bareB.stop();
  await sidecar.stop();
}

function variants(): Variant[] {
  const { pid, url } = sidecar;
  const unix = sidecar.unixUrl ?? url;
  const bare = { texts: bareTexts(), requests: REQUESTS };
  const put = (namespace: string) => ({ pid, texts: putTexts(namespace), requests: REQUESTS });
  const batch = (namespace: string, format: 'json' | 'cbor') => ({
    pid, url, connections: MANY, texts: batchTexts(namespace, format), requests: REQUESTS / 20,
  });
  const few = REQUESTS / 4;
  return [
    { name: 'bare', url: bareA.url, pid: bareA.pid, connections: MANY, ...bare },
    { name: 'bare again', url: bareB.url, pid: bareB.pid, connections: MANY, ...bare },
    { name: 'bare, 1', url: bareA.url, pid: bareA.pid, connections: 1, ...bare, requests: few },
    { name: 'bare again, 1', url: bareB.url, pid: bareB.pid, connections: 1, ...bare, requests: few },
    { name: 'put memory', url, connections: MANY, ...put('memory') },
    { name: 'put memory, unix', url: unix, connections: MANY, ...put('memory') },
    { name: 'put memory, 1', url, connections: 1, ...put('memory'), requests: few },
    { name: 'put journal', url, connections: MANY, ...put('journal') },
    {
      name: 'put journal, deadline kept',
      url, connections: MANY, ...put('journal'), texts: putTexts('journal', ''),
    },
    { name: 'put journal, unix', url: unix, connections: MANY, ...put('journal') },
    { name: 'put journal, 1', url, connections: 1, ...put('journal'), requests: few },
    { name: 'put journal, 1, unix', url: unix, connections: 1, ...put('journal'), requests: few },
    { name: 'put fsync', url, connections: MANY, ...put('fsync'), requests: few },
    { name: 'get', url, connections: MANY, pid, texts: getTexts('journal'), requests: REQUESTS },
    { name: 'get, 1', url, connections: 1, pid, texts: getTexts('journal'), requests: few },
    { name: 'batch journal, json', ...batch('journal', 'json') },
    { name: 'batch journal, cbor', ...batch('journal', 'cbor') },
    { name: 'batch fsync, json', ...batch('fsync', 'json') },
    { name: 'batch fsync, cbor', ...batch('fsync', 'cbor') },
  ];
}

async function once(variant: Variant, requests: number): Promise<Cost> {
  const { url, connections, texts, pid } = variant;
  const before = processorMs(pid);
  const result = await load.run({ url, connections, requests, requestTexts: texts });
  const after = processorMs(pid);
  if (result.failed > 0) {
    throw new Error(`Cannot measure ${variant.name}: ${result.failed} failed: ${result.firstFailure}`);
  }
  return {
    cpuMs: (after - before) / requests,
    wallMs: result.wallMs / requests,
    p99Ms: result.p99Ms,
  };
}

async function measure(all: readonly Variant[]): Promise<Map<string, Cost>> {
  // In proportion: a batch warms as much as its hundred puts.
  for (const variant of all) await once(variant, Math.ceil((WARM_UP * variant.requests) / REQUESTS));
  const costs = new Map<string, Cost[]>(all.map((variant) => [variant.name, []]));
  for (let round = 1; round <= ROUNDS; round += 1) {
    process.stderr.write(`  round ${round} of ${ROUNDS}\n`);
    for (const variant of shuffled(all)) {
      costs.get(variant.name)?.push(await once(variant, variant.requests));
    }
  }
  return new Map([...costs].map(([name, list]) => [name, typical(list)]));
}

/**
 * The lower quartile of the rounds: what else a machine does can only add to a cost, and the very
 * lowest round would be luck.
 */
function typical(costs: readonly Cost[]): Cost {
  return {
    cpuMs: lowerQuartile(costs.map((cost) => cost.cpuMs)),
    wallMs: lowerQuartile(costs.map((cost) => cost.wallMs)),
    p99Ms: lowerQuartile(costs.map((cost) => cost.p99Ms)),
  };
}

function rowsOf(costs: ReadonlyMap<string, Cost>): Row[] {
  const cost = (name: string): Cost => costs.get(name)!;
  const compared = (
    what: string,
    name: string,
    base: string,
    by: 'cpuMs' | 'wallMs',
    bar?: Row['bar'],
    records = 1,
  ): Row => {
    const here = cost(name);
    const value = (cost(base)[by] / here[by]) * records;
    const perSecond = Math.round((1_000 / here.wallMs) * records);
    const note = `${perSecond}/s, ${((here.cpuMs * 1_000) / records).toFixed(1)} µs of processor each, p99 ${here.p99Ms.toFixed(2)} ms`;
    return { what, value, unit: '×', note, ...(bar === undefined ? {} : { bar }) };
  };
  return [
    compared('control: bare over bare, CPU, 32 connections', 'bare again', 'bare', 'cpuMs'),
    compared('control: bare over bare, wall, 32 connections', 'bare again', 'bare', 'wallMs'),
    compared('control: bare over bare, wall, 1 connection', 'bare again, 1', 'bare, 1', 'wallMs'),
    compared('PUT 200 B, memory, TCP, CPU', 'put memory', 'bare', 'cpuMs', atLeast(0.85, 1)),
    compared('PUT 200 B, memory, Unix socket, CPU', 'put memory, unix', 'bare', 'cpuMs', atLeast(0.85, 1.6)),
    compared('PUT 200 B, memory, TCP, 32 connections, wall', 'put memory', 'bare', 'wallMs'),
    compared('PUT 200 B, memory, TCP, 1 connection, wall', 'put memory, 1', 'bare, 1', 'wallMs'),
    compared('PUT 200 B, journal, TCP, CPU', 'put journal', 'bare', 'cpuMs', atLeast(0.75, 0.95)),
    compared('PUT 200 B, journal, deadline kept, TCP, CPU', 'put journal, deadline kept', 'bare', 'cpuMs'),
    compared('PUT 200 B, journal, Unix socket, CPU', 'put journal, unix', 'bare', 'cpuMs'),
    compared('PUT 200 B, journal, TCP, 1 connection, wall', 'put journal, 1', 'bare, 1', 'wallMs', atLeast(0.6, 0.85)),
    compared('PUT 200 B, journal, Unix socket, 1 connection, wall', 'put journal, 1, unix', 'bare, 1', 'wallMs'),
    compared('PUT 200 B, fsync, 32 connections, wall', 'put fsync', 'bare', 'wallMs', atLeast(0.6, 0.9)),
    compared('GET, TCP, CPU', 'get', 'bare', 'cpuMs', atLeast(0.9, 1.1)),
    compared('GET, TCP, 1 connection, wall', 'get, 1', 'bare, 1', 'wallMs'),
    ...(['cbor', 'json'] as const).flatMap((format) => [
      compared(`batch of 100, journal, ${format}, records, wall`, `batch journal, ${format}`, 'bare', 'wallMs', atLeast(20, 35), BATCH),
      compared(`batch of 100, fsync, ${format}, records, wall`, `batch fsync, ${format}`, 'bare', 'wallMs', atLeast(10, 20), BATCH),
    ]),
  ];
}
