/** The effective configuration: whole, within its bounds, frozen. */
import type { CoreLimits, NamespaceContract } from '../core/contract.ts';
import type { ListenAddress } from './listen.ts';
import type { PUBLISHABLE } from './namespace-options.ts';

export type Publishable = (typeof PUBLISHABLE)[number];

export interface NamespaceConfig extends NamespaceContract {
  readonly owner: string;
  readonly ledgerAck: 'applied';
  readonly mirror: 'none';
  readonly autonomyMs: number;
  readonly events: {
    /** Endings are told whatever stands here. */
    readonly publish: 'all' | readonly Publishable[];
    readonly values: 'none' | 'hash' | 'full';
  };
}

/** What one process may hold; `leases`, `entries` and `bytes` are the pools all namespaces share. */
export interface Limits extends CoreLimits {
  readonly keyBytes: number;
  readonly bodyBytes: number;
  readonly inFlightBodyBytes: number;
  readonly headerBytes: number;
  readonly connections: number;
  readonly requestsInFlight: {
    readonly renew: number;
    readonly read: number;
    readonly put: number;
    readonly grant: number;
    readonly list: number;
  };
  readonly batchOperations: number;
  readonly renewIds: number;
  readonly watchers: number;
  readonly idempotency: {
    readonly entries: number;
    readonly bytes: number;
    readonly ttlMs: number;
  };
  readonly feed: { readonly facts: number; readonly bytes: number; readonly ageMs: number };
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

export interface Config {
  readonly listen: readonly ListenAddress[];
  readonly name: string;
  readonly dataDir: string;
  readonly memoryLimitBytes: number;
  readonly drainMs: number;
  readonly logLevel: LogLevel;
  readonly autoCreateNamespaces: boolean;
  /** `default` is always among them. */
  readonly namespaces: readonly NamespaceConfig[];
  readonly limits: Limits;
  readonly journal: {
    readonly segmentBytes: number;
    readonly reserveBytes: number;
    readonly snapshotAfterBytes: number;
    readonly onCorruption: 'refuse' | 'truncate';
  };
  readonly http: {
    readonly requestTimeoutMs: number;
    readonly headersTimeoutMs: number;
    readonly keepAliveMs: number;
    /** Host names taken beside the loopback ones. */
    readonly hosts: readonly string[];
  };
}
