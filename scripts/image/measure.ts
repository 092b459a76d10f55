/**
 * What the image costs beside the bare runtime in it: bytes as stored and as sent, time from `run`
 * to ready, memory when idle. Both are started by the same engine in turn, so that what the engine
 * costs is in both.
 */
import { createReadStream, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGzip } from 'node:zlib';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { median } from '../../bench/script.ts';
import { startContainer } from './container.ts';
import type { Engine } from './engine.ts';

const STARTS = 7;
const IDLE_MS = 2_000;
const MEMORY_MB = 1024;
const MEGABYTE = 1e6;
const LAYERS = ['runtime', 'packages', 'sidecar'];
/** Listens, answers, and says so as a sidecar does. */
const BARE = `
const server = require('node:http').createServer((_, response) => response.end('ok'));
server.listen(0, '127.0.0.1', () => console.log('leasehold ready http://127.0.0.1:' + server.address().port));
process.on('SIGTERM', () => server.close());
`;

export async function measureImage(engine: Engine, image: string, say: (line: string) => void): Promise<void> {
  say('layer     stored MB  sent MB');
  for (const [index, { bytes, sentBytes }] of (await layersOf(engine, image)).entries()) {
    const name = (LAYERS[index] ?? 'more').padEnd(9);
    say(`${name} ${megabytes(bytes).padStart(9)} ${megabytes(sentBytes).padStart(8)}`);
  }
  const bare: Cost[] = [];
  const sidecar: Cost[] = [];
  for (let start = 0; start < STARTS; start++) {
    bare.push(await costOf(engine, image, ['node', '-e', BARE]));
    sidecar.push(await costOf(engine, image));
  }
  say('          ready ms  of it CPU ms  resident MB  of it anonymous MB');
  for (const [name, costs] of [['bare node', bare], ['sidecar', sidecar]] as const) {
    const of = (pick: (cost: Cost) => number) => String(Math.round(median(costs.map(pick))));
    say(
      `${name.padEnd(9)} ${of((cost) => cost.readyMs).padStart(8)} ${of((cost) => cost.cpuMs).padStart(12)} ` +
        `${of((cost) => cost.residentMb).padStart(12)} ${of((cost) => cost.anonymousMb).padStart(19)}`,
    );
  }
}

interface Cost {
  readonly readyMs: number;
  /** On any processor until then: the same on a machine that has other things to do. */
  readonly cpuMs: number;
  readonly residentMb: number;
  readonly anonymousMb: number;
}

async function costOf(engine: Engine, image: string, entrypoint?: readonly string[]): Promise<Cost> {
  const container = await startContainer(engine, {
    image, memoryMb: MEMORY_MB, ...(entrypoint === undefined ? {} : { entrypoint }),
  });
  try {
    const cpuMs = cpuMsOf(container.pid);
    await sleep(IDLE_MS);
    const status = readFileSync(`/proc/${container.pid}/status`, 'utf8');
    const field = (name: string) => (Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]) * 1024) / MEGABYTE;
    return { readyMs: container.readyMs, cpuMs, residentMb: field('VmRSS'), anonymousMb: field('RssAnon') };
  } finally {
    await container.remove();
  }
}

/** Of all its threads. */
function cpuMsOf(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const ns = tasks.map((task) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]));
  return ns.reduce((sum, each) => sum + each, 0) / 1e6;
}

/** The layers that hold something, as they are stored and compressed as a registry sends them. */
async function layersOf(engine: Engine, image: string): Promise<{ bytes: number; sentBytes: number }[]> {
  const folder = mkdtempSync(join(tmpdir(), 'leasehold-layers-'));
  try {
    const archive = join(folder, 'image.tar');
    await engine.ask('save', '--output', archive, image);
    await promisify(execFile)('tar', ['-xf', archive, '-C', folder]);
    const [{ Layers: names }] = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
    const layers: { bytes: number; sentBytes: number }[] = [];
    for (const name of names) {
      const file = createReadStream(join(folder, name));
      const packed = file.pipe(createGzip());
      let sentBytes = 0;
      for await (const chunk of packed) sentBytes += chunk.length;
      if (file.bytesRead > EMPTY_BYTES) layers.push({ bytes: file.bytesRead, sentBytes });
    }
    return layers;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A layer with nothing but a directory in it. */
const EMPTY_BYTES = 10_240;

function megabytes(bytes: number): string {
  return (bytes / MEGABYTE).toFixed(1);
}
