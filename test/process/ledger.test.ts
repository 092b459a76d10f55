/**
 * Sidecars on a real Redis, as an operator meets them: a process dies, Redis dies, the disk is
 * gone, somebody leaves. What happens under load, with all of it at once, is in `cluster/`.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type RedisServer, startRedis } from '../servers/redis.ts';
import { ask } from './requests.ts';
import { cleanUp, scratchDirectory, type Sidecar, start, until } from './support.ts';

const CAPACITY = 'capacity: { leases: 1000, entries: 1000, bytes: 1Mi }';
const CONFIGURATION = `
namespaces:
  default: { mirror: all, ${CAPACITY} }
  asked: { ${CAPACITY} }
  sure: { durability: ledger, ${CAPACITY} }
  first: { durability: ledger, conflict: firstWins, ${CAPACITY} }
  moved: { onDrain: handover, ${CAPACITY} }
`;

let redis: RedisServer;
beforeEach(async () => {
  redis = await startRedis();
});
afterEach(async () => {
  await cleanUp();
  await redis.stop();
});

async function sidecar(name: string, dataDirectory = scratchDirectory(), configuration = CONFIGURATION) {
  const started = await start({
    dataDirectory, configuration,
    environment: { LEASEHOLD_LEDGER_URL: redis.url, LEASEHOLD_NAME: name },
  });
  await until(`${name} has joined`, async () => {
    const { ledger } = await status(started);
    return ledger.state === 'connected';
  });
  return started;
}

async function status({ url }: Pick<Sidecar, 'url'>) {
  const { body } = await ask(url, 'GET', '/v1/status');
  return JSON.parse(body.toString());
}

async function told({ url }: Sidecar): Promise<void> {
  await until('the ledger knows everything', async () =>
    (await status({ url })).ledger.unpushed === 0);
}

async function read({ url }: Sidecar, path: string): Promise<string | number> {
  const answer = await ask(url, 'GET', `/v1/entries/${path}`);
  return answer.status === 200 ? answer.body.toString() : answer.status;
}

const json = { 'Content-Type': 'application/json' };

describe('two sidecars on one Redis', () => {
  test('read what the other has written: asked for, or mirrored, and say so', async () => {
    const [one, two] = [await sidecar('one'), await sidecar('two')];
    await ask(one.url, 'PUT', '/v1/entries/asked/key', { body: 'value' });
    await ask(one.url, 'PUT', '/v1/entries/default/key', { body: 'mirrored' });
    await told(one);
    const asked = await ask(two.url, 'GET', '/v1/entries/asked/key');
    expect([asked.body.toString(), asked.headers['leasehold-source']]).toEqual(['value', 'ledger']);
    await until('the mirror has it', async () => (await read(two, 'default/key')) === 'mirrored');
    const mirrored = await ask(two.url, 'GET', '/v1/entries/default/key');
    expect(mirrored.headers['leasehold-source']).toBe('mirror');
    await ask(two.url, 'DELETE', '/v1/entries/asked/key');
    await told(two);
    expect((await ask(one.url, 'GET', '/v1/entries/asked/key?consistency=ledger')).status).toBe(404);
  });

  test('lose nothing with pod and disk that the ledger has acknowledged', async () => {
    const [one, two] = [await sidecar('one'), await sidecar('two')];
    const put = await ask(one.url, 'PUT', '/v1/entries/sure/key?ttlMs=60000', { body: 'value' });
    await one.kill();
    expect(put.status).toBe(201);
    expect(await read(two, 'sure/key')).toBe('value');
  });

  test('let the first one win where the namespace says so', async () => {
    const [one, two] = [await sidecar('one'), await sidecar('two')];
    const puts = await Promise.all([one, two].map(({ url }) =>
      ask(url, 'PUT', '/v1/entries/first/key', { body: url })));
    expect(puts.map(({ status: code }) => code).sort()).toEqual([201, 409]);
    const [winner] = [one, two].filter((_, index) => puts[index]!.status === 201);
    for (const { url } of [one, two]) {
      const { body } = await ask(url, 'GET', '/v1/entries/first/key?consistency=ledger');
      expect(body.toString()).toBe(winner!.url);
    }
  });

  test('hand a lease over when one of them leaves', async () => {
    const [one, two] = [await sidecar('one'), await sidecar('two')];
    const lease = JSON.stringify({ id: 'job', holder: 'worker', namespace: 'moved', ttlMs: 60_000 });
    await ask(one.url, 'POST', '/v1/leases', { headers: json, body: lease });
    await ask(one.url, 'PUT', '/v1/entries/moved/key?lease=job', { body: 'value' });
    expect(await one.stop()).toEqual({ code: 0, signal: null });
    const adopted = await ask(two.url, 'POST', '/v1/leases', { headers: json, body: lease });
    expect(adopted.status).toBe(200);
    expect(JSON.parse(adopted.body.toString())).toMatchObject({ adopted: true, entries: 1 });
    expect(await read(two, 'moved/key')).toBe('value');
  });
});

describe('a sidecar', () => {
  test('that was killed goes on with what it held, under its old versions', async () => {
    const dataDirectory = scratchDirectory();
    const one = await sidecar('one', dataDirectory);
    const put = await ask(one.url, 'PUT', '/v1/entries/asked/key?ttlMs=60000', { body: 'value' });
    await told(one);
    await one.kill();
    const again = await sidecar('one', dataDirectory);
    const { etag } = (await ask(again.url, 'GET', '/v1/entries/asked/key')).headers;
    expect(etag).toBe(put.headers['etag']);
    expect(await read(await sidecar('two'), 'asked/key')).toBe('value');
  });

  test('tells an emptied Redis again what it holds', async () => {
    const one = await sidecar('one');
    await ask(one.url, 'PUT', '/v1/entries/sure/key?ttlMs=60000', { body: 'value' });
    await redis.kill();
    await redis.restart({ empty: true });
    const two = await sidecar('two');
    await until('it is there again', async () => (await read(two, 'sure/key')) === 'value');
    expect((await status(one)).rounds.repairs.pushed).toBeGreaterThan(0);
  });

  test('without Redis starts, serves, and says why it is degraded', async () => {
    await redis.kill();
    const one = await start({
      dataDirectory: scratchDirectory(),
      configuration: CONFIGURATION,
      environment: { LEASEHOLD_LEDGER_URL: redis.url },
    });
    expect((await ask(one.url, 'PUT', '/v1/entries/default/key', { body: 'value' })).status).toBe(201);
    expect(await read(one, 'default/key')).toBe('value');
    const missed = await ask(one.url, 'GET', '/v1/entries/asked/nothing');
    expect(JSON.parse(missed.body.toString())).toMatchObject({ authoritative: false });
    const durable = await ask(one.url, 'PUT', '/v1/entries/sure/key', { body: 'value' });
    expect(JSON.parse(durable.body.toString()).code).toBe('ledger-unavailable');
    const ready = await ask(one.url, 'GET', '/readyz');
    expect([ready.status, JSON.parse(ready.body.toString())]).toMatchObject([
      200, { state: 'degraded', reasons: expect.arrayContaining(['ledger-unavailable']) },
    ]);
    await redis.restart({ empty: true });
    await told(one);
    await until('it is ready', async () =>
      JSON.parse((await ask(one.url, 'GET', '/readyz')).body.toString()).state === 'ready');
  });

  test('refuses a Redis that evicts, and says so', async () => {
    await redis.stop();
    redis = await startRedis({ maxmemory: '64mb', maxmemoryPolicy: 'allkeys-lru' });
    const one = await start({
      dataDirectory: scratchDirectory(),
      environment: { LEASEHOLD_LEDGER_URL: redis.url },
    });
    await until('it says why', async () => {
      const { body } = await ask(one.url, 'GET', '/readyz');
      return JSON.parse(body.toString()).reasons.includes('ledger-misconfigured');
    });
    expect(one.err()).toMatch(/noeviction/);
  });

  test('takes flags from the file at SIGHUP, and nothing else', async () => {
    const file = join(scratchDirectory(), 'leasehold.yaml');
    writeFileSync(file, CONFIGURATION);
    const one = await start({
      dataDirectory: scratchDirectory(),
      environment: { LEASEHOLD_LEDGER_URL: redis.url, LEASEHOLD_CONFIG: file },
    });
    expect((await status(one)).flags).toMatchObject({ sweep: 'on', merge: 'on' });
    writeFileSync(file, `${CONFIGURATION}flags: { sweep: shadow }\ndrainMs: 1234\n`);
    one.child.kill('SIGHUP');
    await until('the flag has changed', async () => (await status(one)).flags.sweep === 'shadow');
    expect(one.err()).toMatch(/restart/);
  });
});
