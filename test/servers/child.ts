/**
 * Server processes of the tests: children with a directory of their own. Each is killed by its pid
 * when the test says so, when this process exits, and, where the system offers it, when this
 * process is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onPath } from './require-server.ts';

/** Below what Linux and macOS hand out for outgoing connections: a killed server's port stays free. */
const PORT_MIN = 10_000;
const PORT_MAX = 32_000;
const PORT_ATTEMPTS = 100;
/** Against a hang only. */
const READY_MAX_MS = 20_000;
const STOP_MAX_MS = 5_000;

const running = new Set<ChildProcess>();
const directories = new Set<string>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

/** A directory that lives until `stopServers` or the end of this process. */
export function serverDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'leasehold-server-'));
  directories.add(directory);
  return directory;
}

/** Kills every server that this process started and removes their directories: for `afterAll`. */
export async function stopServers(): Promise<void> {
  await Promise.all([...running].map(killed));
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  directories.clear();
}

function killed(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve();
      return;
    }
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}

/** A loopback port that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
    if (await isFree(port)) return port;
  }
  throw new Error(`No free port found in ${PORT_ATTEMPTS} attempts`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

export interface ServerProcess {
  readonly pid: number;
  /** The last of what it wrote. */
  readonly log: () => string;
  /** Whether it still runs; a paused one does. */
  readonly isRunning: () => boolean;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM, and SIGKILL for one that does not mind it; resolves when it is gone. */
  stop(): Promise<void>;
  /** SIGSTOP: its connections stay open and nothing answers. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
}

const LOG_MAX = 64 * 1024;

/**
 * Starts `command` and waits until `ready` is in what it writes.
 *
 * @throws Error with its log when it ends first or never says so
 */
export async function startServer(
  command: string,
  args: readonly string[],
  cwd: string,
  ready: string,
): Promise<ServerProcess> {
  const setpriv = onPath('setpriv');
  const line = [command, ...args];
  // A worker of the test runner that is killed runs no exit handler.
  if (setpriv !== undefined) line.unshift(setpriv, '--pdeathsig', 'KILL');
  const child = spawn(line[0]!, line.slice(1), { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let log = '';
  const take = (text: string): void => {
    log = (log + text).slice(-LOG_MAX);
  };
  child.stdout.setEncoding('utf8').on('data', take);
  child.stderr.setEncoding('utf8').on('data', take);
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  child.once('exit', () => running.delete(child));

  await new Promise<void>((resolve, reject) => {
    const fail = (how: string): void => {
      settle();
      void killed(child);
      reject(new Error(`${command} ${how}:\n${log}`));
    };
    const look = (): void => {
      if (!log.includes(ready)) return;
      settle();
      resolve();
    };
    const timer = setTimeout(() => fail(`was not ready after ${READY_MAX_MS} ms`), READY_MAX_MS);
    const settle = (): void => {
      clearTimeout(timer);
      child.stdout.off('data', look);
      child.off('exit', ended).off('error', failed);
    };
    const ended = (): void => fail('ended before it was ready');
    const failed = (error: Error): void => fail(`did not start (${error.message})`);
    child.on('exit', ended).on('error', failed);
    child.stdout.on('data', look);
  });

  return {
    pid: child.pid!,
    log: () => log,
    isRunning,
    kill: () => killed(child),
    async stop() {
      if (!isRunning()) return;
      const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.kill('SIGTERM');
      child.kill('SIGCONT');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MAX_MS);
      await gone;
      clearTimeout(timer);
    },
    pause: () => {
      child.kill('SIGSTOP');
    },
    resume: () => {
      child.kill('SIGCONT');
    },
  };
}
