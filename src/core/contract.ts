/**
 * What the core must know of a namespace and of the whole process. Loaded, bounded and frozen by
 * `config/`; the core only obeys.
 */

export type Durability = 'memory' | 'journal' | 'fsync';
export type ConflictPolicy = 'lww' | 'siblings' | 'ownerWins' | 'counter';
export type EvictionPolicy = 'refuse' | 'soonestDeadline' | 'leastRecentlyUsed';

export interface NamespaceContract {
  readonly name: string;
  readonly class: 'shared' | 'local';
  readonly ttl: {
    readonly defaultMs: number;
    readonly minMs: number;
    readonly maxMs: number;
    readonly maxLifetimeMs: number;
  };
  /** Reads extend implicit leases, at most once per ttl/8. */
  readonly sliding: boolean;
  readonly onExpire: 'delete' | 'revert';
  readonly onDrain: 'keep' | 'handover' | 'release';
  readonly durability: Durability;
  readonly conflict: ConflictPolicy;
  readonly capacity: {
    readonly leases: number;
    readonly entries: number;
    /** Bytes of keys, content types and values together. */
    readonly bytes: number;
    readonly eviction: EvictionPolicy;
  };
  readonly events: { readonly values: 'none' | 'hash' | 'full' };
  readonly sensitive: boolean;
}

/** Bounds of the whole process; every table is sized from these once, at start. */
export interface CoreLimits {
  readonly namespaces: number;
  readonly leases: number;
  readonly entries: number;
  readonly bytes: number;
  readonly valueBytes: number;
  readonly siblings: number;
  readonly pageItems: number;
  readonly endedMemory: { readonly entries: number; readonly ttlMs: number };
}

export interface CoreOptions {
  /** This run's identity: 16 lower-case hexadecimal digits, random at every start, never reused. */
  readonly actor: string;
  /** Seeds the key hash, so that nobody outside can aim at one bucket. */
  readonly hashSeed: number;
  readonly namespaces: readonly NamespaceContract[];
  /** Unknown namespaces come into being as copies of `default`. */
  readonly autoCreateNamespaces: boolean;
  readonly limits: CoreLimits;
}
