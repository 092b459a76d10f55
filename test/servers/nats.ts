/**
 * Real NATS servers for tests: `nats-server` as a child on a free loopback port, with JetStream in
 * a directory of its own. The tests' own connection is a user of its own where there are users, so
 * it works whatever permissions a test gives everybody else.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ConnectionOptions, connect, type NatsConnection } from 'nats';
import { type CertificateFiles, writeCertificates } from './certificate.ts';
import { freePort, type ServerProcess, serverDirectory, startServer } from './child.ts';
import { requireNats } from './require-nats.ts';

const HOST = '127.0.0.1';
const READY = 'Server is ready';
const RELOADED = 'Reloaded server configuration';
/** It could not do as the file says, and goes on as before. */
const NOT_RELOADED = 'Failed to reload server configuration';
const PORT_ATTEMPTS = 5;
const HARNESS = { user: 'harness', password: 'harness' };
const POLL_MS = 10;
const LOOKS_MAX = 500;

/** Subjects, with wildcards; absent: everything. */
export interface NatsPermissions {
  readonly publish?: readonly string[];
  readonly subscribe?: readonly string[];
}

export type NatsUser = { readonly permissions?: NatsPermissions } & (
  | { readonly user: string; readonly password: string }
  /** The public key. */
  | { readonly nkey: string }
);

/** Who is let in: users, or whoever has the token, or everybody. */
export interface NatsAccess {
  readonly users?: readonly NatsUser[];
  readonly token?: string;
}

export interface NatsOptions extends NatsAccess {
  /** Otherwise a free one. */
  readonly port?: number;
  /** Default: true. */
  readonly jetstream?: boolean;
  readonly maxFileStoreBytes?: number;
  /** With a certificate made for this server; `mutual`: clients must show one, too. */
  readonly tls?: 'server' | 'mutual';
  /** More of `nats-server.conf`: values as JSON. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export interface NatsServer {
  readonly host: string;
  readonly port: number;
  /** `host:port`. */
  readonly address: string;
  /** Of the process that runs now. */
  readonly pid: number;
  readonly dir: string;
  /** With `tls`: the authority to trust, and a client certificate. */
  readonly certificates: CertificateFiles | undefined;
  readonly log: () => string;
  /** A paused one runs. */
  readonly isRunning: () => boolean;
  /** A connection with all rights; ended by `disconnect`, or when the server goes. */
  admin(): Promise<NatsConnection>;
  /** Ends the connections of `admin`. */
  disconnect(): Promise<void>;
  /** Lets others in than before, while it runs. */
  reload(access: NatsAccess): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGTERM. */
  stop(): Promise<void>;
  /** Kills it if it runs, and starts it again on the same port; `empty`: without its streams. */
  restart(options?: { readonly empty?: boolean }): Promise<void>;
  /** SIGSTOP. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
}

/** Starts a server and waits until it takes connections. */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const binary = await requireNats();
  for (let attempt = 1; ; attempt++) {
    const server = new Server(binary, options, options.port ?? (await freePort()));
    try {
      await server.start();
      return server;
    } catch (error) {
      // Somebody else took the port between the look and the start.
      const taken = error instanceof Error && error.message.includes('address already in use');
      if (!taken || options.port !== undefined || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

class Server implements NatsServer {
  readonly host = HOST;
  readonly port: number;
  readonly dir = serverDirectory();
  readonly certificates: CertificateFiles | undefined;
  readonly #binary: string;
  readonly #options: NatsOptions;
  #access: NatsAccess;
  #process: ServerProcess | undefined;
  #admins: NatsConnection[] = [];

  constructor(binary: string, options: NatsOptions, port: number) {
    this.#binary = binary;
    this.#options = options;
    this.#access = options;
    this.port = port;
    this.certificates = options.tls === undefined ? undefined : writeCertificates(this.dir);
  }

  get address(): string {
    return `${HOST}:${this.port}`;
  }

  get pid(): number {
    if (this.#process === undefined) throw new Error('The server does not run');
    return this.#process.pid;
  }

  readonly log = (): string => this.#process?.log() ?? '';
  readonly isRunning = (): boolean => this.#process?.isRunning() ?? false;

  get #configurationFile(): string {
    return join(this.dir, 'nats-server.conf');
  }

  get #store(): string {
    return join(this.dir, 'store');
  }

  async start(): Promise<void> {
    this.#configure();
    // It logs on the other stream than the one whose lines are waited for.
    const line = ['-c', 'exec "$0" "$@" 2>&1', this.#binary, '-c', this.#configurationFile];
    this.#process = await startServer('/bin/sh', line, this.dir, READY);
  }

  #configure(): void {
    const { jetstream = true, maxFileStoreBytes, tls, settings } = this.#options;
    const store = {
      store_dir: this.#store,
      ...(maxFileStoreBytes === undefined ? {} : { max_file_store: maxFileStoreBytes }),
    };
    const all: Record<string, unknown> = {
      listen: this.address,
      ...(jetstream ? { jetstream: store } : {}),
      ...settings,
    };
    if (this.certificates !== undefined) {
      const { caFile, certFile, keyFile } = this.certificates;
      all['tls'] = {
        cert_file: certFile, key_file: keyFile, ca_file: caFile, verify: tls === 'mutual',
      };
    }
    const { users, token } = this.#access;
    if (users !== undefined) all['authorization'] = { users: [...users, HARNESS] };
    if (token !== undefined) all['authorization'] = { token };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
    writeFileSync(this.#configurationFile, `${lines.join('\n')}\n`);
  }

  async admin(): Promise<NatsConnection> {
    const { users, token } = this.#access;
    const options: ConnectionOptions = { servers: this.address, reconnect: false };
    if (users !== undefined) Object.assign(options, { user: HARNESS.user, pass: HARNESS.password });
    if (token !== undefined) options.token = token;
    if (this.certificates !== undefined) {
      const { caFile, clientCertFile, clientKeyFile } = this.certificates;
      options.tls = { caFile, certFile: clientCertFile, keyFile: clientKeyFile };
    }
    const admin = await connect(options);
    this.#admins.push(admin);
    return admin;
  }

  async disconnect(): Promise<void> {
    await Promise.all(this.#admins.splice(0).map((admin) => admin.close()));
  }

  async reload(access: NatsAccess): Promise<void> {
    this.#access = access;
    this.#configure();
    const times = (text: string): number => this.log().split(text).length;
    const [before, refusals] = [times(RELOADED), times(NOT_RELOADED)];
    process.kill(this.pid, 'SIGHUP');
    for (let look = 0; look < LOOKS_MAX; look++) {
      if (times(RELOADED) > before) return;
      if (times(NOT_RELOADED) > refusals) break;
      await sleep(POLL_MS);
    }
    throw new Error(`The server did not take its new configuration:\n${this.log()}`);
  }

  async kill(): Promise<void> {
    await this.disconnect();
    await this.#process?.kill();
  }

  async stop(): Promise<void> {
    await this.disconnect();
    await this.#process?.stop();
  }

  async restart({ empty = false }: { readonly empty?: boolean } = {}): Promise<void> {
    await this.kill();
    if (empty) rmSync(this.#store, { recursive: true, force: true });
    await this.start();
  }

  pause(): void {
    this.#process?.pause();
  }

  resume(): void {
    this.#process?.resume();
  }
}
