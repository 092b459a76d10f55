/**
 * A sidecar of one's own: a child process on free addresses, with a configuration and a data
 * directory that go when it goes.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 15_000;
const LOG_KEPT_CHARACTERS = 8_000;

export interface SidecarOptions {
  /** The YAML file's content. */
  readonly configuration: string;
  readonly memoryLimitMb: number;
  /** Listen on a Unix socket as well. */
  readonly unixSocket?: boolean;
  /** Where its journal is; kept when it stops. Default: its own, removed. */
  readonly dataDirectory?: string;
  /** Processor to pin it to, by `taskset`; undefined: wherever the kernel likes. */
  readonly processor?: number | undefined;
  /** Of the ledger it shares with others; default: it runs alone. */
  readonly ledgerUrl?: string | undefined;
  /** Its display name. */
  readonly name?: string;
  /** On top of what the others say. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface SidecarProcess {
  readonly pid: number;
  /** `http://host:port`. */
  readonly url: string;
  /** `unix:/path`, when asked for. */
  readonly unixUrl: string | undefined;
  /** From spawning it to its line on stdout. */
  readonly readyMs: number;
  /** Undefined while it runs. */
  readonly exit: () => string | undefined;
  /** The end of what it wrote on stderr. */
  readonly log: () => string;
  /** Drains it and removes what it left. */
  readonly stop: () => Promise<void>;
  /** Ends it at once, as a crash would. */
  readonly kill: () => Promise<void>;
}

/** Starts one and waits until it can serve. @throws Error with the end of its log when it cannot */
export async function startSidecar(options: SidecarOptions): Promise<SidecarProcess> {
  const directory = mkdtempSync(join(tmpdir(), 'leasehold-bench-'));
  const configuration = join(directory, 'leasehold.yaml');
  writeFileSync(configuration, options.configuration);
  const socket = join(directory, 'socket');
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('LEASEHOLD_') && !name.startsWith('OTEL_'),
  );
  const command = [process.execPath, MAIN, 'serve'];
  if (options.processor !== undefined) command.unshift('taskset', '-c', String(options.processor));
  const startedAt = performance.now();
  const child = spawn(command[0]!, command.slice(1), {
    env: {
      ...Object.fromEntries(inherited),
      LEASEHOLD_LISTEN: options.unixSocket === true ? `127.0.0.1:0,unix:${socket}` : '127.0.0.1:0',
      LEASEHOLD_DATA_DIR: options.dataDirectory ?? join(directory, 'data'),
      LEASEHOLD_CONFIG: configuration,
      LEASEHOLD_MEMORY_LIMIT_MB: String(options.memoryLimitMb),
      LEASEHOLD_LOG_LEVEL: 'warn',
      LEASEHOLD_DRAIN_MS: '5000',
      ...(options.ledgerUrl === undefined ? {} : { LEASEHOLD_LEDGER_URL: options.ledgerUrl }),
      ...(options.name === undefined ? {} : { LEASEHOLD_NAME: options.name }),
      ...options.environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-LOG_KEPT_CHARACTERS);
  });
  let exit: string | undefined;
  const exited = new Promise<void>((resolve) => {
    const note = (text: string): void => {
      exit ??= text;
      resolve();
    };
    child.on('exit', (code, signal) => note(`exited with ${signal ?? code}`));
    child.on('error', (error) => note(error.message));
  });
  const stop = (): Promise<void> => stopChild(child, 'SIGTERM', exited, directory);
  const kill = (): Promise<void> => stopChild(child, 'SIGKILL', exited, directory);
  try {
    const urls = await readyUrls(child, exited);
    const readyMs = performance.now() - startedAt;
    const url = urls.find((each) => each.startsWith('http:'));
    if (url === undefined || child.pid === undefined) throw new Error('it does not say where it listens');
    return {
      pid: child.pid,
      url,
      unixUrl: options.unixSocket === true ? `unix:${socket}` : undefined,
      readyMs,
      exit: () => exit,
      log: () => log,
      stop,
      kill,
    };
  } catch (error) {
    await stop();
    const reason = exit ?? (error as Error).message;
    throw new Error(`Cannot start a sidecar: ${reason}\n${log}`, { cause: error });
  }
}

function readyUrls(child: ChildProcess, exited: Promise<void>): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('it is not ready in time')), READY_TIMEOUT_MS);
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (more: string) => {
      text += more;
      const line = /^leasehold ready (.*)\n/m.exec(text);
      if (line === null) return;
      clearTimeout(timer);
      resolve(line[1]!.split(' '));
    });
    void exited.then(() => {
      clearTimeout(timer);
      reject(new Error('it stopped before it was ready'));
    });
  });
}

async function stopChild(
  child: ChildProcess,
  signal: 'SIGTERM' | 'SIGKILL',
  exited: Promise<void>,
  directory: string,
): Promise<void> {
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
  rmSync(directory, { recursive: true, force: true });
}
