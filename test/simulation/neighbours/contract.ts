/** What clients must know of a namespace to use it well. */
import type { NamespaceContract } from '../../../src/core/contract.ts';
import type { Chance } from '../kernel/chance.ts';

export interface Contract {
  readonly name: string;
  readonly durability: NamespaceContract['durability'];
  readonly conflict: NamespaceContract['conflict'];
  readonly ttl: { readonly minMs: number; readonly maxMs: number };
}

const TTL_MS = { least: 500, most: 60_000 };

/** Short ones as often as long ones. */
export function someTtlMs(chance: Chance, { ttl }: Contract, mostMs = TTL_MS.most): number {
  const ttlMs = TTL_MS.least * (mostMs / TTL_MS.least) ** chance.fraction();
  return Math.round(Math.min(ttl.maxMs, Math.max(ttl.minMs, ttlMs)));
}

/** Where values are put and read as they are; counters take increments only. */
export function takesValues({ conflict }: Contract): boolean {
  return conflict !== 'counter';
}

/** Where one key may show several values. */
export function keepsSiblings({ conflict }: Contract): boolean {
  return conflict === 'siblings';
}

/** Where two who count at once are both counted; else the last of them is, across sidecars. */
export function addsUp({ conflict }: Contract): boolean {
  return conflict === 'counter';
}

/** Where what was acknowledged outlives the host. */
export function outlivesHosts({ durability }: Contract): boolean {
  return durability === 'fsync' || durability === 'ledger';
}

/** Where nothing need outlive the process. */
export function isInMemory({ durability }: Contract): boolean {
  return durability === 'memory';
}
