/**
 * A sidecar at twice what it can do. First what it can do: the most requests a second of the mix
 * that a growing number of connections gets done. Then half of that, to know its latencies; twice
 * that for a minute; and silence, until it says that all is well again. Besides rows there is a plot
 * of the whole run.
 *
 * The sidecar has one processor and the generator the other, where there are two and `taskset` is
 * there.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { processorMs, residentBytes, SERVER_PROCESSOR, startLoadGenerator } from '../http/processes.ts';
import { startSidecar } from '../replay/sidecar-process.ts';
import { pause, printRows } from '../script.ts';
import { type Generator, startGenerator } from './generator-process.ts';
import {
  CLASSES, CONFIGURATION, preparation, requestsTo, type RequestClass, spareTexts,
  SHARES,
} from './neighbours.ts';
import type { PhaseOrder } from './phase.ts';
import { plotOf } from './plot.ts';
import { nominalSince, watchUntilNominal } from './recovery.ts';
import { doneIn, type OverloadRun, rowsOf, type Sample } from './verdict.ts';
import { perClass, type PhaseReport } from './tally.ts';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    svg: { type: 'string', default: join(import.meta.dirname, '..', 'out', 'overload.svg') },
  },
});
const { quick } = values;

const WARM_UP_MS = quick ? 2_000 : 8_000;
const CAPACITY_MS = quick ? 1_000 : 4_000;
const ALONE_MS = quick ? 500 : 2_000;
const HALF_MS = quick ? 4_000 : 15_000;
const OVERLOAD_MS = quick ? 10_000 : 60_000;
/** Beyond the largest the sidecar only queues. */
const CLOSED_CONNECTIONS = [8, 16, 32, 64];
const ALONE_CONNECTIONS = 16;
const POLITE_SHARE = 0.2;
const MEMORY_LIMIT_MB = 1_024;
const SAMPLE_MS = 500;
/** Requests of the preparation are few enough connections that none is refused. */
const PREPARING_CONNECTIONS = 8;
const PREPARED_AT_ONCE = 10_000;
/** Released before the load begins, by the phases that measure the capacity. */
const SPARE_AT_FIRST = 50_000;

const sidecar = await startSidecar({
  configuration: CONFIGURATION,
  memoryLimitMb: MEMORY_LIMIT_MB,
  processor: SERVER_PROCESSOR,
});
const host = new URL(sidecar.url).host;
const write = requestsTo(host);
const generator = startGenerator();
if (SERVER_PROCESSOR !== undefined) {
  spawnSync('taskset', ['-a', '-c', '-p', String(generator.processor), String(process.pid)]);
}
const resident: Sample[] = [];
const sampling = setInterval(() => {
  resident.push({ at: performance.timeOrigin + performance.now(), value: residentBytes(sidecar.pid) });
}, SAMPLE_MS);
let seed = 0;

try {
  const run = await measure(generator);
  mkdirSync(dirname(values.svg), { recursive: true });
  writeFileSync(values.svg, plotOf(run.plotted));
  process.stderr.write(`  plot in ${values.svg}\n`);
  printRows(rowsOf(run));
} finally {
  clearInterval(sampling);
  generator.stop();
  await sidecar.stop();
}

async function measure(load: Generator): Promise<OverloadRun & { plotted: Parameters<typeof plotOf>[0] }> {
  await prepare(preparation(write));
  await prepare(spareTexts(write, 0, SPARE_AT_FIRST));
  await load.run({ phase: closed(32, WARM_UP_MS), spare: { from: 0, to: SPARE_AT_FIRST } });

  const peak = await findPeak(load);
  const costUs = await costs(load);
  const ratePerS = 2 * peak.perS;
  const wanted = Math.ceil((1.2 * ratePerS * SHARES.release * (OVERLOAD_MS + HALF_MS + WARM_UP_MS)) / 1_000);
  note(`granting ${wanted} leases to be released`);
  const spare = { from: SPARE_AT_FIRST, to: SPARE_AT_FIRST + wanted };
  await prepare(spareTexts(write, spare.from, spare.to));

  note(`half the capacity, ${Math.round(peak.perS / 2)}/s`);
  await load.run({ phase: open(peak.perS / 2, WARM_UP_MS), spare });
  const half = await load.run({ phase: open(peak.perS / 2, HALF_MS) });
  note(`twice the capacity, ${Math.round(ratePerS)}/s`);
  let isLoaded = true;
  const watched = pause(OVERLOAD_MS).then(() => watchUntilNominal(sidecar.url, () => !isLoaded));
  const usedBefore = processorMs(sidecar.pid);
  const waitedBefore = waitedMs(sidecar.pid);
  const overload = await load.run({ phase: open(ratePerS, OVERLOAD_MS) });
  const processorShare = (processorMs(sidecar.pid) - usedBefore) / OVERLOAD_MS;
  const waitedShare = (waitedMs(sidecar.pid) - waitedBefore) / OVERLOAD_MS;
  isLoaded = false;
  const levels = await watched;
  const at = nominalSince(levels);
  const endedAt = overload.startedAt + OVERLOAD_MS;
  const nominalAfterMs = at === undefined ? undefined : Math.max(0, at - endedAt);
  const again = doneIn(await load.run({ phase: closed(peak.connections, CAPACITY_MS) }));
  return {
    peak: { ...peak, again }, costUs, half, overload, processorShare, waitedShare, resident, nominalAfterMs,
    plotted: {
      peakPerS: peak.perS, phases: [half, overload], resident, nominalAt: at,
      levels: levels.filter((told) => told.at >= endedAt),
    },
  };
}

async function prepare(texts: readonly string[]): Promise<void> {
  const load = startLoadGenerator();
  try {
    for (let from = 0; from < texts.length; from += PREPARED_AT_ONCE) {
      const requestTexts = texts.slice(from, from + PREPARED_AT_ONCE);
      const { failed, firstFailure } = await load.run({
        url: sidecar.url, connections: PREPARING_CONNECTIONS, requests: requestTexts.length, requestTexts,
      });
      if (failed > 0) throw new Error(`Cannot prepare: ${failed} failed: ${firstFailure}`);
    }
  } finally {
    load.stop();
  }
}

function order(load: PhaseOrder['load'], durationMs: number, only?: RequestClass): PhaseOrder {
  seed += 1;
  const { hostname, port } = new URL(sidecar.url);
  return {
    host: hostname, port: Number(port), load, durationMs, politeShare: POLITE_SHARE, seed,
    ...(only === undefined ? {} : { only }),
  };
}

function closed(connections: number, durationMs: number, only?: RequestClass): PhaseOrder {
  return order({ kind: 'closed', connections }, durationMs, only);
}

function open(ratePerS: number, durationMs: number): PhaseOrder {
  return order({ kind: 'open', ratePerS }, durationMs);
}

/** Twice each: what else a machine does can only lower it. */
async function findPeak(load: Generator): Promise<{ perS: number; connections: number }> {
  let peak = { perS: 0, connections: 0 };
  for (const connections of [...CLOSED_CONNECTIONS, ...CLOSED_CONNECTIONS]) {
    const report = await load.run({ phase: closed(connections, CAPACITY_MS) });
    mustSucceed(report);
    const perS = doneIn(report);
    note(`${connections} connections: ${Math.round(perS)}/s`);
    if (perS > peak.perS) peak = { perS, connections };
  }
  return peak;
}

/** Every class alone. A release is taken for a renewal: there are not so many leases to release. */
async function costs(load: Generator): Promise<OverloadRun['costUs']> {
  const found = perClass(() => 0);
  for (const kind of CLASSES.filter((each) => each !== 'release')) {
    const before = processorMs(sidecar.pid);
    const report = await load.run({ phase: closed(ALONE_CONNECTIONS, ALONE_MS, kind) });
    found[kind] = ((processorMs(sidecar.pid) - before) * 1_000) / report.byClass[kind].ok;
  }
  found.release = found.renew;
  return found;
}

/** What the process's first thread has waited for a processor so far, in milliseconds. */
function waitedMs(pid: number): number {
  const [, waitedNs] = readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ');
  return Number(waitedNs) / 1_000_000;
}

function mustSucceed({ byClass }: PhaseReport): void {
  for (const kind of CLASSES) {
    const { failed, lost, firstFailure } = byClass[kind];
    if (failed + lost > 0) throw new Error(`Cannot measure: ${kind}: ${failed + lost} failed: ${firstFailure}`);
  }
}

function note(text: string): void {
  process.stderr.write(`  ${text}\n`);
}
