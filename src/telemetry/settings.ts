/**
 * What of telemetry is on, as the standard variables of OpenTelemetry say
 * (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/). Unlike the
 * SDK's own defaults, nothing is on unless an endpoint is named: nobody pays for what nobody reads.
 *
 * Read here is only what decides whether anything is loaded, whether a request is recorded, and how
 * much memory may be held; the rest (protocol, headers, intervals) the SDK reads itself.
 */
import { type Sampling, samplingOf } from './sampling.ts';

export interface TelemetrySettings {
  /** What is recorded; undefined: no traces. */
  readonly traces: Sampling | undefined;
  readonly metrics: boolean;
  readonly logs: boolean;
  /** As the SDK reads them: what it holds while the collector does not take it. */
  readonly queues: {
    readonly spans: Queue;
    readonly linksPerSpan: number;
    readonly logRecords: Queue;
  };
  /** What could not be taken as it was written, as sentences for the log. */
  readonly warnings: readonly string[];
}

/** Of one signal. */
export interface Queue {
  readonly size: number;
  /** What leaves it at once. */
  readonly batch: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

const CONFIG_FILE = 'OTEL_CONFIG_FILE';
const ANY_ENDPOINT = 'OTEL_EXPORTER_OTLP_ENDPOINT';
export const OTLP = 'otlp';
/* What the specification says where nobody says otherwise. */
const QUEUE_DEFAULT = 2048;
const BATCH_DEFAULT = 512;
const LINKS_DEFAULT = 128;

/** undefined: telemetry is off, and nobody has asked for it. */
export function telemetrySettings(environment: Environment): TelemetrySettings | undefined {
  if (text(environment, 'OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return undefined;
  const warnings: string[] = [];
  if (text(environment, CONFIG_FILE) !== undefined) {
    warnings.push(`${CONFIG_FILE} is not read here: say the same with variables`);
  }
  const isOn = (signal: 'TRACES' | 'METRICS' | 'LOGS'): boolean =>
    hasEndpoint(environment, signal, warnings) && isExported(environment, signal, warnings);
  const on = { traces: isOn('TRACES'), metrics: isOn('METRICS'), logs: isOn('LOGS') };
  const traces = on.traces ? samplingOf(environment, warnings) : undefined;
  const queues = {
    spans: queueOf(environment, 'BSP'),
    linksPerSpan: countOf(environment, 'OTEL_SPAN_LINK_COUNT_LIMIT', LINKS_DEFAULT),
    logRecords: queueOf(environment, 'BLRP'),
  };
  const settings = { traces, metrics: on.metrics, logs: on.logs, queues, warnings };
  return isAnyOn(settings) || warnings.length > 0 ? settings : undefined;
}

/** false: it was asked for, but in a way that leaves nothing to send; the warnings say why. */
export function isAnyOn({ traces, metrics, logs }: TelemetrySettings): boolean {
  return traces !== undefined || metrics || logs;
}

function queueOf(environment: Environment, processor: 'BSP' | 'BLRP'): Queue {
  return {
    size: countOf(environment, `OTEL_${processor}_MAX_QUEUE_SIZE`, QUEUE_DEFAULT),
    batch: countOf(environment, `OTEL_${processor}_MAX_EXPORT_BATCH_SIZE`, BATCH_DEFAULT),
  };
}

/** What is no count from 1 on the SDK leaves at its default, and says so itself. */
function countOf(environment: Environment, name: string, otherwise: number): number {
  const count = Number(text(environment, name) ?? Number.NaN);
  return count > 0 ? count : otherwise;
}

function hasEndpoint(environment: Environment, signal: string, warnings: string[]): boolean {
  const own = `OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`;
  const name = text(environment, own) === undefined ? ANY_ENDPOINT : own;
  const url = text(environment, name);
  if (url === undefined) return false;
  if (URL.canParse(url)) return true;
  const warning = `${name} is not a URL: nothing is sent there`;
  if (!warnings.includes(warning)) warnings.push(warning);
  return false;
}

/**
 * By OTLP or not at all: other exporters would write where the ready line is expected (`console`), or
 * open a port that asks nobody for a token (`prometheus`).
 */
function isExported(environment: Environment, signal: string, warnings: string[]): boolean {
  const names = (text(environment, `OTEL_${signal}_EXPORTER`) ?? OTLP)
    .split(',').map((name) => name.trim().toLowerCase());
  if (names.includes('none')) return false;
  const others = names.filter((name) => name !== OTLP);
  if (others.length > 0) {
    warnings.push(`OTEL_${signal}_EXPORTER: only otlp and none are known here, not ${others.join(', ')}`);
  }
  return names.includes(OTLP);
}

/** An empty variable counts as not set, as the specification has it. */
function text(environment: Environment, name: string): string | undefined {
  const value = environment[name]?.trim();
  return value === undefined || value === '' ? undefined : value;
}
