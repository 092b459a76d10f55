/** Plain commands to the same servers, to look behind the adapter's back. */
import { Cluster, Redis } from 'ioredis';
import type { RedisAddress } from '../../../src/ledger/redis/options.ts';
import type { RawCommand } from './twins.ts';

export function rawOn(address: RedisAddress): { readonly command: RawCommand; close(): void } {
  const client = clientOf(address);
  return {
    command: (name, ...args) =>
      client.callBuffer(name, args as (string | Buffer)[]) as Promise<unknown>,
    close: () => client.disconnect(),
  };
}

function clientOf(address: RedisAddress): Redis | Cluster {
  switch (address.kind) {
    case 'cluster':
      return new Cluster(address.nodes.map(({ host, port }) => ({ host, port })), {
        redisOptions: { protocol: 2 },
      });
    case 'single':
      return new Redis({ ...address.host, protocol: 2 });
    case 'sentinel':
      throw new Error('No test needs this');
  }
}
