/** A world of sidecars that know each other and whose `default` namespace is silent after five seconds. */
import type { NamespaceContract } from '../../src/core/contract.ts';
import { contractOf } from '../core/fixtures.ts';
import { type Sidecar, World } from './world.ts';

const TTL = { defaultMs: 60_000, minMs: 100, maxMs: 120_000, maxLifetimeMs: 600_000 };

export async function worldOf(names: readonly string[], more: Partial<NamespaceContract> = {}) {
  const world = new World();
  const contracts = [contractOf('default', { ttl: TTL, autonomyMs: 5000, ...more })];
  const sidecars = names.map((name) => world.add(name, { contracts }));
  await world.pass(100);
  return { world, sidecars: sidecars as [Sidecar, Sidecar, ...Sidecar[]] };
}
