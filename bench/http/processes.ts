/**
 * Servers and the load generator as pinned child processes: servers on one processor, the load on
 * the other, where there are two and `taskset` is there; otherwise wherever the kernel puts them.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Load, Order } from './load.ts';

const canPin = availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0;

export const SERVER_PROCESSOR = canPin ? 0 : undefined;
export const LOAD_PROCESSOR = canPin ? 1 : undefined;

/** Kernel ticks a second, as `/proc/<pid>/stat` counts them. */
const TICKS_PER_SECOND = 100;
const KIBIBYTE = 1024;
const NANOS_PER_MS = 1e6;

function spawnPinned(file: string, processor: number | undefined): ChildProcess {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const command = [process.execPath, path];
  if (processor !== undefined) command.unshift('taskset', '-c', String(processor));
  return spawn(command[0]!, command.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
}

export interface BareServer {
  readonly url: string;
  readonly pid: number;
  stop(): void;
}

export async function startBareServer(): Promise<BareServer> {
  const child = spawnPinned('bare-server.ts', SERVER_PROCESSOR);
  for await (const line of createInterface({ input: child.stdout! })) {
    const port = /^ready (\d+)$/.exec(line)?.[1];
    if (port === undefined || child.pid === undefined) break;
    return { url: `http://127.0.0.1:${port}`, pid: child.pid, stop: () => child.kill('SIGTERM') };
  }
  throw new Error('Cannot start the bare server');
}

export interface LoadGenerator {
  run(order: Order): Promise<Load>;
  stop(): void;
}

export function startLoadGenerator(): LoadGenerator {
  const child = spawnPinned('load.ts', LOAD_PROCESSOR);
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  return {
    run: async (order) => {
      child.stdin?.write(`${JSON.stringify(order)}\n`);
      const { value, done } = await lines.next();
      if (done === true) throw new Error('Cannot measure: the load generator ended');
      return JSON.parse(value as string) as Load;
    },
    stop: () => child.stdin?.end(),
  };
}

/** Processor time a process has used so far, its threads included, in milliseconds. */
export function processorMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The name in parentheses may hold spaces; user and system time are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}

/** The same as the scheduler counts it, which is exact, of the threads there are now. */
export function exactProcessorMs(pid: number): number {
  let nanos = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    nanos += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]);
  }
  return nanos / NANOS_PER_MS;
}

/** Resident memory of a process in bytes. */
export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * KIBIBYTE;
}
