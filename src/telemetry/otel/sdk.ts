/**
 * OpenTelemetry's SDK for Node: the only place that loads it. Exporters, their protocols, headers,
 * intervals and queues are built by the SDK from the standard variables; what it would sample has
 * been decided before it is asked.
 *
 * A collector that is away costs spans and nothing else: they wait in a bounded queue
 * (`OTEL_BSP_MAX_QUEUE_SIZE`), and what does not fit is dropped, which the SDK says in the log.
 */
import { randomBytes } from 'node:crypto';
import { diag, logs, SamplingDecision, trace } from '@opentelemetry/api';
import { NodeSDK, type NodeSDKConfiguration } from '@opentelemetry/sdk-node';
import { faultFields } from '../../log/exception-fields.ts';
import type { Log } from '../../log/log.ts';
import type { RootLog } from '../../log/root-log.ts';
import { Sampler } from '../sampling.ts';
import { OTLP, type TelemetrySettings } from '../settings.ts';
import type { Telemetry, TelemetryParts } from '../telemetry.ts';
import { Border } from './border.ts';
import { Diagnostics, diagnosticsLevel } from './diagnostics.ts';
import { otelLines } from './log-lines.ts';
import { metricProducer } from './metric-producer.ts';
import { addMetricSource } from './metric-source.ts';
import { OtelTracing } from './otel-tracing.ts';
import { resourceAttributes } from './resource.ts';

const SCOPE = 'leasehold';
/** Whoever asks has decided. */
const RECORD = { decision: SamplingDecision.RECORD_AND_SAMPLED };
const SPAN_ID_BYTES = 8;

export function startSdk(
  { identity, metrics }: TelemetryParts,
  settings: TelemetrySettings,
  log: RootLog,
): Telemetry {
  const { attributes, warnings } = resourceAttributes(process.env, identity);
  for (const warning of warnings) log.warn({}, warning);
  setDiagnostics(log);
  // Of what is on; further exporters that are named are not ours to start.
  for (const signal of ['TRACES', 'METRICS', 'LOGS']) process.env[`OTEL_${signal}_EXPORTER`] = OTLP;
  const sampler = settings.traces && new Sampler(settings.traces, Math.random);
  const sdk = new NodeSDK({
    resourceDetectors: [{ detect: () => ({ attributes }) }],
    ...(sampler === undefined ? { spanProcessors: [] } : recordingWhat(sampler)),
    ...(settings.metrics ? {} : { metricReaders: [] }),
    ...(settings.logs ? {} : { logRecordProcessors: [] }),
  });
  if (settings.metrics && metrics !== undefined) {
    const producer = metricProducer(metrics, { name: SCOPE, version: identity.version }, Date.now);
    if (!addMetricSource(sdk, producer)) {
      log.warn({}, 'metrics are not exported: this release of the SDK has no place for them');
    }
  }
  sdk.start();
  const border = new Border((error) => log.warn(faultFields(error), 'the SDK of telemetry has thrown'));
  const tracing = sampler && new OtelTracing(trace.getTracer(SCOPE, identity.version), sampler, border);
  if (tracing !== undefined) log.attach({ active: () => tracing.active?.trace });
  if (settings.logs) log.attach({ write: otelLines(logs.getLogger(SCOPE, identity.version), border) });
  return {
    ...(tracing === undefined ? {} : { tracing }),
    close: (budgetMs) => within(budgetMs, async () => sdk.shutdown()),
  };
}

function recordingWhat(sampler: Sampler): Partial<NodeSDKConfiguration> {
  return {
    sampler: { shouldSample: () => RECORD, toString: () => 'decided before' },
    idGenerator: {
      generateTraceId: () => sampler.traceId(randomBytes),
      generateSpanId: () => randomBytes(SPAN_ID_BYTES).toString('hex'),
    },
  };
}

/** Ours, before anything of the SDK speaks; its own logger writes to stdout. */
function setDiagnostics(log: Log): void {
  const logLevel = diagnosticsLevel(process.env['OTEL_LOG_LEVEL']);
  delete process.env['OTEL_LOG_LEVEL'];
  diag.setLogger(new Diagnostics(log, () => performance.now()), {
    logLevel, suppressOverrideMessage: true,
  });
}

async function within(budgetMs: number, work: () => Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, budgetMs);
  });
  await Promise.race([work().catch(() => {}), over]);
  clearTimeout(timer);
}
