/**
 * Our instruments as the SDK exports them: read when a reader asks, cumulative since the process
 * began. What is zero is told too, so a rate is right from the first event on.
 */
import { type HrTime, ValueType } from '@opentelemetry/api';
import type { Histogram } from '../../measure/histogram.ts';
import type { Family, Instrument, MetricReadings, Point } from '../../metrics/instrument.ts';
import type { MetricSource } from './metric-source.ts';

type Collection = Awaited<ReturnType<MetricSource['collect']>>;
type ScopeMetrics = Collection['resourceMetrics']['scopeMetrics'][number];
type MetricData = ScopeMetrics['metrics'][number];

/* The SDK's enumerations, which `@opentelemetry/sdk-node` does not hand on. */
const CUMULATIVE = 1;
const HISTOGRAM = 0;
const GAUGE = 2;
const SUM = 3;

const MS_PER_S = 1000;
const NANOS_PER_MS = 1e6;

/** `wallMs`: Unix milliseconds. */
export function metricProducer(
  readings: MetricReadings,
  scope: ScopeMetrics['scope'],
  wallMs: () => number,
): MetricSource {
  const startTime = hrTime(readings.startedWallMs);
  return {
    async collect() {
      const span = { startTime, endTime: hrTime(wallMs()) };
      const metrics = readings
        .families()
        // An instrument without a series says nothing, and some collectors mind.
        .filter(({ points }) => points.length > 0)
        .map((family) => metricData(family, span));
      // Of further producers a reader takes the metrics only; the resource is the SDK's own.
      const resourceMetrics = { scopeMetrics: [{ scope, metrics }] };
      return { resourceMetrics: resourceMetrics as unknown as Collection['resourceMetrics'], errors: [] };
    },
  };
}

interface TimeSpan {
  readonly startTime: HrTime;
  readonly endTime: HrTime;
}

function metricData({ name, instrument, points }: Family, span: TimeSpan): MetricData {
  const { kind, unit, description } = instrument;
  // Durations and shares; everything else is counted.
  const valueType = unit === 's' || unit === '1' ? ValueType.DOUBLE : ValueType.INT;
  const common = {
    descriptor: { name, description, unit, valueType },
    aggregationTemporality: CUMULATIVE,
  } as const;
  if (kind === 'histogram') {
    const dataPoints = points.map((point) => ({
      ...span, attributes: attributesOf(instrument, point), value: histogramValue(point.value as Histogram),
    }));
    return { ...common, dataPointType: HISTOGRAM, dataPoints };
  }
  const dataPoints = points.map((point) => ({
    ...span, attributes: attributesOf(instrument, point), value: point.value as number,
  }));
  return kind === 'gauge'
    ? { ...common, dataPointType: GAUGE, dataPoints }
    : { ...common, dataPointType: SUM, isMonotonic: true, dataPoints };
}

function attributesOf({ labels = {} }: Instrument, point: Point): Record<string, string> {
  return Object.fromEntries(Object.keys(labels).map((label, index) => [label, point.labels[index]!]));
}

function histogramValue({ bounds, counts, sum, count }: Histogram) {
  const boundaries = bounds.map((ms) => ms / MS_PER_S);
  return { buckets: { boundaries, counts: [...counts] }, sum: sum / MS_PER_S, count };
}

function hrTime(unixMs: number): HrTime {
  return [Math.floor(unixMs / MS_PER_S), Math.round((unixMs % MS_PER_S) * NANOS_PER_MS)];
}
