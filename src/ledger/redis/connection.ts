/**
 * The way to Redis: one server, a master that sentinels know, or the masters of a cluster, over one
 * connection each. Nothing is queued for a connection that is down: a command fails at once, and
 * the client goes on trying to connect with a jittered, capped delay. A command that is not
 * answered in time is given up here; the connection behind it is dropped when nothing at all comes
 * from it any more, so that a half-open one cannot last.
 *
 * `WAIT` holds up everything behind it on its connection, so pushes that need one go over a second
 * client, made when the first of them comes.
 */
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { ConnectionOptions } from 'node:tls';
import { LedgerError } from '../ledger.ts';
import { faultOf, isRefusal } from './faults.ts';
import type { RedisConnectionOptions, RedisTls } from './options.ts';
import { Traffic } from './traffic.ts';

/** Reconnecting: full jitter between these and twice the last, up to the cap. */
const RETRY_MIN_MS = 20;
const RETRY_BASE_MS = 50;
const RETRY_CAP_MS = 5_000;
/** A server that turned read-only is left for the one that took over, this often at most. */
const LEAVE_READ_ONLY_MS = 1_000;
/** Moves of a slot that one command follows; a cluster in order needs one. */
const REDIRECTIONS_MAX = 5;
/** While a cluster fails over, a command is tried again this often. */
const FAILOVER_RETRY_MS = 100;
const SLOTS_REFRESH_MS = 5_000;

/** One of these ends the first attempt; sentinels that cannot be reached bring an error only. */
const OPENED_BY = ['ready', 'close', 'end', 'error'] as const;

export type Argument = string | number | Buffer;
type Client = Redis | Cluster;
type Options = RedisOptions & { replyMapping: 'legacy' };

export class RedisConnection {
  readonly traffic = new Traffic();
  readonly #options: RedisConnectionOptions;
  readonly #client: Client;
  readonly #opened: Promise<void>;
  #isOpening = true;
  #lastComplaint: Error | undefined;
  /** The database could not be selected: the client goes on all the same, in another one. */
  #misplaced: Error | undefined;
  #leftReadOnlyAtMs = -Infinity;
  #closed = false;

  /** Connects at once, in the background. */
  constructor(options: RedisConnectionOptions) {
    this.#options = options;
    const client = options.address.kind === 'cluster' ? this.#cluster() : this.#single();
    this.#client = client;
    this.#opened = new Promise((resolve) => {
      const opened = (): void => {
        this.#isOpening = false;
        for (const event of OPENED_BY) client.off(event, opened);
        resolve();
      };
      for (const event of OPENED_BY) client.on(event, opened);
    });
    client.on('ready', () => {
      this.#lastComplaint = undefined;
    });
    client.on('close', () => {
      this.#misplaced = undefined;
    });
    client.on('error', (error: Error) => this.#complain(error));
    if (client instanceof Cluster) {
      client.on('node error', (error: Error) => this.#complain(error));
      client.on('+node', (node: Redis) => this.#watch(node));
    } else {
      this.#watch(client);
    }
    client.connect().catch((error: Error) => {
      // Says only that it failed; why was told before.
      if (this.#lastComplaint === undefined) this.#complain(error);
    });
  }

  /**
   * One command, its reply in Buffers. In a cluster it goes to the master of its first key.
   *
   * @throws LedgerError
   */
  async call(command: string, args: readonly Argument[]): Promise<unknown> {
    if (this.#isOpening) await this.#inTime(this.#opened, command);
    this.#mustBeInPlace();
    const reply = this.#client.callBuffer(command, args as Argument[]) as Promise<unknown>;
    return this.#inTime(reply, command);
  }

  /**
   * The master that serves `key` at this moment, or undefined when none is known. For commands that
   * must follow one another on one connection.
   *
   * @throws LedgerError when there was no connection so far and none came in time
   */
  async masterOf(slot: number): Promise<Redis | undefined> {
    if (this.#isOpening) await this.#inTime(this.#opened, 'connect');
    if (this.#client instanceof Redis) return this.#client;
    const address = this.#client.slots[slot]?.[0];
    return this.#client
      .nodes('master')
      .find(({ options: { host, port } }) => `${host}:${port}` === address);
  }

  /** All masters. @throws LedgerError likewise, or when the cluster is not known yet */
  async masters(): Promise<readonly Redis[]> {
    if (this.#isOpening) await this.#inTime(this.#opened, 'connect');
    if (this.#client instanceof Redis) return [this.#client];
    const masters = this.#client.nodes('master');
    if (masters.length === 0 || this.#client.status !== 'ready') {
      throw this.#faultOf(new Error('no node of the cluster answers'));
    }
    return masters;
  }

  /** A command on one of `masters`. @throws LedgerError */
  async callOn(
    master: Redis, command: string, args: readonly Argument[], timeoutMs?: number,
  ): Promise<unknown> {
    this.#mustBeInPlace();
    const reply = master.callBuffer(command, args as Argument[]) as Promise<unknown>;
    return this.#inTime(reply, command, timeoutMs);
  }

  /** Has the cluster asked anew who serves what. */
  refresh(): void {
    if (this.#client instanceof Cluster) this.#client.refreshSlotsCache();
  }

  close(): void {
    this.#closed = true;
    this.#client.disconnect();
  }

  #inTime<T>(work: Promise<T>, what: string, timeoutMs = this.#options.timeoutMs): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const late = `The ledger did not answer ${what} within ${timeoutMs} ms`;
        reject(new LedgerError('timeout', late));
      }, timeoutMs);
      work.then(
        (value) => {
          clearTimeout(timer);
          resolve(value);
        },
        (error: unknown) => {
          clearTimeout(timer);
          reject(this.#faultOf(error));
        },
      );
    });
  }

  /** A client without connection knows nothing; what the last attempt met with says more. */
  #faultOf(error: unknown): LedgerError {
    const fault = faultOf(error);
    const complaint = this.#lastComplaint;
    if (fault.fault !== 'unavailable' || complaint === undefined) return fault;
    const kind = isRefusal(complaint) ? 'misconfigured' : 'unavailable';
    return new LedgerError(kind, `The ledger cannot be reached: ${complaint.message}`);
  }

  #complain(error: Error): void {
    if (this.#closed) return;
    this.#lastComplaint = error;
    const { command } = error as { command?: { name: string } };
    if (command?.name === 'select') this.#misplaced = error;
  }

  #mustBeInPlace(): void {
    if (this.#misplaced === undefined) return;
    const { message } = this.#misplaced;
    throw new LedgerError('misconfigured', `Cannot use the database of the ledger: ${message}`);
  }

  #watch(redis: Redis): void {
    this.traffic.watch(redis);
    const refresh = (): void => {
      const password = this.#password();
      if (password !== undefined) redis.options.password = password;
      const tls = this.#tls();
      if (tls === undefined) return;
      redis.options.tls = tls;
      redis.options.sentinelTLS = tls;
    };
    refresh();
    redis.on('reconnecting', refresh);
  }

  #password(): string | undefined {
    const { password, address } = this.#options;
    try {
      return password?.() ?? address.password;
    } catch (error) {
      this.#complain(error as Error);
      return undefined;
    }
  }

  /** undefined: it is not used, or cannot be read, and stays as it was. */
  #tls(): ConnectionOptions | undefined {
    const { tls, address } = this.#options;
    try {
      return address.tls ? tlsOptions(tls?.()) : undefined;
    } catch (error) {
      this.#complain(error as Error);
      return undefined;
    }
  }

  readonly #retryDelay = (attempt: number): number => {
    const most = Math.min(RETRY_CAP_MS, RETRY_BASE_MS * 2 ** Math.min(attempt, 16));
    return RETRY_MIN_MS + Math.floor(Math.random() * (most - RETRY_MIN_MS));
  };

  readonly #leavesOn = (error: Error): boolean => {
    if (!error.message.startsWith('READONLY')) return false;
    const now = performance.now();
    if (now - this.#leftReadOnlyAtMs < LEAVE_READ_ONLY_MS) return false;
    this.#leftReadOnlyAtMs = now;
    return true;
  };

  #common(): Options {
    const { address, timeoutMs, connectionName } = this.#options;
    const password = this.#password();
    return {
      // Pushes of another protocol are of no use here.
      protocol: 2,
      replyMapping: 'legacy',
      disableClientInfo: true,
      ...(address.username === undefined ? {} : { username: address.username }),
      ...(password === undefined ? {} : { password }),
      ...(connectionName === undefined ? {} : { connectionName }),
      ...(address.tls ? { tls: this.#tls() ?? {} } : {}),
      connectTimeout: timeoutMs,
      // No sign of life for twice as long as one command may take.
      socketTimeout: 2 * timeoutMs + 500,
      // What was in flight when a connection broke is the caller's to send again.
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      // A server that still loads says so to every command.
      enableReadyCheck: false,
    };
  }

  #single(): Redis {
    const { address } = this.#options;
    const common: Options = {
      ...this.#common(),
      lazyConnect: true,
      enableOfflineQueue: false,
      retryStrategy: this.#retryDelay,
      reconnectOnError: this.#leavesOn,
    };
    if (address.kind === 'single') {
      return new Redis({ ...common, ...address.host, db: address.database });
    }
    if (address.kind !== 'sentinel') throw new Error('Not one server');
    return new Redis({
      ...common,
      sentinels: address.sentinels.map(({ host, port }) => ({ host, port })),
      name: address.name,
      sentinelRetryStrategy: this.#retryDelay,
      sentinelCommandTimeout: this.#options.timeoutMs,
      failoverDetector: true,
      // It asks for the role: sentinels may point at a master of yesterday.
      enableReadyCheck: true,
      ...(address.tls
        ? { enableTLSForSentinelMode: true, sentinelTLS: this.#tls() ?? {} }
        : {}),
    });
  }

  #cluster(): Cluster {
    const { address } = this.#options;
    if (address.kind !== 'cluster') throw new Error('Not a cluster');
    const options = {
      redisOptions: this.#common(),
      lazyConnect: true,
      enableOfflineQueue: false,
      clusterRetryStrategy: this.#retryDelay,
      maxRedirections: REDIRECTIONS_MAX,
      retryDelayOnFailover: FAILOVER_RETRY_MS,
      retryDelayOnClusterDown: FAILOVER_RETRY_MS,
      slotsRefreshTimeout: this.#options.timeoutMs,
      slotsRefreshInterval: SLOTS_REFRESH_MS,
      ...(address.tls ? { dnsLookup } : {}),
    };
    return new Cluster(address.nodes.map(({ host, port }) => ({ host, port })), options);
  }
}

/** Certificates bear names, which a look-up here would turn into addresses. */
function dnsLookup(host: string, found: (error: null, address: string) => void): void {
  found(null, host);
}

function tlsOptions(tls: RedisTls = {}): ConnectionOptions {
  return {
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
    ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
  };
}
