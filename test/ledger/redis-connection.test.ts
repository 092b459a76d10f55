/** How the ledger in Redis fails, and how it comes back: connections, restarts, lost scripts. */
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { freePort, stopServers } from '../servers/child.ts';
import { startRedis } from '../servers/redis.ts';
import { TcpProxy } from '../servers/tcp-proxy.ts';
import { A, B, dotsOf, pushed } from './fixtures.ts';
import { singleAddress } from './redis-addresses.ts';
import { answered, closeLedgers, eventually, faultOf, lasting, worldOn } from './redis-world.ts';

const HOST = '127.0.0.1';

describe('the connection to Redis', () => {
  afterEach(closeLedgers);
  afterAll(stopServers);

  test('fails at once where nobody listens, and comes up by itself later', async () => {
    const port = await freePort();
    const world = worldOn(singleAddress({ host: HOST, port }), { timeoutMs: 10_000 });
    const first = await faultOf(world.ask().pull());
    const second = await faultOf(world.ask().pull());
    expect([first?.fault, second?.fault]).toEqual(['unavailable', 'unavailable']);
    expect(second!.message).toContain('ECONNREFUSED');
    await startRedis({ port });
    expect((await answered(() => world.ask().pull())).status).toBe('ok');
  });

  test('gives up on a server that does not answer, and goes on when it does', async () => {
    const server = await startRedis();
    const world = worldOn(singleAddress(server), { timeoutMs: 200 });
    await world.ask().push([lasting(A, 1)]);
    server.pause();
    const fault = await faultOf(world.ask().pull());
    server.resume();
    expect(fault).toMatchObject({ fault: 'timeout', name: 'LedgerError' });
    expect(dotsOf(await answered(() => world.ask().record()))).toEqual(['a1']);
  });

  test('leaves a connection behind that has fallen silent', async () => {
    const server = await startRedis();
    const proxy = await TcpProxy.start(server);
    const world = worldOn(singleAddress({ host: HOST, port: proxy.port }), { timeoutMs: 100 });
    await world.ask().push([lasting(A, 1)]);
    expect(proxy.connections).toBe(1);
    proxy.spoil({ isSilent: true });
    expect((await faultOf(world.ask().pull()))?.fault).toBe('timeout');
    // The socket is dropped although the other side never closed it.
    await eventually('another fault', async () => {
      const fault = await faultOf(world.ask().pull());
      return fault?.fault === 'unavailable' ? true : undefined;
    });
    proxy.spoil({});
    expect(dotsOf(await answered(() => world.ask().record()))).toEqual(['a1']);
    await proxy.close();
  });

  test('connects again after a kill; an empty server is another history', async () => {
    const server = await startRedis();
    const world = worldOn(singleAddress(server));
    const a = world.ask();
    await a.push([lasting(A, 1)]);
    const { tail } = await a.pull();
    const before = await a.beat(tail);
    expect(before.history).toBe('current');
    await server.kill();
    expect((await faultOf(a.pull()))?.fault).toBe('unavailable');
    await server.restart();
    const after = await answered(() => a.beat(tail));
    expect(after).toMatchObject({ history: 'lost', forgotBatch: true, vouched: [], records: 0 });
    expect(after.epochStartedAt).toBeGreaterThan(before.epochStartedAt);
  });

  test('begins an epoch after a restart that lost nothing, too', async () => {
    const server = await startRedis({ appendOnly: 'always' });
    const world = worldOn(singleAddress(server));
    const a = world.ask();
    await a.push([lasting(A, 1)]);
    const { tail } = await a.pull();
    await server.restart();
    const after = await answered(() => a.beat(tail));
    expect(after).toMatchObject({ history: 'current', forgotBatch: false, vouched: [A] });
    expect(after.epoch).toBe(tail.epoch + 1);
    expect(dotsOf(await a.record())).toEqual(['a1']);
  });

  test('sends a script again that the server has lost', async () => {
    const server = await startRedis();
    const world = worldOn(singleAddress(server));
    const a = world.ask();
    await a.push([lasting(A, 1)]);
    await server.command('SCRIPT', 'FLUSH');
    expect(await a.push([lasting(A, 2)], { seen: { [A]: 1 } })).toEqual({ code: 'applied' });
    const { evalsha } = await callsOf(server);
    await a.push([lasting(A, 3)], { seen: { [A]: 2 } });
    // One round trip again, by the hash.
    expect(await callsOf(server)).toMatchObject({ eval: 2, evalsha: evalsha! + 1 });
  });

  test('counts what goes over its sockets, over broken ones too', async () => {
    const server = await startRedis();
    const world = worldOn(singleAddress(server));
    const text = 'x'.repeat(50_000);
    await world.ask().push([lasting(A, 1, { text })]);
    const { sent, received } = world.ledger.traffic;
    expect(sent).toBeGreaterThan(50_000);
    await world.ask().record();
    expect(world.ledger.traffic.received).toBeGreaterThan(received + 50_000);
    const total = world.ledger.traffic;
    await server.restart();
    await answered(() => world.ask().pull());
    expect(world.ledger.traffic.sent).toBeGreaterThan(total.sent);
    expect(world.ledger.traffic.received).toBeGreaterThan(total.received);
  });

  test('answers nothing once it is closed', async () => {
    const server = await startRedis();
    const world = worldOn(singleAddress(server));
    await world.ask().pull();
    await world.ledger.close();
    expect((await faultOf(world.ask().pull()))?.fault).toBe('unavailable');
    const push = world.ask().pushAll([pushed([lasting(B, 1)])]);
    expect((await faultOf(push))?.fault).toBe('unavailable');
  });

  test('keeps to the number of a database', async () => {
    const server = await startRedis();
    const address = { kind: 'single', tls: false, host: server, database: 5 } as const;
    await worldOn(address).ask().push([lasting(A, 1)]);
    expect(await worldOn(singleAddress(server)).ask().record()).toBeUndefined();
    expect(String(await server.command('INFO', 'keyspace'))).toMatch(/db5:keys=/);
    const far = worldOn({ ...address, database: 99 });
    expect((await faultOf(far.ask().pull()))?.fault).toBe('misconfigured');
  });
});

async function callsOf(
  server: Awaited<ReturnType<typeof startRedis>>,
): Promise<Record<string, number>> {
  const info = String(await server.command('INFO', 'commandstats'));
  const found = info.matchAll(/^cmdstat_(eval|evalsha):calls=(\d+)/gm);
  return Object.fromEntries([...found].map(([, name, calls]) => [name!, Number(calls)]));
}
