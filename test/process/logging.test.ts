/**
 * The log of a real sidecar in trouble, with a ledger, a bus and a collector: every line has the
 * fields of the table and no other, what is sensitive is in none of them, and the collector gets
 * the same lines with the traces they belong to.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { ENVELOPE, LOG_FIELDS } from '../../src/log/fields.ts';
import { LOG_LEVELS } from '../../src/log/levels.ts';
import { stopServers } from '../servers/child.ts';
import { startNats } from '../servers/nats.ts';
import { type OtlpReceiver, otlpReceiver } from '../servers/otlp-receiver.ts';
import { startRedis } from '../servers/redis.ts';
import { ask, askJson, jsonOf } from './requests.ts';
import { cleanUp, scratchDirectory, type Sidecar, start, until } from './support.ts';

/** Against a hang only. */
const HANG_MS = 240_000;
const KEY = 'hidden-key';
const VALUE = 'hidden-value';
const HOLDER = 'hidden-holder';
const HIDDEN = /hidden-/;
const CAPACITY = 'capacity: { leases: 200, entries: 200, bytes: 1Mi }';
const CONFIGURATION = `
namespaces:
  default: { mirror: all, autonomyMs: 1000, ${CAPACITY} }
  secrets: { sensitive: true, mirror: all, autonomyMs: 1000, conflict: siblings, ${CAPACITY} }
limits: { bodyBytes: 256Ki, valueBytes: 64Ki, outbox: { events: 256 } }
ledger: { beatMs: 200, pullMs: 50, timeoutMs: 300 }
bus: { ackMs: 200, connectMs: 300, checkMs: 200, retryCapMs: 200 }
`;

// biome-ignore lint/suspicious/noExplicitAny: lines of every kind
type Line = Record<string, any>;

let collector: OtlpReceiver | undefined;
afterAll(async () => {
  await cleanUp();
  await stopServers();
  await collector?.close();
});

function linesOf(sidecar: Sidecar): Line[] {
  return sidecar.err().trimEnd().split('\n').map((line) => JSON.parse(line));
}

/** Everything that may be asked about a key, and what cannot be understood. */
async function askOf(url: string, namespace: string, round: number): Promise<void> {
  const path = `/v1/entries/${namespace}/${KEY}-${round}`;
  const raw = (method: string, target: string, body?: string, type?: string) =>
    ask(url, method, target, {
      ...(body === undefined ? {} : { body }),
      ...(type === undefined ? {} : { headers: { 'Content-Type': type } }),
    });
  await askJson(url, 'POST', '/v1/leases', { holder: HOLDER, id: `${KEY}-${round}`, namespace, ttlMs: 60_000 });
  await raw('PUT', `${path}?lease=${KEY}-${round}`, VALUE);
  await raw('PUT', path, VALUE);
  await raw('GET', path);
  await raw('PUT', `${path}?ttlMs=1`, VALUE);
  await raw('POST', `${path}/increment`, `{"by": ${VALUE}}`, 'application/json');
  await raw('POST', '/v1/batch', `{"atomic":true,"operations":[{"${VALUE}"`, 'application/json');
  await raw('POST', '/v1/batch', `\xff${VALUE}`, 'application/cbor');
  await askJson(url, 'POST', '/v1/batch', {
    atomic: true, operations: [{ op: 'put', namespace, key: KEY, value: VALUE }, { op: 'renew', id: KEY }],
  });
  await raw('DELETE', `${path}?nonsense=${VALUE}`);
  await raw('GET', `/v1/entries/${namespace}?prefix=${KEY}&limit=1`);
  if (round % 2 === 0) await raw('DELETE', path);
}

describe('a sidecar in trouble', () => {
  test('logs by the table, hides what is sensitive, and tells a collector the same', async () => {
    collector = await otlpReceiver();
    const [redis, nats] = [await startRedis(), await startNats()];
    const sidecar = await start({
      dataDirectory: scratchDirectory(),
      configuration: CONFIGURATION,
      environment: {
        LEASEHOLD_LEDGER_URL: redis.url,
        LEASEHOLD_BUS_URL: `nats://${nats.address}`,
        LEASEHOLD_LOG_LEVEL: 'debug',
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
        OTEL_METRICS_EXPORTER: 'none',
        OTEL_BLRP_SCHEDULE_DELAY: '100',
        OTEL_BSP_SCHEDULE_DELAY: '100',
      },
    });
    const { url } = sidecar;
    let round = 0;
    const askSome = async () => {
      for (let count = 0; count < 6; count++) {
        round += 1;
        await askOf(url, round % 3 === 0 ? 'default' : 'secrets', round);
      }
    };
    await askSome();
    await until('the ledger knows it', async () => jsonOf(await ask(url, 'GET', '/v1/status')).ledger.unpushed === 0);
    await redis.command('FLUSHALL');
    await until('it was put right', () => sidecar.err().includes('the ledger differed'));
    await nats.kill();
    await redis.kill();
    await askSome();
    await until('it has noticed', () => sidecar.err().includes('no connection to NATS'));
    await redis.restart({ empty: true });
    await nats.restart({ empty: true });
    await askSome();
    await until('all is well', async () => jsonOf(await ask(url, 'GET', '/readyz')).state === 'ready');
    expect(await sidecar.stop()).toEqual({ code: 0, signal: null });

    const lines = linesOf(sidecar);
    expect(lines.length).toBeGreaterThan(10);
    const known = [...Object.keys(ENVELOPE), ...Object.keys(LOG_FIELDS)];
    for (const line of lines) {
      expect(known).toEqual(expect.arrayContaining(Object.keys(line)));
      expect(Object.keys(LOG_LEVELS)).toContain(line['level']);
      expect(line['replica']).toBe('tested');
      expect(line['time']).toBe(new Date(line['time']).toISOString());
      expect(line['message']).not.toBe('');
    }
    const hidden = sidecar.err().split('\n').filter((line) => HIDDEN.test(line));
    expect(hidden).toEqual([]);

    const records = collector.exports('logs')
      .flatMap(({ resourceLogs }) => resourceLogs)
      .flatMap(({ scopeLogs }) => scopeLogs)
      .flatMap(({ logRecords }) => logRecords as Line[]);
    expect(JSON.stringify(records)).not.toMatch(HIDDEN);
    // What was said before the collector was known, and after it was let go, only stderr has.
    const last = lines.findIndex(({ message }) => message === 'draining');
    const first = lines.findIndex(({ message }) => message === records[0]!['body'].stringValue);
    expect(records.map(({ body }) => body.stringValue).slice(0, last - first + 1))
      .toEqual(lines.slice(first, last + 1).map(({ message }) => message));

    const repaired = lines.find(({ message }) => message.startsWith('the ledger differed'))!;
    const record = records.find(({ body }) => body.stringValue === repaired['message'])!;
    expect(record).toMatchObject({ severityText: 'WARN', traceId: repaired['trace_id'], spanId: repaired['span_id'] });
    const attributes = Object.fromEntries(record['attributes'].map(({ key, value }: Line) => [key, value]));
    expect(attributes['leasehold.namespace']).toEqual({ stringValue: repaired['namespace'] });
    const spans = collector.exports('traces')
      .flatMap(({ resourceSpans }) => resourceSpans)
      .flatMap(({ scopeSpans }) => scopeSpans)
      .flatMap((scope) => scope.spans as Line[]);
    expect(spans.map(({ traceId, spanId }) => `${traceId} ${spanId}`))
      .toContain(`${repaired['trace_id']} ${repaired['span_id']}`);
  }, HANG_MS);

  test('that ends by an error nobody caught says what it was, and not what it had in hand', async () => {
    // In two pieces: frames name the module, which is its own text.
    const broken = `process.on('SIGUSR2', () => {
      throw Object.assign(new Error('unforeseen'), { command: { args: ['hidden' + '-value'] } });
    });`;
    const sidecar = await start({
      dataDirectory: scratchDirectory(),
      environment: { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(broken)}` },
    });
    sidecar.child.kill('SIGUSR2');
    expect(await sidecar.ended).toEqual({ code: 70, signal: null });
    expect(linesOf(sidecar).at(-1)).toMatchObject({
      level: 'error', message: 'stopping: nobody expected this error', 'exception.message': 'unforeseen',
    });
    expect(sidecar.err()).not.toMatch(HIDDEN);
  });
});
