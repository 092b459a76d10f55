/** The permissions at Redis that the manual gives, as it gives them, are enough for everything. */
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { RedisLedger } from '../../src/ledger/redis/redis-ledger.ts';
import { read } from '../house/repository.ts';
import { cleanUp, scratchDirectory, start, until } from '../process/support.ts';
import { stopServers } from '../servers/child.ts';
import { startCluster } from '../servers/redis-cluster.ts';
import { startSentinel } from '../servers/redis-sentinel.ts';
import { type RedisServer, startRedis } from '../servers/redis.ts';
import { describeLedger, type LedgerWorld } from './conformance.ts';
import { A, pushed, START } from './fixtures.ts';
import { clusterAddress, singleAddress } from './redis-addresses.ts';
import { answered, closeLedgers, faultOf, lasting, worldOn } from './redis-world.ts';

const PAGE = read('docs/permissions.md');
const [, USER, RULES] = /```acl\nuser (\S+) (.*)\n```/.exec(PAGE) as unknown as [string, string, string];
const PASSWORD = / >(\S+)/.exec(RULES)![1]!;
const AS_USER = { username: USER, password: PASSWORD };

/** What a row of the table adds. */
function added(where: string): string {
  const row = PAGE.split('\n').find((line) => line.startsWith('| ') && line.includes(where));
  return /\| `([^`]+)` \|$/.exec(row!)![1]!.replaceAll('\\|', '|');
}

const usersWith = (more = ''): Readonly<Record<string, string>> => ({
  [USER]: `${RULES} ${more}`.trim(), default: 'off',
});
const refusals = async (server: RedisServer): Promise<string> => String(await server.command('ACL', 'LOG'));

afterEach(async () => {
  await closeLedgers();
  await cleanUp();
});
afterAll(stopServers);

describe('the user of the manual', () => {
  describeLedger('does what a ledger does', async (): Promise<LedgerWorld> => {
    const server = await startRedis({ users: usersWith() });
    let now = START;
    let history = 1;
    const ledger = new RedisLedger({
      address: { ...singleAddress(server), ...AS_USER }, keyPrefix: 'lh:', timeoutMs: 5_000,
      instant: () => ({ now, replid: String(history) }),
    });
    return {
      ledger,
      advance: (ms) => {
        now += ms;
      },
      async lose() {
        history += 1;
        await server.command('FLUSHALL');
      },
      async close() {
        expect(await refusals(server)).toBe('');
        await ledger.close();
        await server.stop();
      },
    };
  });

  test('is all that two sidecars need to converge, and is refused nothing', async () => {
    const server = await startRedis({ users: usersWith() });
    const environment = {
      LEASEHOLD_LEDGER_URL: `redis://${USER}:${PASSWORD}@${server.host}:${server.port}`,
    };
    const configuration = 'namespaces: { default: { mirror: all } }\nledger: { beatMs: 500, pullMs: 100 }';
    const [one, two] = await Promise.all(
      ['one', 'two'].map((name) =>
        start({ dataDirectory: scratchDirectory(), configuration, environment: { ...environment, LEASEHOLD_NAME: name } }),
      ),
    );
    const at = (sidecar: { readonly url: string } | undefined) => `${sidecar!.url}/v1/entries/default/k`;
    await fetch(`${at(one)}?ttlMs=60000`, { method: 'PUT', body: 'told' });
    await until('the other has it', async () => (await (await fetch(at(two))).text()) === 'told');
    await fetch(at(one), { method: 'DELETE' });
    await until('it is gone there', async () => (await fetch(at(two))).status === 404);
    const round = await fetch(`${one!.url}/v1/reconcile`, { method: 'POST' });
    expect(round.status).toBe(200);
    expect(await refusals(server)).toBe('');
  });

  test('needs what the manual adds where a replica has to confirm', async () => {
    const more = added('ledgerAck: replicated');
    const [enough, little] = await Promise.all([startRedis({ users: usersWith(more) }), startRedis({ users: usersWith() })]);
    const push = async (server: RedisServer) => {
      const { ledger, ask } = worldOn({ ...singleAddress(server), ...AS_USER }, { timeoutMs: 300 });
      const { caller, terms, at } = ask();
      const records = [pushed([lasting(A, 1)])];
      return ledger.push(at, { caller, terms, records, batch: 1, version: 2, rejoining: false }, 'replicated');
    };
    // There is no replica, which is found out only by who may ask for one.
    await expect(push(enough)).rejects.toMatchObject({ fault: 'timeout' });
    await expect(push(little)).rejects.toMatchObject({ fault: 'misconfigured' });
    expect(await refusals(enough)).toBe('');
  });

  test('needs what the manual adds in a cluster', async () => {
    const cluster = await startCluster(3, 0, { users: usersWith(added('Redis Cluster')) });
    const { ask } = worldOn({ ...clusterAddress(cluster), ...AS_USER });
    expect(await ask().push([lasting(A, 1)])).toEqual({ code: 'applied' });
    for (const node of cluster.nodes) expect(await refusals(node)).toBe('');
    for (const permission of added('Redis Cluster').split(' ')) {
      for (const node of cluster.nodes) await node.command('ACL', 'SETUSER', USER, permission.replace('+', '-'));
      const less = worldOn({ ...clusterAddress(cluster), ...AS_USER }, { timeoutMs: 500 });
      expect(await faultOf(less.ask().pull())).toBeDefined();
      for (const node of cluster.nodes) await node.command('ACL', 'SETUSER', USER, permission);
    }
  });

  test('is all that is needed behind Sentinel', async () => {
    // Sentinels and replicas sign in as the default user.
    const sentinel = await startSentinel({ users: { [USER]: RULES }, sentinels: 1 });
    const { ask } = worldOn({
      kind: 'sentinel', tls: false, name: sentinel.name, ...AS_USER,
      sentinels: sentinel.sentinelPorts.map((port) => ({ host: '127.0.0.1', port })),
    });
    expect(await answered(() => ask().push([lasting(A, 1)]))).toEqual({ code: 'applied' });
    for (const server of sentinel.servers) expect(await refusals(server)).toBe('');
    await sentinel.close();
  });
});
