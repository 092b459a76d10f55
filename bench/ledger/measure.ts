/**
 * What something costs between this process and a Redis: wall time, and processor time of both,
 * each on a processor of its own where there are two and `taskset` is there.
 */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { type RedisServer, startRedis } from '../../test/servers/redis.ts';

const REDIS_PROCESSOR = 0;
const OWN_PROCESSOR = 1;

/** Per record, in microseconds. */
export interface Cost {
  readonly wallUs: number;
  readonly redisUs: number;
  readonly clientUs: number;
}

/** A Redis of this process's own; pinned away from it. */
export async function startPinnedRedis(): Promise<RedisServer> {
  const redis = await startRedis();
  pinAgain(redis);
  return redis;
}

/** After a restart, which is another process. */
export function pinAgain(redis: RedisServer): void {
  if (availableParallelism() < 2) return;
  pin(redis.pid, REDIS_PROCESSOR);
  pin(process.pid, OWN_PROCESSOR);
}

/** With all its threads; without `taskset` they stay where they are. */
function pin(pid: number, processor: number): void {
  spawnSync('taskset', ['-a', '-c', '-p', String(processor), String(pid)]);
}

/** Does `work`, which is about so many records. */
export async function costOf(
  redis: RedisServer,
  records: number,
  work: () => Promise<void> | void,
): Promise<Cost> {
  const redisBefore = await processorUs(redis);
  const clientBefore = process.cpuUsage();
  const startedAt = performance.now();
  await work();
  const wallMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(clientBefore);
  const redisAfter = await processorUs(redis);
  return {
    wallUs: (wallMs * 1_000) / records,
    redisUs: (redisAfter - redisBefore) / records,
    clientUs: (user + system) / records,
  };
}

/** Processor time that Redis has used so far, by its own account. */
async function processorUs(redis: RedisServer): Promise<number> {
  const info = String(await redis.command('INFO', 'cpu'));
  const seconds = (name: string): number => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1]);
  return (seconds('used_cpu_sys') + seconds('used_cpu_user')) * 1_000_000;
}

/** Live bytes of everything in it. */
export async function memoryBytes(redis: RedisServer): Promise<number> {
  const info = String(await redis.command('INFO', 'memory'));
  return Number(/^used_memory:(\d+)/m.exec(info)?.[1]);
}
