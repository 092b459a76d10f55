/** What the adapter must be told. It parses nothing: URLs and files are the configuration's. */

export interface RedisHost {
  readonly host: string;
  readonly port: number;
}

interface Credentials {
  readonly tls: boolean;
  readonly username?: string;
  readonly password?: string;
}

/** Where it is, and by which of the three ways it is found. */
export type RedisAddress = Credentials &
  (
    | { readonly kind: 'single'; readonly host: RedisHost; readonly database: number }
    | { readonly kind: 'sentinel'; readonly sentinels: readonly RedisHost[]; readonly name: string }
    | { readonly kind: 'cluster'; readonly nodes: readonly RedisHost[] }
  );

/** Certificates and keys in PEM: the texts, not their paths. */
export interface RedisTls {
  /** Who may have signed the server's certificate; absent: whom Node trusts. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** The name its certificate must bear; absent: the host. */
  readonly serverName?: string;
}

export interface RedisConnectionOptions {
  readonly address: RedisAddress;
  /** Asked for at each connect, so that it can be rotated; wins over the one in `address`. */
  readonly password?: () => string;
  /** Asked for at each connect too: authorities and certificates are renewed. */
  readonly tls?: () => RedisTls;
  /** How long one command may take. */
  readonly timeoutMs: number;
  /** Shown by `CLIENT LIST`. */
  readonly connectionName?: string;
}

export interface RedisLedgerOptions extends RedisConnectionOptions {
  /** What every key begins with. */
  readonly keyPrefix: string;
  /**
   * Replaces the server's clock and replication id in every operation. Only for comparisons with
   * the specification, which must be told the same.
   */
  readonly instant?: () => { readonly now: number; readonly replid: string };
}
