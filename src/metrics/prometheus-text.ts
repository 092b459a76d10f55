/**
 * Metrics as text, in the exposition format 0.0.4 that every scraper reads
 * (https://prometheus.io/docs/instrumenting/exposition_formats). Durations are told in seconds.
 */
import { Histogram } from '../measure/histogram.ts';
import type { Family } from './instrument.ts';
import { prometheusName } from './prometheus-name.ts';

export const PROMETHEUS_MEDIA_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

const MS_PER_S = 1000;

export function prometheusText(families: Iterable<Family>): string {
  let text = '';
  for (const { name, instrument, points } of families) {
    const shown = prometheusName(name, instrument);
    const labels = Object.keys(instrument.labels ?? {});
    text += `# HELP ${shown} ${escaped(instrument.description)}\n# TYPE ${shown} ${instrument.kind}\n`;
    for (const { labels: values, value } of points) {
      const pairs = labels.map((label, index) => `${label}="${quoted(values[index]!)}"`);
      text += value instanceof Histogram ? histogramLines(shown, pairs, value) : line(shown, pairs, value);
    }
  }
  return text;
}

function histogramLines(name: string, pairs: readonly string[], { bounds, counts, sum }: Histogram): string {
  let text = '';
  let count = 0;
  for (const [bucket, inBucket] of counts.entries()) {
    count += inBucket;
    const bound = bounds[bucket];
    const le = bound === undefined ? '+Inf' : String(bound / MS_PER_S);
    text += line(`${name}_bucket`, [...pairs, `le="${le}"`], count);
  }
  return text + line(`${name}_sum`, pairs, sum / MS_PER_S) + line(`${name}_count`, pairs, count);
}

function line(name: string, pairs: readonly string[], value: number): string {
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function quoted(text: string): string {
  return escaped(text).replaceAll('"', '\\"');
}
