/**
 * What the core must know of a namespace and of the whole process. Loaded, bounded and frozen by
 * `config/`; the core only obeys.
 */

export type Durability = 'memory' | 'journal' | 'fsync' | 'ledger';
export type ConflictPolicy = 'lww' | 'siblings' | 'ownerWins' | 'firstWins' | 'counter';
export type EvictionPolicy = 'refuse' | 'soonestDeadline' | 'leastRecentlyUsed';

export interface NamespaceContract {
  readonly name: string;
  readonly class: 'shared' | 'local';
  readonly ttl: {
    readonly defaultMs: number;
    readonly minMs: number;
    readonly maxMs: number;
    readonly maxLifetimeMs: number;
    /** Factor by which TTLs nobody asked for grow under pressure; absent or 1: not at all. */
    readonly stretchUnderPressure?: number;
  };
  /** Reads extend implicit leases, at most once per ttl/8. */
  readonly sliding: boolean;
  readonly onExpire: 'delete' | 'revert';
  readonly onDrain: 'keep' | 'handover' | 'release';
  readonly durability: Durability;
  readonly conflict: ConflictPolicy;
  /** `all`: copies of everything the ledger holds are kept here, by following its change log. */
  readonly mirror: 'none' | 'all';
  /** The longest its leases are renewed without contact to the ledger. */
  readonly autonomyMs: number;
  readonly capacity: {
    readonly leases: number;
    readonly entries: number;
    /** Bytes of keys, content types and values together. */
    readonly bytes: number;
    readonly eviction: EvictionPolicy;
  };
  readonly events: {
    readonly values: 'none' | 'hash' | 'full';
    /** Which events the bus is told, as noun.verb; endings always. Absent: all. */
    readonly publish?: 'all' | readonly string[];
  };
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
  /** Copies of other sidecars' values, and the bytes of keys and values in them. */
  readonly copies: number;
  readonly copyBytes: number;
  /** Remains of what has ended, kept until the ledger knows. */
  readonly tombstones: number;
  readonly pageItems: number;
  /** Room for the endings that the bus must be told; absent: there is no bus. */
  readonly outbox?: { readonly endings: number; readonly endingBytes: number };
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
  /** How the ledger places keys; absent: nothing reconciles, and nothing is kept for it. */
  readonly ledger?: { readonly partitions: number; readonly buckets: number };
  /** How far ahead of this clock a writer's context may be: the next write must pass it. */
  readonly contextAheadMs?: number;
}
