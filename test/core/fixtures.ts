/**
 * Contracts and options for tests of the core: small bounds, so that limits are met.
 */
import type { CoreLimits, CoreOptions, NamespaceContract } from '../../src/core/contract.ts';

/** A fractional instant, as the timeline's are. */
export const START = 1_790_000_000_000.375;

export function contractOf(name: string, more: Partial<NamespaceContract> = {}): NamespaceContract {
  return {
    name,
    class: 'shared',
    ttl: { defaultMs: 3000, minMs: 100, maxMs: 60_000, maxLifetimeMs: 120_000 },
    sliding: false,
    onExpire: 'delete',
    onDrain: 'keep',
    durability: 'journal',
    conflict: 'lww',
    mirror: 'none',
    autonomyMs: 60_000,
    capacity: { leases: 1000, entries: 1000, bytes: 1 << 20, eviction: 'refuse' },
    events: { values: 'full' },
    sensitive: false,
    ...more,
  };
}

const LIMITS: CoreLimits = {
  namespaces: 16,
  leases: 3000,
  entries: 3000,
  bytes: 1 << 22,
  valueBytes: 64,
  siblings: 3,
  copies: 0,
  copyBytes: 0,
  tombstones: 0,
  pageItems: 50,
  endedMemory: { entries: 60, ttlMs: 600_000 },
};

export function optionsWith(namespaces: readonly NamespaceContract[]): CoreOptions {
  return {
    actor: 'aaaaaaaaaaaaaaa1',
    hashSeed: 7,
    autoCreateNamespaces: true,
    limits: LIMITS,
    namespaces,
  };
}
