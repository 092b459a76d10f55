/** A real Redis with replicas, watched over by sentinels that promote one when it is gone. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort, type ServerProcess, serverDirectory, startServer } from './child.ts';
import { type RedisOptions, type RedisServer, startRedis } from './redis.ts';
import { requireRedis } from './require-redis.ts';

const HOST = '127.0.0.1';
const POLL_MS = 20;
/** Against a hang only: sentinels need seconds to meet. */
const AGREE_MAX_MS = 30_000;

export interface SentinelOptions extends Omit<RedisOptions, 'port'> {
  readonly replicas?: number;
  readonly sentinels?: number;
  /** Silence after which a sentinel takes a server for gone. */
  readonly downAfterMs?: number;
}

export interface RedisSentinel {
  /** `redis+sentinel://` with every sentinel and the name of the master. */
  readonly url: string;
  readonly name: string;
  readonly sentinelPorts: readonly number[];
  /** The first was the master at the start. */
  readonly servers: readonly RedisServer[];
  /** Who the sentinels say is master at this moment. */
  master(): Promise<RedisServer>;
  /** Resolves with the new master once another than `old` is, by the word of every sentinel. */
  promoted(old: RedisServer): Promise<RedisServer>;
  close(): Promise<void>;
}

export async function startSentinel({
  replicas = 1, sentinels = 3, downAfterMs = 500, ...options
}: SentinelOptions = {}): Promise<RedisSentinel> {
  const name = 'main';
  // Without a wait for more replicas to come: there are no more.
  const settings = { 'repl-diskless-sync-delay': '0', ...options.settings };
  const first = await startRedis({ ...options, settings });
  const others = await Promise.all(
    Array.from({ length: replicas }, () =>
      startRedis({
        ...options,
        settings: { ...settings, replicaof: `${first.host} ${first.port}` },
      }),
    ),
  );
  const servers = [first, ...others];
  for (const replica of others) {
    await until('the replica is in step', async () =>
      String(await replica.command('INFO', 'replication')).includes('master_link_status:up'),
    );
  }
  const watchers: { readonly port: number; readonly process: ServerProcess; readonly client: Redis }[] = [];
  for (let count = 0; count < sentinels; count++) {
    const port = await freePort();
    const quorum = Math.floor(sentinels / 2) + 1;
    const process = await startOne(port, [
      `sentinel monitor ${name} ${first.host} ${first.port} ${quorum}`,
      `sentinel down-after-milliseconds ${name} ${downAfterMs}`,
      `sentinel failover-timeout ${name} ${4 * downAfterMs}`,
      ...(options.password === undefined ? [] : [`sentinel auth-pass ${name} ${options.password}`]),
    ]);
    const client = new Redis({ host: HOST, port, protocol: 2 });
    client.on('error', () => {});
    watchers.push({ port, process, client });
  }

  const masterBy = async ({ client }: { client: Redis }): Promise<RedisServer | undefined> => {
    const address = (await client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name)) as string[] | null;
    return servers.find(({ port }) => port === Number(address?.[1]));
  };
  const facts = async ({ client }: { client: Redis }): Promise<Map<string, string>> => {
    const pairs = (await client.call('SENTINEL', 'MASTER', name)) as string[];
    return new Map(pairs.flatMap((key, index) => (index % 2 === 0 ? [[key, pairs[index + 1]!]] : [])));
  };
  for (const watcher of watchers) {
    await until('the sentinels know each other and the replicas', async () => {
      const known = await facts(watcher);
      return (
        Number(known.get('num-other-sentinels')) === sentinels - 1 &&
        Number(known.get('num-slaves')) === replicas
      );
    });
  }

  return {
    name,
    servers,
    sentinelPorts: watchers.map(({ port }) => port),
    url: `redis+sentinel://${watchers.map(({ port }) => `${HOST}:${port}`).join(',')}/${name}`,
    async master() {
      const master = await masterBy(watchers[0]!);
      if (master === undefined) throw new Error('The sentinel names no master');
      return master;
    },
    async promoted(old) {
      for (const watcher of watchers) {
        await until('every sentinel names another master', async () => {
          const master = await masterBy(watcher);
          if (master === undefined || master === old) return false;
          // Being promoted, it closes the connections of its clients.
          const role = await master.command('ROLE').catch(() => undefined);
          return String(role).startsWith('master');
        });
      }
      return (await masterBy(watchers[0]!))!;
    },
    async close() {
      for (const { client, process } of watchers) {
        client.disconnect();
        await process.kill();
      }
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

async function startOne(port: number, lines: readonly string[]): Promise<ServerProcess> {
  const directory = serverDirectory();
  const file = join(directory, 'sentinel.conf');
  writeFileSync(file, `${[`bind ${HOST}`, `port ${port}`, `dir ${directory}`, ...lines].join('\n')}\n`);
  return startServer(await requireRedis(), [file, '--sentinel'], directory, '+monitor master');
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + AGREE_MAX_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`Waited ${AGREE_MAX_MS} ms in vain: ${what}`);
    await sleep(POLL_MS);
  }
}
