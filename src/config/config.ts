/** The effective configuration: whole, within its bounds, frozen. */
import type { CoreLimits, NamespaceContract } from '../core/contract.ts';
import type { TelemetrySettings } from '../telemetry/settings.ts';
import type { Flags } from './flags.ts';
import type { ListenAddress } from './listen.ts';
import type { PUBLISHABLE } from './namespace-options.ts';

export type Publishable = (typeof PUBLISHABLE)[number];

export interface NamespaceConfig extends NamespaceContract {
  readonly owner: string;
  /** How far a write has got in the ledger before it counts, for durability ledger. */
  readonly ledgerAck: 'applied' | 'replicated' | 'fsynced';
  /** How fast it may be filled; absent: as fast as may be. */
  readonly quota?: NamespaceQuota;
  /** Where missing entries are rebuilt; absent: nowhere. */
  readonly reconstitute?: ReconstituteConfig;
  readonly events: {
    /** Endings are told whatever stands here. */
    readonly publish: 'all' | readonly Publishable[];
    readonly values: 'none' | 'hash' | 'full';
  };
}

/** A neighbour that can rebuild an entry nobody holds any more. */
export interface ReconstituteConfig {
  /** `http:` or `https:`, without credentials, query and fragment. */
  readonly url: string;
  readonly timeoutMs: number;
  /** Of what was rebuilt; absent: the default of the namespace. */
  readonly ttlMs?: number;
  /** Rebuilt at once, per namespace. */
  readonly concurrency: number;
  /** Whether the URL may lead beyond loopback. */
  readonly allowRemote: boolean;
}

/** The central ledger and how it is talked to. Sidecars of one ledger agree on the marked ones. */
export interface LedgerConfig {
  /** May hold a password: never shown but through `maskedUrl`. `parseLedgerUrl` takes it apart. */
  readonly url: string;
  /** Read with `readSecret` at each connect, so a rotated one is found. Excludes one in `url`. */
  readonly passwordFile?: string;
  /** Paths, all absolute or relative to the working directory; for `rediss` only. */
  readonly tls: {
    readonly caFile?: string;
    readonly certFile?: string;
    readonly keyFile?: string;
    readonly serverName?: string;
  };
  /** Same everywhere. */
  readonly partitions: number;
  /** Same everywhere. */
  readonly buckets: number;
  /** Same everywhere. */
  readonly keyPrefix: string;
  readonly beatMs: number;
  readonly pullMs: number;
  readonly truthCheckMs: number;
  readonly sweepMs: number;
  /** Of one request. */
  readonly timeoutMs: number;
  /** The longest a read waits for the ledger. */
  readonly readThroughMs: number;
  /** The longest a write of durability ledger waits for its acknowledgement. */
  readonly ackMs: number;
  /** W: how long what the ledger acknowledged is kept here all the same. */
  readonly windowMs: number;
  /** ε. Same everywhere. */
  readonly slackMs: number;
  /** σ. Same everywhere. */
  readonly stepMs: number;
  /** ρ. Same everywhere. */
  readonly driftRatio: number;
  /** Same everywhere. */
  readonly maxSkewMs: number;
  /** Per partition. Same everywhere. */
  readonly logEntries: number;
  readonly requestsInFlight: number;
  readonly readThroughs: number;
  readonly waiters: number;
}

/** The bus and how events get there. */
export interface BusConfig {
  /** May hold a password: never shown but through `maskedBusUrl`. `parseBusUrl` takes it apart. */
  readonly url: string;
  readonly mode: 'jetstream' | 'core';
  readonly encoding: 'structured' | 'binary';
  /** Of the user in `url`. Read with `readSecret` at each connect, as are the next three. */
  readonly passwordFile?: string;
  readonly tokenFile?: string;
  /** Whole, not its first line. */
  readonly credentialsFile?: string;
  readonly nkeyFile?: string;
  /** Paths, all absolute or relative to the working directory; for the scheme `tls` only. */
  readonly tls: {
    readonly caFile?: string;
    readonly certFile?: string;
    readonly keyFile?: string;
    readonly serverName?: string;
  };
  /** Of each stream. */
  readonly replicas: number;
  readonly endings: StreamBounds;
  readonly events: StreamBounds;
  /** The largest message the servers take. */
  readonly payloadBytes: number;
  /** Published and not acknowledged, for each stream. */
  readonly window: number;
  readonly ackMs: number;
  /** Of one attempt. */
  readonly connectMs: number;
  /** How often the streams are looked at. */
  readonly checkMs: number;
  /** How long acknowledged endings are kept. */
  readonly keptMs: number;
  /** The longest pause between attempts. */
  readonly retryCapMs: number;
}

/** What a stream is created with. */
export interface StreamBounds {
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  readonly duplicateWindowMs: number;
}

/** From when on who is refused. Fills are shares of a bound: 1 is full. */
export interface AdmissionConfig {
  readonly elevatedFill: number;
  readonly highFill: number;
  readonly criticalFill: number;
  /** A level is left when the fill is this far below its threshold. */
  readonly hysteresis: number;
  readonly memoryHighFill: number;
  readonly memoryCriticalFill: number;
  /** How long requests may wait for the event loop. */
  readonly queueMs: number;
  /** How long the fill must stay below before a level is left. */
  readonly settleMs: number;
  /** The longest a refusal is held back; 0: never. */
  readonly holdMs: number;
  /** Refusals held back at once. */
  readonly heldRefusals: number;
}

/** Of one namespace, over all callers. At least one rate is there. */
export interface NamespaceQuota {
  readonly grantsPerS?: number;
  readonly putsPerS?: number;
  /** Of each rate that is there. */
  readonly burst: number;
}

/** Of one caller, over all namespaces. */
export interface CallerQuota {
  readonly requestsPerS: number;
  readonly burst: number;
  /** Callers counted at once. */
  readonly callers: number;
}

/** What may wait for the bus. */
export interface OutboxLimits {
  /** Endings reserved by what lives, and those not acknowledged, together. */
  readonly endings: number;
  readonly endingBytes: number;
  /** Other events not acknowledged. */
  readonly events: number;
  readonly eventBytes: number;
  /** Acknowledged endings that are kept. */
  readonly keptBytes: number;
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
  /** Absent without a bus. */
  readonly outbox?: OutboxLimits;
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

export interface Config {
  readonly listen: readonly ListenAddress[];
  /** Bearer tokens; absent: none is asked for. Read by `readTokens`, again when it changes. */
  readonly tokensFile?: string;
  readonly name: string;
  readonly dataDir: string;
  readonly memoryLimitBytes: number;
  readonly drainMs: number;
  readonly logLevel: LogLevel;
  readonly autoCreateNamespaces: boolean;
  /** `default` is always among them. */
  readonly namespaces: readonly NamespaceConfig[];
  readonly limits: Limits;
  /** Absent: the embedded one, which nobody shares, so nothing reconciles. */
  readonly ledger?: LedgerConfig;
  /** Absent: nothing is published, and events are told to watchers only. */
  readonly bus?: BusConfig;
  readonly admission: AdmissionConfig;
  /** What the standard variables of OpenTelemetry say; absent: it is off. */
  readonly telemetry?: TelemetrySettings;
  /** Absent: callers are not limited. */
  readonly callerQuota?: CallerQuota;
  /** As they were at start; what they are now is asked of `LiveFlags`. */
  readonly flags: Flags;
  readonly journal: {
    readonly segmentBytes: number;
    readonly reserveBytes: number;
    readonly snapshotAfterBytes: number;
    readonly selfCheck: {
      /** 0: never. */
      readonly intervalMs: number;
      readonly readPerSecondBytes: number;
      /** Leases and entries compared at once. */
      readonly rows: number;
    };
    readonly onCorruption: 'refuse' | 'truncate';
  };
  readonly http: {
    readonly requestTimeoutMs: number;
    readonly headersTimeoutMs: number;
    readonly keepAliveMs: number;
    /** Host names taken beside the loopback ones. */
    readonly hosts: readonly string[];
    /** Of the files of Unix sockets: four octal digits. */
    readonly socketMode: string;
  };
}
