/** The ledger in Redis against the suite that every ledger passes: one server, and a cluster. */
import { afterAll, describe } from 'vitest';
import { RedisLedger } from '../../src/ledger/redis/redis-ledger.ts';
import { stopServers } from '../servers/child.ts';
import { startCluster } from '../servers/redis-cluster.ts';
import { type RedisServer, startRedis } from '../servers/redis.ts';
import { describeLedger, type LedgerWorld } from './conformance.ts';
import { START } from './fixtures.ts';
import { clusterAddress, singleAddress } from './redis-addresses.ts';

function worldOf(
  servers: readonly RedisServer[], address: ReturnType<typeof singleAddress>,
): LedgerWorld {
  let now = START;
  let history = 1;
  const instant = () => ({ now, replid: String(history) });
  const ledger = new RedisLedger({ address, keyPrefix: 'lh:', timeoutMs: 5_000, instant });
  return {
    ledger,
    advance: (ms) => {
      now += ms;
    },
    async lose() {
      history += 1;
      for (const server of servers) await server.command('FLUSHALL');
    },
    async close() {
      await ledger.close();
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

describe('the ledger in Redis', () => {
  afterAll(stopServers);

  describeLedger('on one server', async () => {
    const server = await startRedis();
    return worldOf([server], singleAddress(server));
  });

  describeLedger('on a cluster of three masters', async () => {
    const cluster = await startCluster(3);
    return worldOf(cluster.nodes, clusterAddress(cluster));
  });
});
