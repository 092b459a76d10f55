/** The servers that other tests lean on: real ones, killed, paused and brought back here. */
import { readFileSync } from 'node:fs';
import { Cluster, Redis } from 'ioredis';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { stopServers } from './child.ts';
import { startRedis } from './redis.ts';
import { startCluster } from './redis-cluster.ts';
import { startSentinel } from './redis-sentinel.ts';

const PATIENCE_MS = 120_000;
/** The hash slot of the key `x`. */
const SLOT_OF_X = 16_287;

const clients: (Redis | Cluster)[] = [];

interface Address {
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
  readonly tls?: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer };
}

/** Redis as anybody outside meets it. */
function outsider({ host, port, username, password, tls }: Address): Redis {
  const client = new Redis(port, host, {
    enableReadyCheck: false,
    maxRetriesPerRequest: 0,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
  });
  client.on('error', () => {});
  clients.push(client);
  return client;
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.disconnect();
});
afterAll(stopServers);

function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('a server', () => {
  it('serves on its port, and is gone when killed', async () => {
    const server = await startRedis();
    await outsider(server).set('a', '1');
    expect(await server.command('GET', 'a')).toBe('1');
    const { pid } = server;
    await server.kill();
    expect([exists(pid), server.isRunning()]).toEqual([false, false]);
    await expect(outsider(server).get('a')).rejects.toThrow();
  });

  it('comes back empty, or with its append-only file, as a test wants it', async () => {
    const [forgets, remembers] = [await startRedis(), await startRedis({ appendOnly: 'always' })];
    for (const server of [forgets, remembers]) await server.command('SET', 'a', '1');
    const { port, pid } = remembers;
    await Promise.all([forgets.restart(), remembers.restart()]);
    expect([await forgets.command('GET', 'a'), await remembers.command('GET', 'a')]).toEqual([null, '1']);
    expect(remembers.port).toBe(port);
    expect(remembers.pid).not.toBe(pid);
    await remembers.restart({ empty: true });
    expect(await remembers.command('DBSIZE')).toBe(0);
  });

  it.each([undefined, 'always'] as const)('goes back to an older copy of itself (append only: %s)', async (appendOnly) => {
    const server = await startRedis(appendOnly === undefined ? {} : { appendOnly });
    await server.command('SET', 'a', 'old');
    const copy = await server.dump();
    await server.command('SET', 'a', 'new');
    await server.restart({ dump: copy });
    expect(await server.command('GET', 'a')).toBe('old');
    await server.command('SET', 'a', 'newer');
    await server.restart();
    expect(await server.command('GET', 'a')).toBe(appendOnly === undefined ? null : 'newer');
  });

  it('is silent while it is paused, and answers afterwards', async () => {
    const server = await startRedis();
    const client = outsider(server);
    await client.set('a', '1');
    server.pause();
    let answer: string | null | undefined;
    const asked = client.get('a').then((value) => {
      answer = value;
    });
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect([answer, exists(server.pid)]).toEqual([undefined, true]);
    server.resume();
    await asked;
    expect(answer).toBe('1');
  });

  it('refuses when its memory is full', async () => {
    const server = await startRedis({ maxmemory: '3mb', maxmemoryPolicy: 'noeviction' });
    const full = Promise.all(
      Array.from({ length: 64 }, (_, index) => server.command('SET', `k${index}`, 'x'.repeat(65_536))),
    );
    await expect(full).rejects.toThrow('OOM');
  });

  it('lets in whom its users, password and certificate say', async () => {
    const users = { app: 'on >secret ~lh:* +@all -@dangerous' };
    const password = 'p@ss/word';
    const server = await startRedis({ password, users, tls: true });
    const { host, port } = server;
    const { caFile, clientCertFile, clientKeyFile } = server.certificates!;
    const tls = {
      ca: readFileSync(caFile), cert: readFileSync(clientCertFile), key: readFileSync(clientKeyFile),
    };
    expect(server.url).toBe(`rediss://:p%40ss%2Fword@${host}:${port}`);
    expect(await outsider({ host, port, tls, password }).ping()).toBe('PONG');
    await expect(outsider({ host, port, password }).ping()).rejects.toThrow();
    const app = outsider({ host, port, tls, username: 'app', password: 'secret' });
    expect(await app.set('lh:a', '1')).toBe('OK');
    await expect(app.set('other', '1')).rejects.toThrow('NOPERM');
    await expect(outsider({ host, port, tls, password: 'wrong' }).ping()).rejects.toThrow();
  });
});

describe('a cluster', () => {
  it('serves every slot, and a replica takes over from a killed master', async () => {
    const cluster = await startCluster(3, 1);
    expect([cluster.nodes.length, new Set(cluster.ports).size]).toEqual([6, 6]);
    const client = new Cluster(cluster.ports.map((port) => ({ host: '127.0.0.1', port })));
    client.on('error', () => {});
    clients.push(client);
    await client.set('x', '1');
    const master = await cluster.masterOf(SLOT_OF_X);
    expect(cluster.nodes.indexOf(master)).toBeLessThan(3);
    await master.command('WAIT', 1, 1_000);
    await master.kill();
    await cluster.healthy();
    const heir = await cluster.masterOf(SLOT_OF_X);
    expect(cluster.nodes.indexOf(heir)).toBeGreaterThanOrEqual(3);
    expect(await client.get('x')).toBe('1');
    await master.restart();
    await cluster.close();
    expect(cluster.nodes.some((node) => node.isRunning())).toBe(false);
  }, PATIENCE_MS);
});

describe('a sentinel', () => {
  it('promotes the replica when the master is gone', async () => {
    const watched = await startSentinel();
    const [first, replica] = watched.servers;
    expect(watched.url).toMatch(/^redis\+sentinel:\/\/(127\.0\.0\.1:\d+,?){3}\/main$/);
    expect(await watched.master()).toBe(first);
    await first!.command('SET', 'a', '1');
    await first!.command('WAIT', 1, 1_000);
    await first!.kill();
    expect(await watched.promoted(first!)).toBe(replica);
    const client = new Redis({
      sentinels: watched.sentinelPorts.map((port) => ({ host: '127.0.0.1', port })),
      name: watched.name,
    });
    clients.push(client);
    expect(await client.get('a')).toBe('1');
    await watched.close();
  }, PATIENCE_MS);
});
