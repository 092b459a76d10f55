/** What the adapter must be told. It parses no URLs; they are the configuration's. */
import type { Log } from '../../log/log.ts';

/** Bounds of a stream, as it is created. */
export interface StreamLimits {
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  /** How long the bus recognises a repeated id. */
  readonly duplicateWindowMs: number;
}

/** Files in PEM, read again at each connect. */
export interface NatsTls {
  /** Who may have signed the server's certificate; absent: whom Node trusts. */
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  /** The name its certificate must bear; absent: the host. */
  readonly serverName?: string;
}

/** How it says who it is. Files are read again at each connect, so that they can be rotated. */
export interface NatsIdentity {
  readonly user?: string;
  readonly password?: string;
  /** Wins over `password`. */
  readonly passwordFile?: string;
  readonly tokenFile?: string;
  /** A JWT and the seed of its key, as `nsc` writes them. */
  readonly credentialsFile?: string;
  /** The seed of a key. */
  readonly nkeyFile?: string;
}

export interface NatsBusOptions extends NatsIdentity {
  /** `host:port`, one or more: tried in an order that differs from sidecar to sidecar. */
  readonly servers: readonly string[];
  /** `true`: with whom Node trusts; `false`: not even where the server offers it. */
  readonly tls: boolean | NatsTls;
  /** Shown by the server's list of connections. */
  readonly name: string;
  readonly mode: 'jetstream' | 'core';
  /** The largest message that is ever sent. */
  readonly payloadBytes: number;
  /** Copies of each stream that is created. */
  readonly replicas: number;
  readonly endings: StreamLimits;
  readonly events: StreamLimits;
  /** How long an acknowledgement, or any other answer, is waited for. */
  readonly ackMs: number;
  /** How long one attempt to connect to one server may take. */
  readonly connectMs: number;
}

/** What the adapter needs of a log. */
export type BusLog = Pick<Log, 'debug' | 'info' | 'warn'>;
