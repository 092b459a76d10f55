/**
 * What each setting of telemetry costs: one sidecar for each, the same requests to all, in rounds
 * whose order is shuffled, and all of it again with other processes. Half are PUTs and half GETs, and all carry a `traceparent`, of which one in
 * a hundred is sampled, as from a neighbour that samples that share. So `1 %` records what its parent
 * records, and `100 %` everything. The off-setting is there twice, as a control.
 *
 * The bar is for throughput: requests that a processor does in the time of one, so processor time per
 * request decides, read from the scheduler to the nanosecond. Of the rounds the lower quartile is told,
 * since what else a machine does can only add to a cost.
 */
import { randomBytes } from 'node:crypto';
import { exactProcessorMs, LOAD_PROCESSOR, SERVER_PROCESSOR, startLoadGenerator } from '../http/processes.ts';
import { getTexts, putTexts } from '../http/variants.ts';
import { type SidecarProcess, startSidecar } from '../replay/sidecar-process.ts';
import { atLeast, type Row } from '../row.ts';
import { lowerQuartile, printRows, quick, shuffled } from '../script.ts';
import { settings, startCollector } from './settings.ts';

/** Two processes that do the same differ by a quarter, whoever was started first. */
const GENERATIONS = quick ? 1 : 5;
const ROUNDS = quick ? 2 : 5;
const WARM_UP = quick ? 2_000 : 50_000;
const REQUESTS = quick ? 2_000 : 10_000;
const CONNECTIONS = 32;
const SAMPLED_EVERY = 100;

const CONFIGURATION = 'namespaces: { traced: { owner: bench } }\n';

interface Cost {
  readonly cpuMs: number;
  readonly wallMs: number;
}

const collector = await startCollector(LOAD_PROCESSOR);
const sidecars = new Map<string, SidecarProcess>();
const load = startLoadGenerator();
try {
  const costs = new Map<string, Cost[]>();
  for (let generation = 1; generation <= GENERATIONS; generation += 1) {
    process.stderr.write(`  generation ${generation} of ${GENERATIONS}\n`);
    for (const [name, environment] of shuffled(Object.entries(settings(collector.url)))) {
      sidecars.set(name, await startSidecar({
        configuration: CONFIGURATION, memoryLimitMb: 2048, processor: SERVER_PROCESSOR, environment,
      }));
    }
    for (const [name, found] of await measure()) costs.set(name, [...(costs.get(name) ?? []), ...found]);
    for (const sidecar of sidecars.values()) await sidecar.stop();
    sidecars.clear();
  }
  printRows(rowsOf(costs));
} finally {
  load.stop();
  for (const sidecar of sidecars.values()) await sidecar.stop();
  process.stderr.write(`  the collector was sent ${await collector.stop()} bytes\n`);
}

/** Each as a part of some trace. */
function traced(texts: readonly string[]): string[] {
  return texts.map((text, index) => {
    // Writes and reads in turn.
    const sampled = index % SAMPLED_EVERY === Math.floor(index / SAMPLED_EVERY) % 2;
    const flags = sampled ? '01' : '00';
    const ids = `${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}`;
    return text.replace('\r\n', `\r\ntraceparent: 00-${ids}-${flags}\r\n`);
  });
}

async function measure(): Promise<ReadonlyMap<string, readonly Cost[]>> {
  const puts = putTexts('traced');
  const gets = getTexts('traced');
  const mixed = traced(puts.flatMap((put, index) => [put, gets[index]!]));
  const once = async (name: string, requests: number, requestTexts = mixed): Promise<Cost> => {
    const { url, pid } = sidecars.get(name)!;
    const before = exactProcessorMs(pid);
    const result = await load.run({ url, connections: CONNECTIONS, requests, requestTexts });
    if (result.failed > 0) throw new Error(`Cannot measure ${name}: ${result.firstFailure}`);
    return { cpuMs: (exactProcessorMs(pid) - before) / requests, wallMs: result.wallMs / requests };
  };
  const names = [...sidecars.keys()];
  for (const name of names) {
    await once(name, puts.length, puts);
    await once(name, WARM_UP);
  }
  const costs = new Map<string, Cost[]>(names.map((name) => [name, []]));
  for (let round = 1; round <= ROUNDS; round += 1) {
    process.stderr.write(`  round ${round} of ${ROUNDS}\n`);
    for (const name of shuffled(names)) costs.get(name)!.push(await once(name, REQUESTS));
  }
  return costs;
}

function rowsOf(costs: ReadonlyMap<string, readonly Cost[]>): Row[] {
  const typical = (name: string, by: keyof Cost): number =>
    lowerQuartile(costs.get(name)!.map((cost) => cost[by]));
  const row = (what: string, name: string, bar?: Row['bar']): Row => {
    const over = (by: keyof Cost): number => typical('off', by) / typical(name, by);
    const micros = (by: keyof Cost): string => (typical(name, by) * 1_000).toFixed(1);
    const note = `${micros('cpuMs')} µs of processor a request, ${micros('wallMs')} µs wall; wall ratio ${over('wallMs').toFixed(2)}`;
    return { what, value: over('cpuMs'), unit: '×', note, ...(bar === undefined ? {} : { bar }) };
  };
  return [
    row('control: telemetry off over off, CPU', 'off again'),
    row('metrics by OTLP over telemetry off, CPU', 'metrics'),
    row('metrics, 1 % sampled, over telemetry off, CPU', '1 %', atLeast(0.93, 0.97)),
    row('metrics, 100 % sampled, over telemetry off, CPU', '100 %'),
  ];
}
