/**
 * Each page of the runbook beside a real sidecar that has its reason: what is brought about here is
 * what the page is about, and its commands must print what it prints. One sidecar serves several
 * pages; whoever changes a page may find its scenario by its name.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JetStreamManager, StreamConfig } from 'nats';
import { afterAll, describe, expect, test } from 'vitest';
import { segmentName } from '../../src/journal/directory.ts';
import { freePort, stopServers } from '../servers/child.ts';
import { type NatsServer, type NatsUser, startNats } from '../servers/nats.ts';
import { startRedis } from '../servers/redis.ts';
import { TcpProxy } from '../servers/tcp-proxy.ts';
import { smallDisk } from './bus/small-disk.ts';
import { openRaw } from './raw-connection.ts';
import { ask, jsonOf } from './requests.ts';
import { tryPage, trySession, untilSaid } from './runbook/page.ts';
import { cleanUp, launch, scratchDirectory, start, until } from './support.ts';

afterAll(async () => {
  await cleanUp();
  await stopServers();
});

/** Against a hang only. */
const HANG_MS = 240_000;
const ENDINGS = 'LEASEHOLD_ENDINGS';
const SMALL = 'capacity: { leases: 1000, entries: 1000, bytes: 1Mi }';

const put = (url: string, key: string, query = '') =>
  ask(url, 'PUT', `/v1/entries/default/${key}${query}`, { body: 'x' });

async function ready(url: string): Promise<void> {
  await until('it has no reason left', async () => jsonOf(await ask(url, 'GET', '/readyz')).state === 'ready');
}

describe.concurrent('the bus', () => {
  const everything: NatsUser = { user: 'leasehold', password: 'first' };
  const without = (...subjects: string[]): NatsUser => ({
    ...everything,
    permissions: { publish: ['$JS.API.>', 'leasehold.>', '_INBOX.>'].filter((one) => !subjects.includes(one)) },
  });
  const configuration = `
namespaces: { default: { class: local, ${SMALL} } }
limits: { outbox: { endings: 2500, endingBytes: 1Mi, events: 256, eventBytes: 1Mi } }
bus: { ackMs: 200, connectMs: 500, checkMs: 200, retryCapMs: 200 }
`;

  async function changeEndings(nats: NatsServer, change: (streams: JetStreamManager['streams'], config: StreamConfig) => Promise<unknown>) {
    const manager = await (await nats.admin()).jetstreamManager();
    const { config } = await manager.streams.info(ENDINGS);
    await change(manager.streams, config);
    return () => manager.streams.update(ENDINGS, config);
  }

  test('that is away, full, gone, closed to us, or refuses', async () => {
    const monitorPort = await freePort();
    const nats = await startNats({ users: [everything], settings: { http_port: monitorPort } });
    const { url } = await start({
      dataDirectory: scratchDirectory(), configuration,
      environment: { LEASEHOLD_BUS_URL: `nats://leasehold:first@${nats.address}` },
    });
    const places = { url, monitor: `http://127.0.0.1:${monitorPort}` };
    let ended = 0;
    /** Something to be told, so that it is found out. */
    const endOne = async () => {
      ended += 1;
      await put(url, `ended-${ended}`);
      await ask(url, 'DELETE', `/v1/entries/default/ended-${ended}`);
    };
    await ready(url);
    await endOne();
    await ready(url);

    let restore = await changeEndings(nats, (streams, config) =>
      streams.update(ENDINGS, { ...config, max_bytes: 1 }));
    await endOne();
    await tryPage('stream-full', places);
    await restore();
    await ready(url);

    restore = await changeEndings(nats, (streams, config) =>
      streams.update(ENDINGS, { ...config, max_bytes: config.max_bytes, max_msg_size: 10 }));
    await endOne();
    await tryPage('bus-refuses', places);
    await restore();
    await ready(url);

    await nats.reload({ users: [without('leasehold.>')] });
    await endOne();
    await tryPage('bus-denied', places);
    await nats.reload({ users: [without('$JS.API.>')] });
    const manager = await (await nats.admin()).jetstreamManager();
    for (const name of [ENDINGS, 'LEASEHOLD_EVENTS']) await manager.streams.delete(name);
    await endOne();
    await tryPage('stream-absent', places);
    await nats.reload({ users: [everything] });
    await ready(url);

    await nats.kill();
    await tryPage('bus-away', places);
    for (let count = 0; count < 400; count++) await put(url, `waiting-${count}`);
    await tryPage('under-pressure', places);
  }, HANG_MS);
});

describe.concurrent('the ledger', () => {
  const configuration = `
namespaces: { default: { autonomyMs: 2000, ${SMALL} } }
ledger: { beatMs: 200, timeoutMs: 10000, ackMs: 10000 }
`;

  test('that is full, read-only, not fit, emptied, or away for long', async () => {
    const redis = await startRedis();
    const { host, port } = redis;
    const link = await TcpProxy.start({ host, port });
    const printed = `redis://127.0.0.1:${link.port}`;
    const settings = { configuration, environment: { LEASEHOLD_LEDGER_URL: printed } };
    const { url } = await start({ dataDirectory: scratchDirectory(), ...settings });
    const places = { url, redis: printed };
    await ready(url);

    await redis.command('CONFIG', 'SET', 'maxmemory', '1');
    await put(url, 'waits');
    await tryPage('ledger-full', places);
    await redis.command('CONFIG', 'SET', 'maxmemory', '0');
    await ready(url);

    await redis.command('CONFIG', 'SET', 'min-replicas-to-write', 1);
    await put(url, 'waits');
    await tryPage('ledger-read-only', places);
    await redis.command('CONFIG', 'SET', 'min-replicas-to-write', 0);
    await ready(url);

    for (let count = 0; count < 500; count++) await put(url, `kept-${count}`, '?ttlMs=600000');
    await until('all is told', async () => jsonOf(await ask(url, 'GET', '/v1/status')).ledger.unpushed === 0);
    link.spoil({ delayMs: 100 });
    await redis.command('FLUSHALL');
    await untilSaid('repairing', url);
    // Until the page has been tried, the repair comes no further.
    link.spoil({ isSilent: true });
    await tryPage('repairing', places);
    link.heal();
    await ready(url);

    // A machine whose wall clock is an hour ahead.
    const ahead = 'const now = Date.now; Date.now = () => now() + 3_600_000;';
    const early = await start({
      dataDirectory: scratchDirectory(), configuration,
      environment: {
        LEASEHOLD_LEDGER_URL: printed,
        NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(ahead)}`,
      },
    });
    await put(early.url, 'early');
    await tryPage('clock-ahead', { url: early.url, redis: printed });
    await early.kill();

    await redis.command('CONFIG', 'SET', 'maxmemory', '64mb');
    await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    const unfit = await start({ dataDirectory: scratchDirectory(), ...settings });
    await tryPage('ledger-misconfigured', { url: unfit.url, redis: printed });
    await unfit.kill();

    await redis.kill();
    link.cut();
    await link.close();
    await tryPage('ledger-unavailable', places);
    await tryPage('isolated', places);
  }, HANG_MS);
});

describe.concurrent('the process', () => {
  test('that recovers: its disk does not answer', async () => {
    const dataDirectory = scratchDirectory();
    // In place of a segment: opening a pipe waits for whoever writes into it, and nobody does.
    execFileSync('mkfifo', [join(dataDirectory, segmentName(1))]);
    const port = await freePort();
    launch({ dataDirectory, environment: { LEASEHOLD_LISTEN: `127.0.0.1:${port}` } });
    await tryPage('recovering', { url: `http://127.0.0.1:${port}`, directory: dataDirectory });
  }, HANG_MS);

  test('whose file of tokens is spoiled, and put right', async () => {
    const dataDirectory = scratchDirectory();
    const path = join(scratchDirectory(), 'tokens.yaml');
    writeFileSync(path, 'tokens: []');
    const { url } = await start({ dataDirectory, environment: { LEASEHOLD_TOKENS_FILE: path } });
    writeFileSync(path, 'tokens: nobody');
    await untilSaid('tokens-refused', url);
    await trySession('tokens-refused', { url });
    writeFileSync(path, 'tokens: []');
    await ready(url);
  }, HANG_MS);

  test('that drains, with a request under way', async () => {
    const sidecar = await start({ dataDirectory: scratchDirectory() });
    const slow = await openRaw(sidecar.url);
    slow.send('PUT /v1/entries/default/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf ');
    const asking = await openRaw(sidecar.url);
    asking.send('GET /readyz HTTP/1.1\r\nHost: localhost\r\n');
    await until('it has come', async () => (await ask(sidecar.url, 'GET', '/livez')).status === 200);
    const ended = sidecar.stop();
    await until('it takes no connections', () => ask(sidecar.url, 'GET', '/livez').then(() => false, () => true));
    await trySession('draining', { url: sidecar.url });
    asking.send('\r\n');
    expect(await asking.closed()).toContain('"reasons":["draining"]');
    slow.send('whole');
    expect((await ended).code).toBe(0);
  }, HANG_MS);

  test('whose journal fails: its directory has gone', async () => {
    const dataDirectory = scratchDirectory();
    const sidecar = await start({
      dataDirectory,
      configuration: 'limits: { bodyBytes: 1Mi, valueBytes: 512Ki }\njournal: { segmentBytes: 1Mi, reserveBytes: 1Mi }',
    });
    for (const name of readdirSync(dataDirectory)) rmSync(join(dataDirectory, name));
    rmSync(dataDirectory, { recursive: true });
    await until('it has ended', async () => {
      await ask(sidecar.url, 'PUT', '/v1/entries/default/large', { body: 'x'.repeat(400_000) }).catch(() => {});
      return sidecar.end();
    });
    expect(await sidecar.ended).toEqual({ code: 70, signal: null });
    expect(sidecar.err()).toMatch(/"exception\.message":"[^"]*ENOENT.*"message":"stopping: it cannot go on safely"/);
    await trySession('journal-failed', { url: sidecar.url, directory: dataDirectory });
  }, HANG_MS);

  test('whose disk is full', async () => {
    const disk = smallDisk(12 * 1024 * 1024);
    if (disk === undefined) return;
    const { url } = await start({
      dataDirectory: disk.dataDirectory,
      configuration: 'limits: { bodyBytes: 1Mi, valueBytes: 64Ki }\njournal: { segmentBytes: 1Mi, reserveBytes: 1Mi, snapshotAfterBytes: 64Mi }',
    });
    disk.fill(0);
    let count = 0;
    await until('a write is refused', async () => {
      count += 1;
      const answer = await ask(url, 'PUT', `/v1/entries/default/${count}`, { body: 'v'.repeat(20_000) });
      return answer.status !== 201;
    });
    await tryPage('journal-full', { url, directory: disk.dataDirectory });
    disk.relieve();
    await until('writes are taken again', async () => (await put(url, 'again')).status === 201);
    await ready(url);
  }, HANG_MS);
});
