/** A real Redis Cluster on loopback ports, put together with its own commands. */
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './child.ts';
import { type RedisOptions, type RedisServer, startRedis } from './redis.ts';

const SLOTS = 16_384;
const POLL_MS = 20;
/** Against a hang only: gossip takes about two seconds. */
const AGREE_MAX_MS = 30_000;

export interface ClusterOptions extends Omit<RedisOptions, 'port'> {
  /** How long a silent node is waited for before a replica takes over. */
  readonly nodeTimeoutMs?: number;
}

export interface RedisCluster {
  readonly ports: readonly number[];
  /** `redis+cluster://` with every node. */
  readonly url: string;
  /** The first `masters` of them are masters at the start. */
  readonly nodes: readonly RedisServer[];
  /** The master of a hash slot at this moment. */
  masterOf(slot: number): Promise<RedisServer>;
  /** Resolves when every running node says that every slot is served, by nodes that run. */
  healthy(): Promise<void>;
  /** Stops every node. */
  close(): Promise<void>;
}

/** Starts `masters` masters with `replicasEach` replicas each; resolves when all slots are served. */
export async function startCluster(
  masters = 3,
  replicasEach = 0,
  { nodeTimeoutMs = 1_500, ...options }: ClusterOptions = {},
): Promise<RedisCluster> {
  const nodes = await Promise.all(
    Array.from({ length: masters * (1 + replicasEach) }, () => startNode(nodeTimeoutMs, options)),
  );
  const cluster = clusterOf(nodes);
  try {
    await form(nodes, masters);
    await cluster.healthy();
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}

async function startNode(nodeTimeoutMs: number, options: RedisOptions): Promise<RedisServer> {
  return startRedis({
    ...options,
    settings: {
      'cluster-enabled': 'yes',
      'cluster-config-file': 'nodes.conf',
      // The customary port + 10 000 need not be free.
      'cluster-port': String(await freePort()),
      'cluster-node-timeout': String(nodeTimeoutMs),
      'cluster-replica-validity-factor': '0',
      'cluster-allow-replica-migration': 'no',
      'repl-diskless-sync': 'yes',
      'repl-diskless-sync-delay': '0',
      ...(options.tls === true ? { 'tls-cluster': 'yes', 'tls-replication': 'yes' } : {}),
      ...(options.password === undefined ? {} : { masterauth: options.password }),
      ...options.settings,
    },
  });
}

/** Slots, acquaintance, replicas: in this order, because a replica must know its master. */
async function form(nodes: readonly RedisServer[], masters: number): Promise<void> {
  const first = nodes[0]!;
  for (const [index, node] of nodes.slice(0, masters).entries()) {
    const from = Math.floor((index * SLOTS) / masters);
    const to = Math.floor(((index + 1) * SLOTS) / masters) - 1;
    await node.command('CLUSTER', 'ADDSLOTSRANGE', from, to);
    await node.command('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
  }
  for (const node of nodes.slice(1)) {
    const { 'cluster-port': busPort } = await settingsOf(first);
    await node.command('CLUSTER', 'MEET', first.host, first.port, busPort!);
  }
  await until('every node knows every other', nodes, async (node) => {
    const known = String(await node.command('CLUSTER', 'NODES')).trim().split('\n');
    return known.length === nodes.length && known.every((line) => !line.includes('handshake'));
  });
  for (const [index, replica] of nodes.slice(masters).entries()) {
    const master = nodes[index % masters]!;
    await replica.command('CLUSTER', 'REPLICATE', String(await master.command('CLUSTER', 'MYID')));
  }
  await until('every replica is in step', nodes.slice(masters), async (replica) =>
    String(await replica.command('INFO', 'replication')).includes('master_link_status:up'),
  );
}

async function settingsOf(node: RedisServer): Promise<Record<string, string>> {
  const pairs = (await node.command('CONFIG', 'GET', 'cluster-port')) as string[];
  return { [pairs[0]!]: pairs[1]! };
}

async function until(
  what: string,
  nodes: readonly RedisServer[],
  holds: (node: RedisServer) => Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + AGREE_MAX_MS;
  for (const node of nodes) {
    while (!(await holds(node))) {
      if (performance.now() > deadline) throw new Error(`Waited ${AGREE_MAX_MS} ms in vain: ${what}`);
      await sleep(POLL_MS);
    }
  }
}

function clusterOf(nodes: readonly RedisServer[]): RedisCluster {
  const ports = nodes.map(({ port }) => port);
  const alive = (): RedisServer[] => nodes.filter((node) => node.isRunning());
  return {
    ports,
    nodes,
    url: `redis+cluster://${nodes.map(({ host, port }) => `${host}:${port}`).join(',')}`,
    async masterOf(slot) {
      for (const node of alive()) {
        const ranges = (await node.command('CLUSTER', 'SLOTS')) as SlotRange[];
        const range = ranges.find(([from, to]) => from <= slot && slot <= to);
        const master = nodes.find(({ port }) => port === range?.[2][1]);
        if (master !== undefined) return master;
      }
      throw new Error(`No node says who serves slot ${slot}`);
    },
    healthy: () =>
      until('the cluster serves every slot', alive(), async (node) => {
        const info = String(await node.command('CLUSTER', 'INFO'));
        if (!info.includes('cluster_state:ok')) return false;
        const running = new Set(alive().map(({ port }) => port));
        const ranges = (await node.command('CLUSTER', 'SLOTS')) as SlotRange[];
        const served = ranges
          .filter(([, , master]) => running.has(master[1]))
          .reduce((sum, [from, to]) => sum + to - from + 1, 0);
        return served === SLOTS;
      }),
    async close() {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

type SlotRange = readonly [from: number, to: number, master: readonly [host: string, port: number]];
