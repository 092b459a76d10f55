/** The settings of telemetry that are compared, and a collector for them in a process of its own. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface Collector {
  readonly url: string;
  /** Ends it; how many bytes it was sent. */
  stop(): Promise<number>;
}

/** `processor`: where it runs; not where the servers do. */
export async function startCollector(processor: number | undefined): Promise<Collector> {
  const file = fileURLToPath(new URL('collector.ts', import.meta.url));
  const command = [process.execPath, file];
  if (processor !== undefined) command.unshift('taskset', '-c', String(processor));
  const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const word = async (expected: string): Promise<string> => {
    const { value = '' } = await lines.next();
    const [first, second] = String(value).split(' ');
    if (first !== expected || second === undefined) throw new Error('Cannot start the collector');
    return second;
  };
  const url = await word('ready');
  return {
    url,
    stop: async () => {
      child.kill('SIGTERM');
      return Number(await word('received'));
    },
  };
}

/** Six times as often as by default: a round that waits for other work must not be all exports. */
const EXPORT_MS = 10_000;

type Environment = Readonly<Record<string, string>>;

/** By name; `off` and `off again` are the same. */
export function settings(url: string): Readonly<Record<string, Environment>> {
  const on: Environment = {
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_METRIC_EXPORT_INTERVAL: String(EXPORT_MS),
    OTEL_LOGS_EXPORTER: 'none',
  };
  return {
    off: {},
    'off again': {},
    metrics: { ...on, OTEL_TRACES_EXPORTER: 'none' },
    '1 %': { ...on, OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.01' },
    '100 %': { ...on, OTEL_TRACES_SAMPLER: 'always_on' },
  };
}
