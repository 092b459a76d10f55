/**
 * The scripts against the specification, by chance: bounded here, and as long as one likes with
 * `node test/ledger/differential-soak.ts --operations 200000`.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { stopServers } from '../servers/child.ts';
import { startCluster } from '../servers/redis-cluster.ts';
import { startRedis } from '../servers/redis.ts';
import { compareTwins, EXPECTED_ANSWERS } from './differential/campaign.ts';
import { rawOn } from './differential/raw.ts';
import { clusterAddress, singleAddress } from './redis-addresses.ts';

/** Fixed, so that what fails here fails everywhere; the soak takes others. */
const SEED = 20_260_101;

describe('the scripts agree with the specification', () => {
  afterAll(stopServers);

  test('on one server', async () => {
    const server = await startRedis();
    const address = singleAddress(server);
    const raw = rawOn(address);
    const seen = await compareTwins({ address, raw: raw.command, steps: 5_000, seed: SEED });
    raw.close();
    expect(EXPECTED_ANSWERS.filter((answer) => !seen.has(answer))).toEqual([]);
    await server.stop();
  });

  test('on a cluster', async () => {
    const cluster = await startCluster(3);
    const address = clusterAddress(cluster);
    const raw = rawOn(address);
    await compareTwins({ address, raw: raw.command, steps: 1_500, seed: SEED + 1_000 });
    raw.close();
    await cluster.close();
  });
});
