/**
 * Real sidecars: `node src/main.ts` as a child process on a free port, with a data directory and a
 * configuration of its own. Everything started here is remembered until it has ended, and killed
 * when the test is over or this process goes, so a test that fails leaves nothing running.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
/** Against a hang only: a busy machine takes seconds. */
const PATIENCE_MS = 30_000;
const POLL_MS = 10;

const running = new Set<ChildProcess>();
const directories = new Set<string>();
let lastActions: (() => void)[] = [];
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** How a process ended: its code, or the signal that ended it. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process of the product under test, with what it has written so far. */
export interface Program {
  readonly pid: number;
  readonly child: ChildProcess;
  /** Everything it has written on stdout, and on stderr. */
  readonly out: () => string;
  readonly err: () => string;
  readonly ended: Promise<Ended>;
  /** undefined while it runs. */
  readonly end: () => Ended | undefined;
}

/** A directory of the test's own; removed by `cleanUp`. */
export function scratchDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'leasehold-process-'));
  directories.add(directory);
  return directory;
}

/** Has `action` done by `cleanUp`, when nothing runs any more and before directories go. */
export function beforeLeaving(action: () => void): void {
  lastActions.push(action);
}

/** Kills what still runs and removes every scratch directory: for `afterEach`. */
export async function cleanUp(): Promise<void> {
  for (const child of [...running]) {
    child.kill('SIGKILL');
    await once(child, 'close');
  }
  for (const action of lastActions) action();
  lastActions = [];
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  directories.clear();
}

/** This process's environment without what would configure a sidecar. */
function environmentWith(more: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('LEASEHOLD_') && !name.startsWith('OTEL_'),
  );
  return { ...Object.fromEntries(inherited), ...more };
}

/** Runs `leasehold` with these arguments; without any it serves. */
export function run(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  input = '',
): Program {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: environmentWith(environment),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  running.add(child);
  let out = '';
  let err = '';
  let end: Ended | undefined;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code, signal) => {
      running.delete(child);
      end = { code, signal };
      resolve(end);
    });
  });
  // A program that does not read what it is given closes the pipe.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return { pid: child.pid!, child, out: () => out, err: () => err, ended, end: () => end };
}

/** Waits until `condition` gives something; asks again and again, with a generous deadline. */
export async function until<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await condition();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`Waited ${PATIENCE_MS} ms in vain: ${what}`);
    await sleep(POLL_MS);
  }
}

export interface SidecarSettings {
  readonly dataDirectory: string;
  /** The YAML file; without one the sidecar runs on its defaults. */
  readonly configuration?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

export interface Sidecar extends Program {
  /** In the order they were asked for. */
  readonly urls: readonly string[];
  readonly url: string;
  /** SIGTERM, and what came of it. */
  readonly stop: () => Promise<Ended>;
  /** SIGKILL; resolves when it is gone. */
  readonly kill: () => Promise<Ended>;
}

/** Starts a sidecar without waiting for it to be ready: it may be meant not to get so far. */
export function launch(settings: SidecarSettings): Program {
  const environment: Record<string, string> = {
    LEASEHOLD_LISTEN: '127.0.0.1:0',
    LEASEHOLD_DATA_DIR: settings.dataDirectory,
    LEASEHOLD_NAME: 'tested',
    // However little memory the machine of the tests has.
    LEASEHOLD_MEMORY_LIMIT_MB: '2048',
    ...settings.environment,
  };
  if (settings.configuration !== undefined) {
    const file = join(scratchDirectory(), 'leasehold.yaml');
    writeFileSync(file, settings.configuration);
    environment['LEASEHOLD_CONFIG'] = file;
  }
  return run([], environment);
}

/** The URLs of its ready line; undefined when it ended before it wrote one. */
export async function readyUrls(program: Program): Promise<readonly string[] | undefined> {
  return until('the sidecar is ready or has ended', () => {
    const line = /^leasehold ready (.+)\n/m.exec(program.out());
    if (line !== null) return { urls: line[1]!.split(' ') };
    return program.end() === undefined ? undefined : { urls: undefined };
  }).then(({ urls }) => urls);
}

/** Starts a sidecar and waits for its ready line. @throws Error with its log when none comes */
export async function start(settings: SidecarSettings): Promise<Sidecar> {
  const program = launch(settings);
  const urls = await readyUrls(program);
  if (urls === undefined) {
    throw new Error(`The sidecar ended with ${JSON.stringify(program.end())}:\n${program.err()}`);
  }
  return sidecarOf(program, urls);
}

export function sidecarOf(program: Program, urls: readonly string[]): Sidecar {
  const signal = (name: NodeJS.Signals) => (): Promise<Ended> => {
    program.child.kill(name);
    return program.ended;
  };
  return { ...program, urls, url: urls[0]!, stop: signal('SIGTERM'), kill: signal('SIGKILL') };
}
