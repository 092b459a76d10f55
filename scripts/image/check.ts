/**
 * The image in use: how it is confined, what is not in it, that published traffic from outside
 * finds nothing wrong, that stopping it under load loses nothing, that filling it ends in refusals.
 * The clients and the judges are those of the tests of processes; only the sidecar is elsewhere.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { play, SCENARIOS } from '../../test/process/bus/scenarios.ts';
import { type Capacity, fillConfiguration, Filling } from '../../test/process/fill/filling.ts';
import { cleanUp, type SidecarSettings } from '../../test/process/support.ts';
import { stopServers } from '../../test/servers/child.ts';
import { type Container, type ContainerSettings, startContainer } from './container.ts';
import type { Engine } from './engine.ts';

export interface CheckSettings {
  readonly engine: Engine;
  readonly image: string;
  readonly seconds: number;
  readonly say: (line: string) => void;
}

const ROOT = join(import.meta.dirname, '../..');
const MEBIBYTE = 1024 ** 2;
const UID = 65532;
const MAIN = '/app/src/main.js';
const SERVING_MB = 1024;
/** Requests a second: that there are no violations is asked, not how fast it is. */
const REPLAY_RATE = 2_000;
/** The campaign gives the bus room for more than a sidecar usually has. */
const BUS_MB = 2048;
/** What the configuration of the filling needs at worst, and a little. */
const FILL_MB = 352;
const FILL: Capacity = { entries: 4_000, leases: 5_000, mebibytes: 12 };
/** Nobody needs them to run a sidecar; somebody who broke in would. */
const TOOLS = ['/bin/sh', '/bin/bash', '/bin/busybox', '/usr/bin/env', '/usr/local/bin/npm'];
const REPLAYED = `
namespaces:
  replay:
    ttl: { defaultMs: 10000, minMs: 100, maxMs: 86400000, maxLifetimeMs: 172800000 }
    capacity: { leases: 200000, entries: 200000, bytes: 64Mi }
logLevel: warn
`;

/** Plays everything, and says what came of it; resolves with how much was wrong. */
export async function checkImage(settings: CheckSettings): Promise<number> {
  const checks: readonly [string, (settings: CheckSettings) => Promise<readonly string[]>][] = [
    ['it says what it is', checkFacts],
    ['it is confined, and has no tools', checkConfinement],
    ['it answers published traffic from outside', checkReplay],
    ['stopped under load it loses no acknowledged write and no ending', checkStops],
    ['filled beyond its memory limit it refuses and lives', checkFill],
  ];
  let wrong = 0;
  for (const [what, check] of checks) {
    const complaints = await check(settings);
    settings.say(`${complaints.length === 0 ? 'ok   ' : 'WRONG'} ${what}`);
    for (const each of complaints) settings.say(`      ${each}`);
    wrong += complaints.length;
  }
  return wrong;
}

async function checkFacts({ engine, image, say }: CheckSettings): Promise<string[]> {
  const [{ Config: config }] = JSON.parse(await engine.ask('image', 'inspect', image));
  const wrong: string[] = [];
  if (config.User !== `${UID}:${UID}`) wrong.push(`its user is ${config.User}`);
  const labels = ['title', 'description', 'licenses', 'version', 'revision', 'created'];
  for (const name of labels) {
    const value = config.Labels?.[`org.opencontainers.image.${name}`];
    if (value === undefined || value === '') wrong.push(`it has no label ${name}`);
  }
  const bill = JSON.parse(await engine.ask('run', '--rm', ...engine.settings.runOptions, '--entrypoint=node', image, '-p', 'require("fs").readFileSync("/app/sbom.json","utf8")'));
  const names = bill.components.map(({ name, version }: { name: string; version: string }) => `${name} ${version}`);
  if (!names.includes(`node ${process.versions.node}`)) wrong.push(`its bill of materials has no node ${process.versions.node}`);
  for (const dependency of Object.keys(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).dependencies)) {
    if (!names.some((name: string) => name.startsWith(`${dependency} `))) wrong.push(`its bill of materials has no ${dependency}`);
  }
  say(`      ${names.length} components in its bill of materials`);
  return wrong;
}

async function checkConfinement(settings: CheckSettings): Promise<string[]> {
  return using(settings, { memoryMb: SERVING_MB }, async (container) => {
    const wrong: string[] = [];
    const status = ofProcess(container.pid, 'status');
    const field = (name: string) => new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)?.[1];
    const expected = { Uid: String(UID), Gid: String(UID), CapEff: '0000000000000000', CapBnd: '0000000000000000', NoNewPrivs: '1' };
    for (const [name, value] of Object.entries(expected)) {
      if (status !== '' && field(name) !== value) wrong.push(`${name} is ${field(name)}`);
    }
    const root = /^\S+ \/ \S+ (\S+)/m.exec(ofProcess(container.pid, 'mounts'))?.[1];
    if (root !== undefined && !root.split(',').includes('ro')) wrong.push(`its root is mounted ${root}`);
    for (const tool of TOOLS) if ((await container.exec(tool, '-c', '')) === 0) wrong.push(`it has ${tool}`);
    for (const question of [['health'], ['health', '--ready'], ['status']]) {
      const url = ['--url', container.url];
      const code = await container.exec('node', MAIN, ...question, ...url);
      if (code !== 0) wrong.push(`leasehold ${question.join(' ')} exits with ${code} inside`);
    }
    const { code } = await container.stop();
    if (code !== 0) wrong.push(`stopped, it exits with ${code}`);
    return wrong;
  });
}

async function checkReplay(settings: CheckSettings): Promise<string[]> {
  const { seconds, say } = settings;
  return using(settings, { memoryMb: SERVING_MB, configuration: REPLAYED }, async (container) => {
    const words = ['bench/replay/main.ts', '--url', container.url, '--seconds', String(seconds), '--rate', String(REPLAY_RATE), '--json'];
    const report = await promisify(execFile)(process.execPath, words, { cwd: ROOT, maxBuffer: 64 * MEBIBYTE }).then(
      ({ stdout }) => stdout,
      ({ stdout, stderr }) => (stdout === '' ? JSON.stringify([{ failure: stderr }]) : stdout),
    );
    const rows: readonly { cluster: string; replies: number; violations: number; failure?: string }[] = JSON.parse(report);
    for (const { cluster, replies, violations } of rows) say(`      ${cluster}: ${replies} replies, ${violations} violations`);
    return rows
      .filter(({ violations, failure }) => violations > 0 || failure !== undefined)
      .map(({ cluster, violations, failure = '' }) => `${cluster}: ${violations} violations ${failure}`);
  });
}

async function checkStops(settings: CheckSettings): Promise<string[]> {
  const { engine, image, seconds, say } = settings;
  const volume = `leasehold-stops-${process.pid}`;
  let container: Container | undefined;
  const run = async ({ configuration, environment }: SidecarSettings): Promise<Container> => {
    await container?.remove();
    container = await startContainer(engine, {
      image, volume,
      memoryMb: BUS_MB,
      configuration: configuration!,
      environment: { ...environment, LEASEHOLD_MEMORY_LIMIT_MB: String(BUS_MB) },
    });
    return container;
  };
  try {
    const { what, surroundings, play: scene } = SCENARIOS.stopped;
    const scenario = { what, play: scene, surroundings: () => ({ ...surroundings(), run }) };
    const scale = { spanMs: seconds * 1000, leases: 0 };
    const campaign = { seed: 1, neighbours: 6, room: 1_500, say: (line: string) => say(`      ${line}`) };
    const { wrong, figures } = await play(scenario, campaign, scale);
    const taken = Object.values(figures.taken).reduce((sum, count) => sum + count, 0);
    say(`      ${figures.runs} runs, ${taken} requests taken, ${figures.endings} endings among ${figures.events} events`);
    return [...wrong];
  } finally {
    await container?.remove();
    await engine.ask('volume', 'rm', volume);
    await cleanUp();
    await stopServers();
  }
}

async function checkFill(settings: CheckSettings): Promise<string[]> {
  const { seconds, say } = settings;
  const limits = { memoryMb: FILL_MB, configuration: fillConfiguration(FILL) };
  return using(settings, limits, async (container) => {
    const filled = await new Filling({ url: container.url, goOnMs: seconds * 1000 }).play();
    const wrong = [...filled.wrong];
    const peakMb = Number(/^VmHWM:\s+(\d+)/m.exec(ofProcess(container.pid, 'status'))?.[1]) / 1024;
    if (peakMb > FILL_MB) wrong.push(`${peakMb} MiB were resident at the peak`);
    const refused = Object.entries(filled.refused).map(([why, count]) => `${count} ${why}`);
    say(`      ${filled.entries} entries and ${filled.leases} leases at the fullest, ${Math.round(peakMb)} of ${FILL_MB} MiB resident at the peak`);
    say(`      refused: ${refused.join(', ')}`);
    const { code } = await container.stop();
    if (code !== 0) wrong.push(`it ended with ${code}`);
    if (await container.wasKilledForMemory()) wrong.push('the kernel killed it for want of memory');
    return wrong;
  });
}

/** A container for one check; removed whatever happens. */
async function using(
  { engine, image }: CheckSettings, more: Omit<ContainerSettings, 'image'>,
  check: (container: Container) => Promise<string[]>,
): Promise<string[]> {
  const container = await startContainer(engine, { image, ...more });
  try {
    return await check(container);
  } catch (error) {
    const wasKilled = await container.wasKilledForMemory();
    const how = wasKilled ? 'the kernel killed it for want of memory' : (error as Error).message;
    return [`${how}\n${container.err()}`];
  } finally {
    await container.remove();
  }
}

/** A file of `/proc`; empty where the engine runs elsewhere, as in a virtual machine. */
function ofProcess(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
