/**
 * The life of a lease as a collector sees it: over HTTP, through the journal and the ledger, at another
 * sidecar, to its end and over NATS to a consumer. Everything is real: processes, Redis, NATS, and
 * what the exporter sends.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { NatsConnection } from 'nats';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { quoted, read, section, tableRows } from '../house/repository.ts';
import { stopServers } from '../servers/child.ts';
import { type NatsServer, startNats } from '../servers/nats.ts';
import { type OtlpReceiver, otlpReceiver } from '../servers/otlp-receiver.ts';
import { type RedisServer, startRedis } from '../servers/redis.ts';
import { ask, jsonOf } from './requests.ts';
import { ownSpan, type RecordedSpan, spansOf, Story, traceparentOf } from './spans.ts';
import { cleanUp, scratchDirectory, type Sidecar, start, until } from './support.ts';

const CAPACITY = 'capacity: { leases: 1000, entries: 1000, bytes: 1Mi }';
const CONFIGURATION = `
namespaces:
  default: { ttl: { minMs: 50 }, autonomyMs: 1000, ${CAPACITY} }
  secret: { sensitive: true, ttl: { minMs: 50 }, autonomyMs: 1000, ${CAPACITY} }
ledger: { partitions: 2, pullMs: 50, sweepMs: 100, beatMs: 200, slackMs: 50, stepMs: 50 }
`;
const json = { 'Content-Type': 'application/json' };

let redis: RedisServer;
let nats: NatsServer;
let listener: NatsConnection;
let collector: OtlpReceiver;
/** Made by the test itself: its requests, and what it does with messages. */
let own: RecordedSpan[];
let messages: { readonly subject: string; readonly event: Record<string, unknown>; readonly header: string }[];

beforeEach(async () => {
  [redis, nats, collector] = await Promise.all([startRedis(), startNats(), otlpReceiver()]);
  own = [];
  messages = [];
  listener = await nats.admin();
  listener.subscribe('leasehold.v1.>', {
    callback: (_error, { subject, data, headers }) => {
      const header = headers?.get('traceparent') ?? '';
      messages.push({ subject, event: JSON.parse(Buffer.from(data).toString()), header });
      if (header !== '') own.push(ownSpan(`consume ${subject}`, 'consumer', header));
    },
  });
});
afterEach(async () => {
  await cleanUp();
  await collector.close();
  await stopServers();
});

function environment(name: string): Record<string, string> {
  return {
    LEASEHOLD_NAME: name,
    LEASEHOLD_LEDGER_URL: redis.url,
    LEASEHOLD_BUS_URL: `nats://${nats.address}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_METRICS_EXPORTER: 'none',
    OTEL_LOGS_EXPORTER: 'none',
    OTEL_BSP_SCHEDULE_DELAY: '100',
  };
}

async function sidecar(name: string, more: Record<string, string> = {}): Promise<Sidecar> {
  const started = await start({
    dataDirectory: scratchDirectory(),
    configuration: CONFIGURATION,
    environment: { ...environment(name), ...more },
  });
  await until(`${name} has joined`, async () => (await status(started)).ledger.state === 'connected');
  return started;
}

async function status({ url }: Sidecar) {
  return jsonOf(await ask(url, 'GET', '/v1/status'));
}

/** One request under a span of its own. */
async function traced({ url }: Sidecar, method: string, path: string, body?: string, headers = {}) {
  const client = ownSpan(`${method} by the client`, 'client');
  own.push(client);
  const answer = await ask(url, method, path, {
    headers: { traceparent: traceparentOf(client), ...headers },
    ...(body === undefined ? {} : { body }),
  });
  return { answer, client };
}

function grant(at: Sidecar, id: string, ttlMs: number, namespace = 'default') {
  const body = JSON.stringify({ id, holder: 'h', ttlMs, namespace });
  return traced(at, 'POST', '/v1/leases', body, json);
}

async function told(at: Sidecar): Promise<void> {
  await until('the ledger knows everything', async () => (await status(at)).ledger.unpushed === 0);
}

function message(type: string): Promise<(typeof messages)[number]> {
  return until(`a message of ${type}`, () => messages.find(({ event }) => event['type'] === type));
}

/** Everything that was told so far, with the test's own spans. */
function story(): Story {
  return new Story([...spansOf(collector), ...own]);
}

/** In the words of the page: whose part a span is. */
function partOf(all: Story, span: RecordedSpan): string {
  const parent = all.parent(span);
  if (parent === undefined) return 'nothing';
  return parent.kind === 'client' && parent.instance === '' ? "the client's" : parent.name;
}

function only<T>(items: readonly T[]): T {
  expect(items).toHaveLength(1);
  return items[0]!;
}

describe('the life of one lease', () => {
  test('is one story, from the grant through two sidecars to the consumer of its ending', async () => {
    const [one, two] = [await sidecar('one'), await sidecar('two')];
    const granting = await grant(one, 'web-1', 5000);
    expect(granting.answer.status).toBe(201);
    const putting = await traced(one, 'PUT', '/v1/entries/default/room%2Fann?lease=web-1', 'in room 7');
    expect(putting.answer.status).toBe(201);
    await told(one);
    const reading = await traced(two, 'GET', '/v1/entries/default/room%2Fann');
    expect(reading.answer.body.toString()).toBe('in room 7');
    const renewing = await traced(one, 'POST', '/v1/leases/web-1/renew', '{"ttlMs": 500}', json);
    expect(renewing.answer.status).toBe(200);
    const ended = await message('leasehold.lease.ended.v1');
    const entryEnded = await message('leasehold.entry.ended.v1');
    // The last spans leave with the processes.
    await Promise.all([one.stop(), two.stop()]);
    const all = story();
    expect(all.dangling()).toEqual([]);

    // Backwards, from what the consumer did.
    const consuming = only(all.named(`consume ${ended.subject}`));
    const publishing = all.parent(consuming)!;
    expect(publishing).toMatchObject({
      name: 'publish leasehold.v1.lease.ended.{reason}.{namespace}', kind: 'producer',
      attributes: {
        'messaging.system': 'nats',
        'messaging.operation.name': 'publish',
        'messaging.operation.type': 'send',
        'messaging.message.id': ended.event['id'],
        'cloudevents.event_id': ended.event['id'],
        'cloudevents.event_source': ended.event['source'],
        'cloudevents.event_type': ended.event['type'],
      },
    });
    const expiring = all.parent(publishing)!;
    expect(expiring).toMatchObject({
      name: 'leasehold.lease.expire', kind: 'internal', parentSpanId: undefined,
      attributes: {
        'leasehold.namespace': 'default', 'leasehold.lease': 'web-1',
        'leasehold.ending.reason': 'expired',
      },
    });
    expect(expiring.endMs - expiring.startMs).toBeGreaterThanOrEqual(0);
    const granted = only(all.linked(expiring, 'granted'));
    expect(granted).toMatchObject({
      name: 'POST /v1/leases', kind: 'server', parentSpanId: granting.client.spanId,
      attributes: {
        'http.request.method': 'POST', 'http.route': '/v1/leases', 'http.response.status_code': 201,
        'leasehold.lease': 'web-1', 'leasehold.namespace': 'default',
      },
    });
    const renewed = only(all.linked(expiring, 'renewed'));
    expect(renewed).toMatchObject({
      name: 'POST /v1/leases/{id}/renew', parentSpanId: renewing.client.spanId,
    });
    expect(ended.event['traceparent']).toBe(traceparentOf(granted));

    // The entry ended with its lease, and is told under the same span.
    const entryPublishing = all.parent(only(all.named(`consume ${entryEnded.subject}`)))!;
    expect(all.parent(entryPublishing)).toBe(expiring);
    expect(all.named('leasehold.lease.expire')).toEqual([expiring]);

    // Each request, down to the journal.
    for (const { client } of [granting, putting, renewing]) {
      const server = only(all.children(client));
      expect(all.children(server).map(({ name }) => name)).toContain('leasehold.journal.commit');
    }
    // To the ledger, and from there to the other sidecar, linked with the grant.
    const pushes = all.named('EVALSHA leasehold_push')
      .filter((span) => all.linked(span, 'granted').includes(granted));
    expect(pushes[0]).toMatchObject({
      kind: 'client', instance: granted.instance,
      attributes: {
        'db.system.name': 'redis', 'db.operation.name': 'EVALSHA',
        'db.stored_procedure.name': 'leasehold_push', 'server.address': redis.host,
        'server.port': redis.port, 'leasehold.namespace': 'default',
      },
    });
    const reader = only(all.children(reading.client));
    expect(reader.instance).not.toBe(granted.instance);
    const pull = only(all.children(reader).filter(({ name }) => name === 'EVALSHA leasehold_pull'));
    expect(all.linked(pull, 'granted')).toEqual([granted]);

    // The page that explains it tells of nothing that is not so.
    const rows = tableRows(section(read('docs/tracing.md'), '## Reading the life of one lease'));
    expect(rows.length).toBeGreaterThan(8);
    const instances: Record<string, string> = { one: granted.instance, two: reader.instance };
    const missing = rows.filter(([name, of, part, linked]) => {
      const kinds = linked === '–' ? [] : linked!.split(', ');
      return !all.named(quoted(name!)[0]!).some((span) =>
        span.instance === instances[of!] && partOf(all, span) === part!.replaceAll('`', '') &&
        kinds.every((kind) => all.linked(span, kind as 'granted').length === 1) &&
        span.links.length === kinds.length);
    });
    expect(missing).toEqual([]);

    // Neither keys nor values.
    const exported = JSON.stringify(collector.exports('traces'));
    expect(exported).not.toContain('room/ann');
    expect(exported).not.toContain('room%2Fann');
    expect(exported).not.toContain('in room 7');
  });

  test('goes on at another sidecar when its owner is killed: whoever sweeps links to the grant', async () => {
    const [one, two] = [await sidecar('one'), await sidecar('two')];
    const { client } = await grant(one, 'orphaned', 2000);
    await traced(one, 'PUT', '/v1/entries/default/left?lease=orphaned', 'behind');
    await told(one);
    const granted = await until('the grant is told', () => story().children(client)[0]);
    await until('the push is told', () =>
      story().named('EVALSHA leasehold_push').find((span) => span.links.length > 0));
    await one.kill();
    const ended = await message('leasehold.entry.ended.v1');
    expect(ended.event['traceparent']).toBe(traceparentOf(granted));
    await two.stop();
    const all = story();
    const sweeping = only(all.named('leasehold.lease.sweep'));
    expect(all.linked(sweeping, 'granted')).toEqual([granted]);
    expect(sweeping.instance).not.toBe(granted.instance);
    expect(all.parent(sweeping)?.name).toBe('leasehold.round.sweep');
    const publishing = all.parent(only(all.named(`consume ${ended.subject}`)))!;
    expect(all.parent(publishing)).toBe(sweeping);
    // What the killed one still had is gone with it; of the other nothing is missing.
    const ofTwo = all.spans.filter(({ instance }) => instance === sweeping.instance);
    const missing = all.dangling().filter((each) => ofTwo.some(({ name }) => each.startsWith(name)));
    expect(missing).toEqual([]);
  });

  test('in a sensitive namespace names no lease', async () => {
    const one = await sidecar('one');
    await grant(one, 'very-secret', 100, 'secret');
    await message('leasehold.lease.ended.v1');
    await one.stop();
    expect(story().named('leasehold.lease.expire')).toHaveLength(1);
    expect(JSON.stringify(collector.exports('traces'))).not.toContain('very-secret');
  });
});

describe('sampling', () => {
  test('follows the caller, and what it did not record is linked by nobody', async () => {
    const one = await sidecar('one', { OTEL_TRACES_SAMPLER: 'parentbased_always_off' });
    const client = ownSpan('unrecorded', 'client');
    own.push(client);
    const unrecorded = traceparentOf(client).replace(/01$/, '00');
    await ask(one.url, 'PUT', '/v1/entries/default/a?ttlMs=100', {
      headers: { traceparent: unrecorded }, body: 'x',
    });
    const { client: recorded } = await traced(one, 'PUT', '/v1/entries/default/b?ttlMs=100', 'x');
    await until('both have ended', () =>
      messages.filter(({ event }) => event['type'] === 'leasehold.entry.ended.v1').length === 2);
    await one.stop();
    const all = story();
    expect(all.dangling()).toEqual([]);
    const granted = only(all.children(recorded));
    expect(all.linked(only(all.named('leasehold.lease.expire')), 'granted')).toEqual([granted]);
    expect(all.named('leasehold.round.push')).toEqual([]);
    const [header] = messages
      .filter(({ event }) => event['traceparent'] === unrecorded)
      .map((each) => each.header);
    expect(header).toBe(unrecorded);
  });
});

describe('the SDK', () => {
  /** Tells of every module of OpenTelemetry that is loaded, by import or require. */
  const WATCH = `data:text/javascript,${encodeURIComponent(`
    import { registerHooks } from 'node:module';
    registerHooks({ load(url, context, next) {
      if (url.includes('@opentelemetry')) process.stderr.write('LOADED ' + url + '\\n');
      return next(url, context);
    } });
  `)}`;

  async function watched(variables: Record<string, string>): Promise<Sidecar> {
    const one = await start({
      dataDirectory: scratchDirectory(),
      environment: { NODE_OPTIONS: `--import=${WATCH}`, ...variables },
    });
    expect((await ask(one.url, 'PUT', '/v1/entries/default/k', { body: 'v' })).status).toBe(201);
    return one;
  }
  const NOBODY = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' };

  test('is not loaded unless there is somewhere to send to', async () => {
    const off = await Promise.all([
      watched({}),
      watched({ ...NOBODY, OTEL_SDK_DISABLED: 'true' }),
      watched({ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector' }),
    ]);
    for (const one of off) expect(one.err()).not.toContain('LOADED');
    expect(off[2]!.err()).toContain('OTEL_EXPORTER_OTLP_ENDPOINT is not a URL');
  });

  test('complains in the log of the sidecar, which goes on', async () => {
    const refusing = createServer((_request, response) => response.writeHead(400).end());
    refusing.listen(0, '127.0.0.1');
    await once(refusing, 'listening');
    try {
      const { port } = refusing.address() as AddressInfo;
      const one = await start({
        dataDirectory: scratchDirectory(),
        environment: {
          OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `http://127.0.0.1:${port}/v1/traces`,
          OTEL_BSP_SCHEDULE_DELAY: '50',
          OTEL_TRACES_SAMPLER: 'often',
          OTEL_TRACES_EXPORTER: 'otlp,console',
        },
      });
      const lines = () => one.err().split('\n').filter((line) => line.startsWith('{'));
      await ask(one.url, 'PUT', '/v1/entries/default/k', { body: 'v' });
      await until('it has complained', () => lines().some((line) => JSON.parse(line).message === 'telemetry'));
      expect(lines().join('\n')).toContain('OTEL_TRACES_SAMPLER \\"often\\" is not known');
      expect(lines().join('\n')).toContain('only otlp and none are known here, not console');
      // Whoever waits for the ready line reads nothing else there.
      expect(one.out()).toMatch(/^leasehold ready \S+\n$/);
      expect((await ask(one.url, 'GET', '/v1/entries/default/k')).status).toBe(200);
    } finally {
      refusing.closeAllConnections();
      refusing.close();
    }
  });

  test('throws wherever it is called, and changes no answer and no event', async () => {
    const broken = new URL('throwing-sdk.ts', import.meta.url).href;
    const one = await sidecar('one', { NODE_OPTIONS: `--import=${broken}`, OTEL_LOGS_EXPORTER: 'otlp' });
    const { answer } = await grant(one, 'web-1', 400);
    expect(answer.status).toBe(201);
    expect((await traced(one, 'PUT', '/v1/entries/default/k?lease=web-1', 'v')).answer.status).toBe(201);
    expect((await traced(one, 'GET', '/v1/entries/default/k')).answer.body.toString()).toBe('v');
    expect((await traced(one, 'POST', '/v1/leases/web-1/renew', '{"ttlMs": 300}', json)).answer.status).toBe(200);
    expect((await traced(one, 'GET', '/nowhere')).answer.status).toBe(404);
    await message('leasehold.lease.ended.v1');
    await message('leasehold.entry.ended.v1');
    await told(one);
    expect(await one.stop()).toEqual({ code: 0, signal: null });
    const lines = one.err().split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
    const faults = lines.filter(({ message: said }) => said === 'the SDK of telemetry has thrown');
    expect(faults[0]).toMatchObject({
      level: 'warn', 'exception.type': 'TypeError', 'exception.message': 'planted: the SDK is broken',
    });
    // Not one for each.
    expect(faults.length).toBeLessThan(20);
    expect(lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  test('holds up nobody who stops, though nobody answers where it sends to', async () => {
    const one = await watched(NOBODY);
    expect(one.err()).toContain('LOADED');
    expect(await one.stop()).toEqual({ code: 0, signal: null });
  });
});
