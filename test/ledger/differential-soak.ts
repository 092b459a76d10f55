/**
 * The comparison of `redis-differential.test.ts`, for as long as one likes, on one server and on a
 * cluster of three masters:
 * `node test/ledger/differential-soak.ts --operations 200000 [--seed 1] [--only single|cluster]`.
 */
import { parseArgs } from 'node:util';
import { stopServers } from '../servers/child.ts';
import { startCluster } from '../servers/redis-cluster.ts';
import { startRedis } from '../servers/redis.ts';
import type { RedisAddress } from '../../src/ledger/redis/options.ts';
import { compareTwins, EXPECTED_ANSWERS } from './differential/campaign.ts';
import { rawOn } from './differential/raw.ts';
import { clusterAddress, singleAddress } from './redis-addresses.ts';

const { values } = parseArgs({
  options: {
    operations: { type: 'string', default: '200000' },
    seed: { type: 'string' },
    only: { type: 'string' },
  },
});
const operations = Number(values.operations);
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);

async function soak(name: string, address: RedisAddress): Promise<void> {
  const startedAt = performance.now();
  const raw = rawOn(address);
  try {
    const seen = await compareTwins({
      address, raw: raw.command, steps: operations, seed,
      onProgress: (done) => process.stderr.write(`\r${name}: ${done} operations`),
    });
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    const counts = [...seen].sort().map(([what, times]) => `${what} ${times}`).join(', ');
    const missing = EXPECTED_ANSWERS.filter((answer) => !seen.has(answer));
    process.stderr.write('\r');
    const how = `${operations} operations in ${seconds} s, seed ${seed}`;
    process.stdout.write(`${name}: ${how}, no difference\n  ${counts}\n`);
    if (missing.length > 0) process.stdout.write(`  never met: ${missing.join(', ')}\n`);
  } finally {
    raw.close();
  }
}

try {
  if (values.only !== 'cluster') await soak('one server', singleAddress(await startRedis()));
  if (values.only !== 'single') {
    await soak('cluster of three masters', clusterAddress(await startCluster(3)));
  }
} catch (error) {
  process.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  await stopServers();
}
