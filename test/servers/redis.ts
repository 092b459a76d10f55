/**
 * Real Redis servers for tests: `redis-server` as a child on a free loopback port, without disk
 * unless asked for. The tests' own commands go over a Unix socket as a user of their own, so they
 * work whatever passwords, users and TLS a test configures for everybody else.
 */
import { copyFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { type CertificateFiles, writeCertificates } from './certificate.ts';
import { freePort, type ServerProcess, serverDirectory, startServer } from './child.ts';
import { requireRedis } from './require-redis.ts';

const HOST = '127.0.0.1';
const READY = 'Ready to accept connections';
const PORT_ATTEMPTS = 5;
const ADMIN = { username: 'harness', password: 'harness' };
const ADMIN_TIMEOUT_MS = 10_000;
const POLL_MS = 10;
const LOOKS_MAX = 1_000;

export interface RedisOptions {
  /** Otherwise a free one. */
  readonly port?: number;
  /** As in `redis.conf`: `8mb`. */
  readonly maxmemory?: string;
  readonly maxmemoryPolicy?: string;
  /** Whether it keeps an append-only file, and how often that is synced. Default: none. */
  readonly appendOnly?: 'always' | 'everysec' | 'no-sync';
  /** The password of the default user. */
  readonly password?: string;
  /** ACL rules by user name: `{app: 'on >secret ~lh:* +@all'}`. */
  readonly users?: Readonly<Record<string, string>>;
  /** TLS instead of plain TCP, with a certificate made for this server. */
  readonly tls?: boolean;
  /** Anything else of `redis.conf`. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface RestartOptions {
  /** With nothing in it, whatever it kept on disk. */
  readonly empty?: boolean;
  /** With what was in it when `dump` wrote this file. */
  readonly dump?: string;
}

export interface RedisServer {
  readonly host: string;
  readonly port: number;
  /** `redis://` or `rediss://`, with the default user's password if it has one. */
  readonly url: string;
  /** Of the process that runs now. */
  readonly pid: number;
  readonly dir: string;
  /** With `tls`: the authority to trust, and a client certificate. */
  readonly certificates: CertificateFiles | undefined;
  readonly log: () => string;
  /** A paused one runs. */
  readonly isRunning: () => boolean;
  /** Any command, with all rights. @throws Error when it is refused or nothing answers in 10 s */
  command(name: string, ...args: readonly (string | number | Buffer)[]): Promise<unknown>;
  /** As `command`, with every string of the reply as bytes. */
  commandBytes(name: string, ...args: readonly (string | number | Buffer)[]): Promise<unknown>;
  /** Writes what is in it to a file of its own and gives the path: for `restart({dump})`. */
  dump(): Promise<string>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGTERM. */
  stop(): Promise<void>;
  /**
   * Kills it if it runs, and starts it again on the same port. Without an append-only file that is
   * an empty server.
   */
  restart(options?: RestartOptions): Promise<void>;
  /** SIGSTOP. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
}

/** Starts a server and waits until it takes connections. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const binary = await requireRedis();
  for (let attempt = 1; ; attempt++) {
    const server = new Server(binary, options, options.port ?? (await freePort()));
    try {
      await server.start();
      return server;
    } catch (error) {
      // Somebody else took the port between the look and the start.
      const taken = error instanceof Error && error.message.includes('Address already in use');
      if (!taken || options.port !== undefined || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

class Server implements RedisServer {
  readonly host = HOST;
  readonly port: number;
  readonly dir = serverDirectory();
  readonly certificates: CertificateFiles | undefined;
  readonly #binary: string;
  readonly #options: RedisOptions;
  readonly #socket: string;
  #process: ServerProcess | undefined;
  #admin: Redis | undefined;
  #dumps = 0;

  constructor(binary: string, options: RedisOptions, port: number) {
    this.#binary = binary;
    this.#options = options;
    this.port = port;
    this.#socket = join(this.dir, 'redis.sock');
    this.certificates = options.tls === true ? writeCertificates(this.dir) : undefined;
  }

  get url(): string {
    const scheme = this.certificates === undefined ? 'redis' : 'rediss';
    const { password } = this.#options;
    const user = password === undefined ? '' : `:${encodeURIComponent(password)}@`;
    return `${scheme}://${user}${HOST}:${this.port}`;
  }

  get pid(): number {
    if (this.#process === undefined) throw new Error('The server does not run');
    return this.#process.pid;
  }

  readonly log = (): string => this.#process?.log() ?? '';
  readonly isRunning = (): boolean => this.#process?.isRunning() ?? false;

  async start(): Promise<void> {
    await this.#startWith(this.#options.appendOnly);
  }

  async #startWith(appendOnly: RedisOptions['appendOnly']): Promise<void> {
    const file = join(this.dir, 'redis.conf');
    writeFileSync(file, this.#configuration(appendOnly));
    this.#process = await startServer(this.#binary, [file], this.dir, READY);
  }

  #configuration(appendOnly: RedisOptions['appendOnly']): string {
    const { maxmemory, maxmemoryPolicy, password, users = {}, settings = {} } = this.#options;
    const lines = [
      `bind ${HOST}`,
      'save ""',
      `dir ${this.dir}`,
      `unixsocket ${this.#socket}`,
      'enable-debug-command yes',
      // Comes before the users: what is told the server over TCP is what the test says.
      `user ${ADMIN.username} on >${ADMIN.password} ~* &* +@all`,
      ...Object.entries(users).map(([name, rules]) => `user ${name} ${rules}`),
    ];
    if (this.certificates === undefined) {
      lines.push(`port ${this.port}`);
    } else {
      const { caFile, certFile, keyFile } = this.certificates;
      lines.push('port 0', `tls-port ${this.port}`, `tls-ca-cert-file ${caFile}`);
      lines.push(`tls-cert-file ${certFile}`, `tls-key-file ${keyFile}`, 'tls-auth-clients optional');
    }
    if (maxmemory !== undefined) lines.push(`maxmemory ${maxmemory}`);
    if (maxmemoryPolicy !== undefined) lines.push(`maxmemory-policy ${maxmemoryPolicy}`);
    if (password !== undefined) lines.push(`requirepass ${password}`);
    if (appendOnly !== undefined) {
      const sync = appendOnly === 'no-sync' ? 'no' : appendOnly;
      lines.push('appendonly yes', `appendfsync ${sync}`);
    }
    lines.push(...Object.entries(settings).map(([name, value]) => `${name} ${value}`));
    return `${lines.join('\n')}\n`;
  }

  command(name: string, ...args: readonly (string | number | Buffer)[]): Promise<unknown> {
    return this.#connection().call(name, ...args);
  }

  commandBytes(name: string, ...args: readonly (string | number | Buffer)[]): Promise<unknown> {
    return this.#connection().callBuffer(name, ...args);
  }

  #connection(): Redis {
    // It may have been closed from the other end.
    if (this.#admin !== undefined && this.#admin.status !== 'end') return this.#admin;
    const admin = new Redis({
      path: this.#socket,
      ...ADMIN,
      protocol: 2,
      enableReadyCheck: false,
      commandTimeout: ADMIN_TIMEOUT_MS,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
    });
    // The command that failed says so itself.
    admin.on('error', () => {});
    this.#admin = admin;
    return admin;
  }

  #disconnect(): void {
    this.#admin?.disconnect();
    this.#admin = undefined;
  }

  async dump(): Promise<string> {
    await this.command('SAVE');
    this.#dumps += 1;
    const copy = join(this.dir, `copied-${this.#dumps}.rdb`);
    // Moved, so that a later restart does not find it by itself.
    renameSync(join(this.dir, 'dump.rdb'), copy);
    return copy;
  }

  async kill(): Promise<void> {
    this.#disconnect();
    await this.#process?.kill();
  }

  async stop(): Promise<void> {
    this.#disconnect();
    await this.#process?.stop();
  }

  async restart({ empty = false, dump }: RestartOptions = {}): Promise<void> {
    await this.kill();
    if (empty || dump !== undefined) {
      rmSync(join(this.dir, 'appendonlydir'), { recursive: true, force: true });
      rmSync(join(this.dir, 'dump.rdb'), { force: true });
    }
    if (dump === undefined) {
      await this.start();
      return;
    }
    copyFileSync(dump, join(this.dir, 'dump.rdb'));
    // With an append-only file a server does not look at a dump: it gets one afterwards.
    await this.#startWith(undefined);
    rmSync(join(this.dir, 'dump.rdb'), { force: true });
    if (this.#options.appendOnly !== undefined) {
      const sync = this.#options.appendOnly === 'no-sync' ? 'no' : this.#options.appendOnly;
      await this.command('CONFIG', 'SET', 'appendonly', 'yes', 'appendfsync', sync);
      await this.#appendOnlyFileWritten();
    }
  }

  /** What a first append-only file is made of is written in the background. */
  async #appendOnlyFileWritten(): Promise<void> {
    for (let look = 0; look < LOOKS_MAX; look++) {
      const info = String(await this.command('INFO', 'persistence'));
      if (/^aof_enabled:1/m.test(info) && !/^aof_rewrite_(in_progress|scheduled):1/m.test(info)) return;
      await sleep(POLL_MS);
    }
    throw new Error('The server wrote no append-only file');
  }

  pause(): void {
    this.#process?.pause();
  }

  resume(): void {
    this.#process?.resume();
  }
}
