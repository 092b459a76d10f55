/**
 * One connection at a time, for ever: to one of the servers, and when it is lost, to one of them
 * again. The client's own reconnecting is not used. It drops what was published meanwhile without a
 * word, keeps credentials it has read once, and gives up for good when they are refused twice; here
 * each connection is a new client, and what was outstanding on the old one is known to be.
 */
import { type ConnectionOptions, type NatsConnection, Events } from 'nats';
import { type BackoffBounds, fullJitter } from '../../resilience/backoff.ts';
import { withDeadline } from '../../resilience/deadline.ts';
import type { Scheduler } from '../../resilience/scheduler.ts';
import type { BusState } from '../bus.ts';
import { authenticatorFor } from './credentials.ts';
import { sentenceOf } from './faults.ts';
import type { BusLog, NatsBusOptions } from './options.ts';
import { connectOnce, hostOf, isAddress } from './transport.ts';

/** Between two rounds over the servers: soon after a loss, and then often enough to be back soon. */
const RETRY: BackoffBounds = { baseMs: 200, capMs: 5_000 };
/** A connection that held for this long was a good one: the next loss is a first failure again. */
const GOOD_MS = RETRY.capMs;
/** An idle connection is asked whether it lives, and left after two questions without an answer. */
const PING_MS = 10_000;

export interface LinkUser {
  /** Subscribes on it; that it is allowed shows before the state changes. */
  connected(connection: NatsConnection): void;
  /** Nothing will come from the connection any more. */
  lost(detail: string): void;
  /** The server takes nothing for this subject (`publish`), or sends nothing from it. */
  denied(operation: string, subject: string): void;
  stateChanged(state: BusState, detail: string): void;
}

export class Link {
  state: BusState = 'connecting';
  /** Connections so far. */
  connects = 0;
  lastError: string | undefined;
  readonly #options: NatsBusOptions;
  readonly #scheduler: Scheduler;
  readonly #log: BusLog;
  readonly #user: LinkUser;
  /** In the order in which they are tried; the first is the next. */
  readonly #servers: string[];
  #connection: NatsConnection | undefined;
  #server: string | undefined;
  /** Rounds over all servers since the last good connection. */
  #failures = 0;
  #connectedAt = 0;
  /** Why it is left, when this side leaves it. */
  #reason: string | undefined;
  #callOff: (() => void) | undefined;

  /** Connects at once, in the background. */
  constructor(options: NatsBusOptions, scheduler: Scheduler, log: BusLog, user: LinkUser) {
    this.#options = options;
    this.#scheduler = scheduler;
    this.#log = log;
    this.#user = user;
    this.#servers = shuffled(options.servers, scheduler);
    void this.#round();
  }

  /** The connection there is. */
  get connection(): NatsConnection | undefined {
    return this.#connection;
  }

  /** `host:port` of the server it leads to. */
  get server(): string | undefined {
    return this.state === 'connected' ? this.#server : undefined;
  }

  /** Leaves a connection that is of no use, though it is not closed, for another one. */
  abandon(why: string): void {
    this.#reason = why;
    void this.#connection?.close();
  }

  /** No more connections. */
  async close(): Promise<void> {
    if (this.state === 'closed') return;
    this.#callOff?.();
    this.state = 'closed';
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.close();
  }

  /** Each server once, then a wait. */
  async #round(): Promise<void> {
    for (let left = this.#servers.length; left > 0; left--) {
      const server = this.#servers.shift()!;
      this.#servers.push(server);
      try {
        const connection = await connectOnce(server, await this.#clientOptions(server));
        void this.#adopt(connection, server);
        return;
      } catch (error) {
        if (this.#isClosed()) return;
        this.#complain(server, sentenceOf(error));
      }
    }
    this.#setState('away', `Cannot reach NATS: ${this.lastError}`);
    this.#retry();
  }

  #retry(): void {
    const waitMs = fullJitter(this.#failures, RETRY, () => this.#scheduler.random());
    this.#failures += 1;
    this.#callOff = this.#scheduler.after(waitMs, () => void this.#round());
  }

  async #clientOptions(server: string): Promise<ConnectionOptions> {
    const { name, connectMs, tls } = this.#options;
    const authenticator = await authenticatorFor(this.#options);
    return {
      name,
      timeout: connectMs,
      reconnect: false,
      noAsyncTraces: true,
      pingInterval: PING_MS,
      tls: tls === false ? null : tlsFor(server, tls),
      ...(authenticator === undefined ? {} : { authenticator }),
    };
  }

  async #adopt(connection: NatsConnection, server: string): Promise<void> {
    if (this.#isClosed()) {
      void connection.close();
      return;
    }
    this.#connection = connection;
    this.#server = server;
    this.#connectedAt = this.#scheduler.now();
    this.#reason = undefined;
    void this.#listen(connection);
    void connection.closed().then((error) => this.#lost(error));
    this.#user.connected(connection);
    if (!(await this.#answers(connection)) || this.#connection !== connection) return;
    this.connects += 1;
    this.#setState('connected', `Connected to NATS at ${server}`);
  }

  /**
   * Whether a round trip succeeds; a connection on which none does is left. It is of use only when
   * its subscriptions are allowed, and a missing permission is told before the trip is over.
   */
  async #answers(connection: NatsConnection): Promise<boolean> {
    const { connectMs } = this.#options;
    const late = (): Error => new Error(`no answer within ${connectMs} ms`);
    try {
      await withDeadline(connection.flush(), connectMs, this.#scheduler, late);
    } catch (error) {
      if (this.#connection === connection) this.abandon(sentenceOf(error));
      return false;
    }
    // What was told before reaches this side a few turns later.
    await new Promise((resolve) => setImmediate(resolve));
    return true;
  }

  async #listen(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type !== Events.Error) continue;
      const { data, permissionContext } = status;
      if (permissionContext === undefined) {
        this.#complain(this.#server ?? '', String(data));
        continue;
      }
      const { operation, subject } = permissionContext;
      this.#complain(this.#server ?? '', `no permission (${operation} ${subject})`);
      this.#user.denied(operation, subject);
    }
  }

  #lost(error: unknown): void {
    if (this.#isClosed()) return;
    const detail = this.#reason ?? sentenceOf(error ?? {});
    const server = this.#server ?? '';
    this.#connection = undefined;
    this.#server = undefined;
    this.#complain(server, detail);
    if (this.#scheduler.now() - this.#connectedAt >= GOOD_MS) this.#failures = 0;
    const sentence = `Lost the connection to NATS at ${server}: ${detail}`;
    const before = this.state;
    this.state = 'away';
    this.#user.lost(sentence);
    if (before !== 'away') this.#user.stateChanged('away', sentence);
    this.#retry();
  }

  #complain(server: string, detail: string): void {
    const complaint = `${server}: ${detail}`;
    // The same trouble every few seconds is told once.
    const level = complaint === this.lastError ? 'debug' : 'warn';
    this.#log[level]({ server, detail }, 'no connection to NATS');
    this.lastError = complaint;
  }

  #isClosed(): boolean {
    return this.state === 'closed';
  }

  #setState(state: BusState, detail: string): void {
    if (this.#isClosed() || this.state === state) return;
    this.state = state;
    this.#user.stateChanged(state, detail);
  }
}

function shuffled(servers: readonly string[], { random }: Scheduler): string[] {
  const keyed = servers.map((server) => ({ server, key: random() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ server }) => server);
}

/** The client checks the certificate of a server that is named by an address against `localhost`. */
function tlsFor(server: string, tls: NatsBusOptions['tls']): NonNullable<ConnectionOptions['tls']> {
  const { serverName, ...files } = typeof tls === 'object' ? tls : {};
  const host = hostOf(server);
  const name = serverName ?? (isAddress(host) ? undefined : host);
  return { ...files, ...(name === undefined ? { host } : { servername: name }) };
}
