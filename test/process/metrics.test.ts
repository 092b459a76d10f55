/**
 * The metrics of a real sidecar at work, with a ledger and a bus: judged by Prometheus's own tool, and
 * held against the table of instruments, on `/metrics` and as a collector receives them by OTLP.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeAll, expect, test } from 'vitest';
import type { Instrument } from '../../src/metrics/instrument.ts';
import { INSTRUMENTS } from '../../src/metrics/instruments.ts';
import { prometheusName } from '../../src/metrics/prometheus-name.ts';
import { stopServers } from '../servers/child.ts';
import { startNats } from '../servers/nats.ts';
import { type OtlpReceiver, otlpReceiver } from '../servers/otlp-receiver.ts';
import { startRedis } from '../servers/redis.ts';
import { requirePromtool } from '../servers/require-promtool.ts';
import { ask, askJson, type Document } from './requests.ts';
import { cleanUp, scratchDirectory, type Sidecar, start, until } from './support.ts';

const CONFIGURATION = `
namespaces:
  default: { ttl: { minMs: 50 }, capacity: { leases: 1000, entries: 1000, bytes: 1Mi } }
  counters: { conflict: counter, capacity: { leases: 100, entries: 100, bytes: 64Ki } }
  tiny: { capacity: { leases: 3, entries: 3, bytes: 4Ki } }
  local: { class: local, durability: fsync, capacity: { leases: 100, entries: 100, bytes: 64Ki } }
limits: { outbox: { events: 1000 } }
`;
const NEIGHBOURS = 4;
const rows: [string, Instrument][] = Object.entries(INSTRUMENTS);

let promtool: string;
let collector: OtlpReceiver | undefined;
beforeAll(async () => {
  promtool = await requirePromtool();
}, 300_000);
afterEach(async () => {
  await cleanUp();
  await stopServers();
  await collector?.close();
});

/** Asks for something else each time, and for what is refused now and then, until it is over. */
async function neighbour({ url }: Sidecar, number: number, over: AbortSignal): Promise<void> {
  for (let round = 0; !over.aborted; round++) {
    const key = `n${number}-${round % 20}`;
    await askJson(url, 'POST', '/v1/leases', { holder: `h${number}`, id: key, ttlMs: 100 });
    await ask(url, 'PUT', `/v1/entries/default/${key}?lease=${key}`, { body: 'x'.repeat(100) });
    await ask(url, 'PUT', `/v1/entries/local/${key}?ttlMs=1000`, { body: 'x' });
    await ask(url, 'GET', `/v1/entries/default/${key}`);
    await ask(url, 'PUT', `/v1/entries/tiny/${key}`, { body: 'x' });
    await askJson(url, 'POST', '/v1/entries/counters/hits/increment', { by: 1 });
    await ask(url, 'GET', '/v1/entries/default/absent');
    await ask(url, 'GET', '/nowhere');
    await askJson(url, 'POST', `/v1/leases/${key}/renew`, { ttlMs: 1 });
    if (round % 3 === 0) await ask(url, 'DELETE', `/v1/leases/${key}`);
    if (round % 10 === 0) await askJson(url, 'POST', '/v1/reconcile', {});
  }
}

interface Page {
  readonly text: string;
  /** By name: the sum over its series. */
  readonly sums: ReadonlyMap<string, number>;
  readonly types: ReadonlyMap<string, string>;
}

async function scraped({ url }: Sidecar): Promise<Page> {
  const text = (await ask(url, 'GET', '/metrics')).body.toString();
  const sums = new Map<string, number>();
  for (const [, name, value] of text.matchAll(/^([a-z_]+)(?:\{.*\})? (\S+)$/gm)) {
    sums.set(name!, (sums.get(name!) ?? 0) + Number(value));
  }
  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name!, type!]));
  return { text, sums, types };
}

async function judged(text: string): Promise<{ readonly code: number; readonly said: string }> {
  const child = spawn(promtool, ['check', 'metrics'], { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => { said += chunk; });
  child.stdin.end(text);
  const [code] = await once(child, 'close');
  return { code, said };
}

/** What our own scope tells in an export, by name. */
function told(exported: Document): Map<string, Document> {
  const scopes = exported.resourceMetrics.flatMap((each: Document) => each.scopeMetrics);
  const ours = scopes.filter(({ scope }: Document) => scope.name === 'leasehold');
  return new Map(ours.flatMap(({ metrics }: Document) => metrics.map((metric: Document) => [metric.name, metric])));
}

function pointsOf({ sum, gauge, histogram }: Document): readonly Document[] {
  return (sum ?? gauge ?? histogram).dataPoints;
}

function total(metric: Document): number {
  return pointsOf(metric).reduce((all: number, point: Document) => all + Number(point.asInt ?? point.asDouble ?? point.count), 0);
}

test('under load they are sound, and the table, the page and the collector tell of the same', async () => {
  const [redis, nats] = await Promise.all([startRedis(), startNats()]);
  collector = await otlpReceiver();
  const sidecar = await start({
    dataDirectory: scratchDirectory(), configuration: CONFIGURATION,
    environment: {
      LEASEHOLD_LEDGER_URL: redis.url, LEASEHOLD_BUS_URL: `nats://${nats.address}`,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_METRIC_EXPORT_INTERVAL: '200', OTEL_TRACES_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none',
    },
  });
  const over = new AbortController();
  const neighbours = Promise.all(
    Array.from({ length: NEIGHBOURS }, (_, number) => neighbour(sidecar, number, over.signal)),
  );
  // Should the test end before they do.
  neighbours.catch(() => {});

  const page = await until('everything has happened once', async () => {
    const { sums, ...rest } = await scraped(sidecar);
    const happened = [
      'leasehold_requests_total', 'leasehold_refusals_total', 'leasehold_endings_total',
      'leasehold_expiry_lateness_seconds_count', 'leasehold_lease_lifetime_seconds_count',
      'leasehold_event_delivery_seconds_count', 'leasehold_journal_append_seconds_count',
      'leasehold_journal_sync_seconds_count', 'leasehold_loop_delay_seconds_count',
      'leasehold_outbox_capacity', 'leasehold_leases_live', 'leasehold_rounds_total',
    ];
    return happened.every((name) => (sums.get(name) ?? 0) > 0) && { sums, ...rest };
  });
  expect(await judged(page.text), page.text).toEqual({ code: 0, said: '' });

  expect([...page.types.keys()]).toEqual(rows.map(([name, row]) => prometheusName(name, row)));
  for (const [name, row] of rows) {
    const shown = prometheusName(name, row);
    expect([shown, page.types.get(shown)]).toEqual([shown, row.kind]);
    expect(page.sums.has(row.kind === 'histogram' ? `${shown}_count` : shown), shown).toBe(true);
  }

  const before = await scraped(sidecar);
  const exports = collector.exports('metrics').length;
  const metrics = await until('a whole export has arrived', () => {
    const one = collector!.exports('metrics').slice(exports + 1).map(told);
    return one.find((each) => each.size >= rows.length);
  });
  over.abort();
  await neighbours;
  const after = await scraped(sidecar);

  expect([...metrics.keys()]).toEqual(rows.map(([name]) => name));
  for (const [name, row] of rows) {
    const metric = metrics.get(name);
    expect([name, metric.unit, metric.description]).toEqual([name, row.unit, row.description]);
    expect([name, kindOf(metric)]).toEqual([name, row.kind]);
    for (const point of pointsOf(metric)) {
      const keys = (point.attributes ?? []).map(({ key }: Document) => key);
      expect([name, keys]).toEqual([name, Object.keys(row.labels ?? {})]);
    }
    if (row.kind === 'gauge') continue;
    const shown = row.kind === 'histogram' ? `${prometheusName(name, row)}_count` : prometheusName(name, row);
    expect(total(metric), name).toBeGreaterThanOrEqual(before.sums.get(shown) ?? 0);
    expect(total(metric), name).toBeLessThanOrEqual(after.sums.get(shown)!);
  }
});

function kindOf({ sum, gauge, histogram }: Document): string {
  if (gauge !== undefined) return 'gauge';
  const CUMULATIVE = 2;
  if ((sum ?? histogram).aggregationTemporality !== CUMULATIVE) return 'not cumulative';
  if (histogram !== undefined) return 'histogram';
  return sum.isMonotonic ? 'counter' : 'not monotonic';
}

test('by OTLP arrive once more when the sidecar stops', async () => {
  collector = await otlpReceiver();
  const sidecar = await start({
    dataDirectory: scratchDirectory(),
    environment: {
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${collector.url}/v1/metrics`,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', OTEL_METRIC_EXPORT_INTERVAL: '60000',
    },
  });
  await ask(sidecar.url, 'GET', '/v1/entries/default/absent');
  expect(collector.exports('metrics')).toEqual([]);
  expect(await sidecar.stop()).toEqual({ code: 0, signal: null });
  const last = told(collector.exports('metrics').at(-1));
  expect(total(last.get('leasehold.refusals'))).toBe(1);
  expect(total(last.get('leasehold.ready'))).toBe(0);
});
