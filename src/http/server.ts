/**
 * The HTTP server: one `node:http` listener per address, all with the same handler, connections
 * counted together. A plain server rather than a framework, because a framework costs a third to a
 * half of what a small request costs; what it would give is in this folder, file by file.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { connect, type AddressInfo, Server as NetServer } from 'node:net';
import { chmod, lstat, unlink } from 'node:fs/promises';
import type { Access } from './access.ts';
import type { Admission } from '../admission/admission.ts';
import type { FeedPort, Service } from '../engine/service.ts';
import { Connections, SWEEP_MS } from './connections.ts';
import { Dispatch } from './dispatch.ts';
import type { Edge, EventOf } from './edge.ts';
import { ByteBudget, Gate, renewalBodyBytes } from './gate.ts';
import type { Log } from './log.ts';
import type { Operations } from './operations.ts';
import type { HttpOptions } from './options.ts';
import { type Clocks, repeat, type Timers } from '../machine/machine.ts';
import type { LeaseStory } from '../tracing/lease-story.ts';
import { RequestCounts } from './request-counts.ts';
import { routesFor } from './routes.ts';
import { Watchers } from './watchers.ts';

/**
 * A connection without a request stays for so long while draining: whoever is busy asks again within
 * it, and is told with the answer. Closing it at once would lose the request that is on its way.
 */
const FAREWELL_MS = 250;

export type HttpAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

export interface HttpServerParts {
  readonly service: Service;
  readonly feed: FeedPort;
  readonly operations: Operations;
  readonly admission: Admission;
  /** Absent: there are no tokens, and everybody may do everything. */
  readonly access?: Access | undefined;
  readonly eventOf: EventOf;
  readonly options: HttpOptions;
  readonly log: Log;
  readonly timers: Timers & Pick<Clocks, 'monotonicMs'>;
  /** Absent: no request is traced. */
  readonly story?: LeaseStory;
}

export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => void;

export interface HttpServer {
  /** Answers one request; for tests that need no socket. */
  readonly handler: HttpHandler;
  /**
   * Listens on all of `addresses` or on none, and gives their URLs with the real ports, in the same
   * order. A socket file left by a process that is gone is replaced.
   */
  listen(addresses: readonly HttpAddress[]): Promise<readonly string[]>;
  /**
   * Takes no more connections, ends event streams, answers what has been asked and says on each
   * connection with the last answer that it is the last. Resolves when all are closed: by
   * themselves, for want of requests after a moment, or cut off after `graceMs`.
   */
  drain(graceMs: number): Promise<void>;
  readonly connections: number;
  readonly watchers: number;
  /** Of watchers that were told that facts were lost to them. */
  readonly resyncs: number;
  /** What was asked, and what was answered. */
  readonly counts: RequestCounts;
}

export function createHttpServer(parts: HttpServerParts): HttpServer {
  return new NodeHttpServer(parts);
}

/** Two scrapers, twice over, and one that is stuck; a page is some tens of KiB. */
const SCRAPES_MAX = 8;

class NodeHttpServer implements HttpServer {
  readonly #edge: Edge;
  readonly #dispatch: Dispatch;
  readonly #connections: Connections;
  readonly #listeners: Server[] = [];
  readonly #timers: Timers;
  #endSweep: (() => void) | undefined;
  readonly handler: HttpServer['handler'];

  constructor(parts: HttpServerParts) {
    const { service, feed, operations, admission, access, eventOf, options, log, timers } = parts;
    this.#timers = timers;
    const { requestsInFlight } = options;
    const routes = routesFor(options);
    this.#edge = {
      service, feed, operations, admission, access, options, log,
      ...(parts.story === undefined ? {} : { story: parts.story }),
      gates: {
        renew: new Gate(requestsInFlight.renew),
        read: new Gate(requestsInFlight.read),
        put: new Gate(requestsInFlight.put),
        grant: new Gate(requestsInFlight.grant),
        list: new Gate(requestsInFlight.list),
      },
      bytes: new ByteBudget(options.inFlightBodyBytes),
      renewalBytes: new ByteBudget(renewalBodyBytes(options)),
      watchers: new Watchers(eventOf, () => service.now(), options.watchers, timers),
      counts: new RequestCounts(routes),
      scrapes: new Gate(SCRAPES_MAX),
      monotonicMs: () => timers.monotonicMs(),
      draining: false,
    };
    this.#dispatch = new Dispatch(this.#edge, routes);
    this.#connections = new Connections(options, (code) => this.#edge.counts.unread(code));
    this.handler = (request, response) =>
      this.#dispatch.handle(request, response, this.#connections.of(request.socket), false);
  }

  get connections(): number {
    return this.#connections.size;
  }

  get watchers(): number {
    return this.#edge.watchers.count;
  }

  get resyncs(): number {
    return this.#edge.watchers.resyncs;
  }

  get counts(): RequestCounts {
    return this.#edge.counts;
  }

  async listen(addresses: readonly HttpAddress[]): Promise<readonly string[]> {
    const urls: string[] = [];
    try {
      for (const address of addresses) urls.push(await this.#listenOn(address));
    } catch (error) {
      for (const server of this.#listeners.splice(0)) server.close();
      throw error;
    }
    if (addresses.length > 0) {
      this.#endSweep ??= repeat(this.#timers, SWEEP_MS, () => this.#connections.sweep());
    }
    return urls;
  }

  async #listenOn(address: HttpAddress): Promise<string> {
    const server = this.#serverFor(address);
    const place = address.kind === 'unix' ? { path: address.path } : address;
    try {
      await listening(server, place);
    } catch (error) {
      if (address.kind !== 'unix' || !isInUse(error) || !(await isLeftBehind(address.path))) throw error;
      await unlink(address.path);
      await listening(server, place);
    }
    // Who may write to the file may connect. Until here the process's umask says who.
    if (address.kind === 'unix') await chmod(address.path, Number.parseInt(this.#edge.options.socketMode, 8));
    this.#listeners.push(server);
    return urlOf(address, server);
  }

  #serverFor(address: HttpAddress): Server {
    const { headerBytes, requestTimeoutMs, headersTimeoutMs } = this.#edge.options;
    const server = createServer({
      maxHeaderSize: headerBytes,
      requestTimeout: requestTimeoutMs,
      headersTimeout: Math.min(headersTimeoutMs, requestTimeoutMs),
      // Idle connections are the sweep's: a timer per socket is what it saves.
      keepAliveTimeout: 0,
      connectionsCheckingInterval: Math.min(SWEEP_MS, Math.ceil(headersTimeoutMs / 4)),
      // Refused by `Dispatch`, with a problem document.
      requireHostHeader: false,
      optimizeEmptyRequests: true,
      noDelay: true,
    });
    // A client that closed its side still gets its answer.
    (server as Server & { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
    const anyHost = address.kind === 'unix';
    const handle = (request: IncomingMessage, response: ServerResponse): void =>
      this.#dispatch.handle(request, response, this.#connections.of(request.socket), anyHost);
    server.on('request', handle);
    // `100 Continue` is said when the body is about to be read, and other expectations are not ours.
    server.on('checkContinue', handle);
    server.on('checkExpectation', handle);
    this.#connections.watch(server);
    return server;
  }

  async drain(graceMs: number): Promise<void> {
    this.#edge.draining = true;
    this.#edge.watchers.closeAll();
    this.#edge.admission.letGo();
    const listeners = this.#listeners.splice(0);
    const closed = listeners.map((server) => {
      const gone = once(server, 'close');
      // That of `node:http` would cut off every connection on which no answer is due, and with it
      // the requests that are on their way.
      NetServer.prototype.close.call(server);
      return gone;
    });
    const part = (): void => {
      this.#connections.close(false);
      for (const server of listeners) server.closeIdleConnections();
    };
    // What has arrived meanwhile is read before, however late the timer fires.
    const parted = this.#timers.after(Math.min(FAREWELL_MS, graceMs), () => this.#timers.soon(part));
    const calmed = this.#timers.after(graceMs, () => this.#connections.close(true));
    await Promise.all(closed);
    parted();
    calmed();
    // Ends the looks of `node:http` at how long requests take.
    for (const server of listeners) server.close();
    this.#endSweep?.();
    this.#endSweep = undefined;
  }
}

async function listening(server: Server, place: { path: string } | { host: string; port: number }) {
  server.listen(place);
  await once(server, 'listening');
}

function isInUse(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}

/** Whether this is a socket file behind which no process listens any more. */
async function isLeftBehind(path: string): Promise<boolean> {
  // Connecting to an ordinary file is refused too, and that file is somebody's.
  if (!(await lstat(path)).isSocket()) return false;
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
}

function urlOf(address: HttpAddress, server: Server): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  const { port } = server.address() as AddressInfo;
  return `http://${address.host.includes(':') ? `[${address.host}]` : address.host}:${port}`;
}
