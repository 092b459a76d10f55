/** What is generated from the table of instruments: the page about metrics. */
import type { Instrument } from '../src/metrics/instrument.ts';
import { INSTRUMENTS } from '../src/metrics/instruments.ts';
import { prometheusName } from '../src/metrics/prometheus-name.ts';

const code = (text: string) => `\`${text}\``;
const cell = (text: string) => text.replaceAll('|', '\\|');

/** `docs/metrics.md`. */
export function metricsPage(): string {
  const instruments: [string, Instrument][] = Object.entries(INSTRUMENTS);
  return [
    '# Metrics',
    '',
    '<!-- Written by `npm run docs` from src/metrics/instruments.ts. Change it there. -->',
    '',
    'Two ways lead to the same numbers. `GET /metrics` shows them as Prometheus text (0.0.4), at once',
    'and without configuration. With `OTEL_EXPORTER_OTLP_ENDPOINT` set they also go out by OTLP, every',
    '`OTEL_METRIC_EXPORT_INTERVAL` milliseconds (60 000 unless said). Either way they are read from the',
    'same counters when somebody looks, so nothing is counted twice and nothing is lost between.',
    '',
    '- `/metrics` answers while the sidecar recovers, drains, or refuses everything else for load. At',
    '  most 8 pages may wait to be read at once; the next scrape is refused with 503 `under-pressure`.',
    '- Where tokens are needed, a scraper needs one with the verb `metrics` (`authorization:',
    '  { credentials_file: /etc/prometheus/leasehold.token }` in its configuration). It is shown series of',
    '  the namespaces of its token only; by OTLP all are told.',
    '- An instrument whose part is not there yet (the journal is still being read) has no series. So',
    '  have `leasehold_requests_total` and `leasehold_refusals_total` for what never happened; all other',
    '  counters begin at 0, so that the first event shows as an increase.',
    '- Labels have values from closed or bounded lists: never a key, a lease id, a holder or a caller. A',
    '  `route` is a method and a path as OpenAPI has them, which is also the name of its span.',
    '- By OTLP all counters and histograms are cumulative, from the start of the process;',
    '  `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` does not change that. A collector makes deltas',
    '  of them (`cumulativetodelta`).',
    '- The Prometheus name follows from the other one by the rule that collectors use, so dashboards',
    '  work whichever way the numbers came. Only names of the process differ, where everybody knows',
    '  others.',
    '- `leasehold_expiry_lateness_seconds` ends where the ending is recorded in memory; the write to the',
    '  journal follows at the end of the same turn (`leasehold_journal_append_seconds`). What fell due',
    '  while the process was down is not in it, nor what was ended for a silent sidecar.',
    '',
    '## Instruments',
    '',
    '| Prometheus | OpenTelemetry | kind | unit | labels | meaning |',
    '|---|---|---|---|---|---|',
    ...instruments.map(([name, instrument]) => {
      const { kind, unit, labels, description } = instrument;
      const cells = [
        code(prometheusName(name, instrument)), code(name), kind, code(unit),
        Object.keys(labels ?? {}).map(code).join(', '), cell(description),
      ];
      return `| ${cells.join(' | ')} |`.replaceAll('|  |', '| |');
    }),
    '',
    '## Labels',
    '',
    '| metric | label | values |',
    '|---|---|---|',
    ...instruments.flatMap(([name, instrument]) =>
      Object.entries(instrument.labels ?? {}).map(
        ([label, values]) =>
          `| ${code(prometheusName(name, instrument))} | ${code(label)} | ${cell(values)} |`,
      ),
    ),
    '',
    '## Buckets',
    '',
    'Upper bounds in seconds. What a histogram is judged by is among them, so the share within a budget',
    'is exact.',
    '',
    '| histogram | bounds |',
    '|---|---|',
    ...instruments.flatMap(([name, instrument]) =>
      instrument.bucketsMs === undefined
        ? []
        : [`| ${code(prometheusName(name, instrument))} | ${instrument.bucketsMs.map((ms) => ms / 1000).join(', ')} |`],
    ),
    '',
    '## Alerts',
    '',
    '`config/prometheus/alerts.yaml` has rules to be taken as they are or in parts, with a sentence each',
    'on what is the matter. The tests play what makes each of them speak, and what does not.',
    '',
    '## Questions worth asking',
    '',
    '```promql',
    '# Share of endings recorded within 10 ms of their deadline: promised is 0.99.',
    'sum(rate(leasehold_expiry_lateness_seconds_bucket{le="0.01"}[5m]))',
    '  / sum(rate(leasehold_expiry_lateness_seconds_count[5m]))',
    '',
    '# Refusals a second by what was refused and why.',
    'sum by (class, code) (rate(leasehold_refusals_total[5m]))',
    '',
    '# Writes: 99th percentile.',
    'histogram_quantile(0.99, sum by (le) (',
    '  rate(leasehold_request_duration_seconds_bucket{route=~"PUT .*"}[5m])))',
    '',
    '# What is fullest, sidecar by sidecar.',
    'topk(1, leasehold_pressure_fill_ratio) by (instance)',
    '',
    '# Sidecars that are degraded, and why.',
    'leasehold_readiness_reasons == 1',
    '```',
    '',
  ].join('\n');
}
