/**
 * Several sidecars on one real Redis, each a process of its own with its own journal: what shared
 * traffic is sent to.
 */
import { type RedisServer, startRedis } from '../../../test/servers/redis.ts';
import { type SidecarProcess, startSidecar } from '../sidecar-process.ts';

export interface FleetOptions {
  readonly size: number;
  /** The YAML file of each of them. */
  readonly configuration: string;
  readonly memoryLimitMb: number;
}

export interface Fleet {
  readonly redis: RedisServer;
  readonly sidecars: readonly Pick<SidecarProcess, 'url'>[];
  /** Which of them is no longer there, and why; undefined while all run. */
  exit(): string | undefined;
  /** The end of what they wrote on stderr. */
  log(): string;
  stop(): Promise<void>;
}

/** @throws Error when Redis or a sidecar cannot be started */
export async function startFleet({ size, configuration, memoryLimitMb }: FleetOptions): Promise<Fleet> {
  const redis = await startRedis();
  const started = await Promise.allSettled(
    Array.from({ length: size }, (_, index) =>
      startSidecar({ configuration, memoryLimitMb, ledgerUrl: redis.url, name: `s${index}` }),
    ),
  );
  const sidecars = started.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const stop = async (): Promise<void> => {
    await Promise.all(sidecars.map((sidecar) => sidecar.stop()));
    await redis.stop();
  };
  const failed = started.find((each) => each.status === 'rejected');
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  return {
    redis,
    sidecars,
    exit: () => {
      const index = sidecars.findIndex((sidecar) => sidecar.exit() !== undefined);
      return index < 0 ? undefined : `${index} ${sidecars[index]!.exit()}`;
    },
    log: () =>
      sidecars
        .map((sidecar, index) => ({ index, text: sidecar.log() }))
        .filter(({ text }) => text !== '')
        .map(({ index, text }) => `sidecar ${index}:\n${text}`)
        .join('\n'),
    stop,
  };
}
