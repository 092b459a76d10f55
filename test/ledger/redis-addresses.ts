/** Where the tests' own servers are, as the adapter wants to be told. */
import type { RedisAddress } from '../../src/ledger/redis/options.ts';

interface Listening {
  readonly host: string;
  readonly port: number;
}

export function singleAddress({ host, port }: Listening): RedisAddress {
  return { kind: 'single', tls: false, host: { host, port }, database: 0 };
}

export function clusterAddress({ nodes }: { readonly nodes: readonly Listening[] }): RedisAddress {
  return { kind: 'cluster', tls: false, nodes: nodes.map(({ host, port }) => ({ host, port })) };
}
