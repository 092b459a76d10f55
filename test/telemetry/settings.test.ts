/** What the environment says of telemetry: on, off, and what of it. */
import { describe, expect, test } from 'vitest';
import { telemetryLines } from '../../src/telemetry/room.ts';
import { isAnyOn, telemetrySettings } from '../../src/telemetry/settings.ts';

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' };
const QUEUES = {
  spans: { size: 2048, batch: 512 }, linksPerSpan: 128, logRecords: { size: 2048, batch: 512 },
};

describe('telemetry', () => {
  test.each<[string, Record<string, string>]>([
    ['without any variable', {}],
    ['without an endpoint, whatever else is said', { OTEL_TRACES_EXPORTER: 'otlp', OTEL_SERVICE_NAME: 'x' }],
    ['with an empty endpoint', { OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }],
    ['where the SDK is disabled', { ...ENDPOINT, OTEL_SDK_DISABLED: 'True' }],
    ['where every exporter is none', {
      ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none',
    }],
    ['for traces alone that are never recorded', {
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://x/v1/traces', OTEL_TRACES_SAMPLER: 'always_off',
    }],
  ])('is off %s', (_case, environment) => {
    expect(telemetrySettings(environment)).toBeUndefined();
  });

  test('is all on with one endpoint for all, and records every trace', () => {
    expect(telemetrySettings(ENDPOINT)).toEqual({
      traces: { parentBased: true, ratio: 1 }, metrics: true, logs: true, queues: QUEUES, warnings: [],
    });
  });

  test.each([
    ['TRACES', { traces: { parentBased: true, ratio: 1 }, metrics: false, logs: false }],
    ['METRICS', { traces: undefined, metrics: true, logs: false }],
    ['LOGS', { traces: undefined, metrics: false, logs: true }],
  ])('is on for %s alone where only that has an endpoint', (signal, expected) => {
    const environment = { [`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`]: 'https://collector:4318/in' };
    expect(telemetrySettings(environment)).toEqual({ ...expected, queues: QUEUES, warnings: [] });
  });

  test('leaves out a signal whose exporter is none', () => {
    const settings = telemetrySettings({ ...ENDPOINT, OTEL_METRICS_EXPORTER: 'None' });
    expect(settings).toMatchObject({ traces: { ratio: 1 }, metrics: false, logs: true });
  });

  test.each<[string, Record<string, string>, string]>([
    ['an endpoint that is no URL', { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector' },
      'OTEL_EXPORTER_OTLP_ENDPOINT is not a URL: nothing is sent there'],
    ['a file instead of variables', { OTEL_CONFIG_FILE: 'otel.yaml' },
      'OTEL_CONFIG_FILE is not read here: say the same with variables'],
  ])('is off with %s, but not in silence', (_case, environment, warning) => {
    const settings = telemetrySettings(environment)!;
    expect(isAnyOn(settings)).toBe(false);
    expect(settings.warnings).toEqual([warning]);
    expect(telemetryLines(settings).every(([, count]) => count === 0)).toBe(true);
  });

  test('knows no exporter but OTLP, and says so', () => {
    const settings = telemetrySettings({
      ...ENDPOINT,
      OTEL_TRACES_EXPORTER: 'otlp, Console', OTEL_METRICS_EXPORTER: 'prometheus',
    });
    expect(settings).toMatchObject({ traces: { ratio: 1 }, metrics: false, logs: true });
    expect(settings?.warnings).toEqual([
      'OTEL_TRACES_EXPORTER: only otlp and none are known here, not console',
      'OTEL_METRICS_EXPORTER: only otlp and none are known here, not prometheus',
    ]);
  });

  test('leaves out a signal whose own endpoint is no URL, and says so', () => {
    const settings = telemetrySettings({ ...ENDPOINT, OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'there' });
    expect(settings).toMatchObject({ metrics: true, logs: false });
    expect(settings?.warnings).toEqual([
      'OTEL_EXPORTER_OTLP_LOGS_ENDPOINT is not a URL: nothing is sent there',
    ]);
  });

  test('holds what the queues hold, as the SDK reads their sizes', () => {
    const settings = telemetrySettings({
      ...ENDPOINT,
      OTEL_BSP_MAX_QUEUE_SIZE: '4096',
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: 'many',
      OTEL_SPAN_LINK_COUNT_LIMIT: '16',
      OTEL_BLRP_MAX_QUEUE_SIZE: '0',
      OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: '64',
    });
    expect(settings?.queues).toEqual({
      spans: { size: 4096, batch: 512 }, linksPerSpan: 16, logRecords: { size: 2048, batch: 64 },
    });
  });

  test.each<[Record<string, string>, object]>([
    [{ OTEL_TRACES_SAMPLER: 'always_on' }, { parentBased: false, ratio: 1 }],
    [{ OTEL_TRACES_SAMPLER: 'parentbased_always_off' }, { parentBased: true, ratio: 0 }],
    [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.5' }, { parentBased: false, ratio: 0.5 }],
    [{ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.01' }, { parentBased: true, ratio: 0.01 }],
  ])('takes the sampler %j', (variables, traces) => {
    expect(telemetrySettings({ ...ENDPOINT, ...variables })).toMatchObject({ traces, warnings: [] });
  });

  test.each<[Record<string, string>, string]>([
    [{ OTEL_TRACES_SAMPLER: 'sometimes' }, 'OTEL_TRACES_SAMPLER "sometimes" is not known'],
    [{ OTEL_TRACES_SAMPLER: 'traceidratio' }, 'OTEL_TRACES_SAMPLER_ARG "" is not a ratio'],
    [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '7' }, 'OTEL_TRACES_SAMPLER_ARG "7" is not a ratio'],
  ])('records everything where it cannot take %j, and says so', (variables, warning) => {
    const settings = telemetrySettings({ ...ENDPOINT, ...variables });
    expect(settings?.traces?.ratio).toBe(1);
    expect(settings?.warnings.join()).toContain(warning);
  });
});
