/**
 * A load generator's HTTP client: a fixed set of keep-alive connections (TCP or Unix socket), a
 * fixed number of requests pipelined on each, requests written as strings and gathered into one
 * write per turn. What it gives up: redirects, TLS, retries. A lost connection loses the requests
 * on it, whose outcome is then unknown, and is opened again after a pause.
 */
import { connect, type Socket } from 'node:net';
import { header, ResponseParser, type Response } from './response-parser.ts';

export type Address =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** `http://host:port` or `unix:/path`. @throws Error when it is neither */
export function parseAddress(url: string): Address {
  if (url.startsWith('unix:')) return { kind: 'unix', path: url.slice('unix:'.length) };
  const parsed = new URL(url);
  if (parsed.protocol !== 'http:') throw new Error(`Cannot use ${url}: give http://host:port or unix:/path`);
  const host = parsed.hostname.replace(/^\[|\]$/g, '');
  return { kind: 'tcp', host, port: Number(parsed.port || '80') };
}

/** What goes into the `Host` header. */
export function hostOf(address: Address): string {
  if (address.kind === 'unix') return 'localhost';
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

export interface Exchange {
  /** The request, one character a byte. */
  readonly text: string;
  /** When it was made, just before it is written: never after it left. */
  readonly sentAt: number;
  onReply(response: Response, receivedAt: number): void;
  /**
   * The connection broke or time ran out: the request may or may not have been carried out.
   * `wasTaken` false: it was sent behind an answer that said it was the last, so it was not.
   */
  onLost(at: number, wasTaken: boolean): void;
}

export interface ClientOptions {
  readonly address: Address;
  readonly connections: number;
  readonly pipeline: number;
  readonly timeoutMs: number;
  /** Called for every free place; undefined: nothing to send now, `wake()` will be called. */
  readonly next: () => Exchange | undefined;
}

const RECONNECT_MS = 50;
/** A server that cannot be reached for so long is not coming back. */
const UNREACHABLE_MS = 30_000;

export class HttpClient {
  readonly #options: ClientOptions;
  readonly #connections: Connection[] = [];
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #lostSince: number | undefined;
  #firstError: Error | undefined;
  reconnects = 0;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** Opens every connection and begins to ask for requests. */
  start(): void {
    for (let index = 0; index < this.#options.connections; index += 1) {
      this.#connections.push(new Connection(this.#options, () => this.#onBroken()));
    }
    this.#timer = setInterval(() => this.#watch(), 250);
    for (const connection of this.#connections) connection.open();
  }

  /** Why it gave up, if it did. */
  get failure(): Error | undefined {
    const lost = this.#lostSince !== undefined && performance.now() - this.#lostSince > UNREACHABLE_MS;
    return lost ? (this.#firstError ?? new Error('Cannot reach the sidecar')) : undefined;
  }

  get inFlight(): number {
    return this.#connections.reduce((sum, connection) => sum + connection.inFlight, 0);
  }

  /** When the oldest unanswered request was sent; Infinity when there is none. */
  get oldestSentAt(): number {
    let oldest = Infinity;
    for (const connection of this.#connections) {
      oldest = Math.min(oldest, connection.oldestSentAt);
    }
    return oldest;
  }

  /** There may be something to send again. */
  wake(): void {
    for (const connection of this.#connections) connection.fill();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    for (const connection of this.#connections) connection.close();
  }

  #onBroken(): void {
    if (!this.#closed) this.reconnects += 1;
  }

  #watch(): void {
    const now = performance.now();
    let anyOpen = false;
    for (const connection of this.#connections) {
      connection.expire(now);
      if (connection.isOpen) anyOpen = true;
      else this.#firstError ??= connection.error;
    }
    this.#lostSince = anyOpen ? undefined : (this.#lostSince ?? now);
  }
}

class Connection {
  readonly #options: ClientOptions;
  readonly #onBroken: () => void;
  #socket: Socket | undefined;
  #parser = new ResponseParser();
  /** In the order they were sent, from `#head` on. */
  #waiting: Exchange[] = [];
  #head = 0;
  #closed = false;
  /** An answer has said that it is the last. */
  #isOver = false;
  isOpen = false;
  error: Error | undefined;

  constructor(options: ClientOptions, onBroken: () => void) {
    this.#options = options;
    this.#onBroken = onBroken;
  }

  get inFlight(): number {
    return this.#waiting.length - this.#head;
  }

  get oldestSentAt(): number {
    return this.#waiting[this.#head]?.sentAt ?? Infinity;
  }

  open(): void {
    if (this.#closed) return;
    const { address } = this.#options;
    const socket =
      address.kind === 'unix' ? connect(address.path) : connect(address.port, address.host);
    this.#socket = socket;
    this.#parser = new ResponseParser();
    this.#isOver = false;
    socket.setNoDelay(true);
    socket.on('connect', () => {
      this.isOpen = true;
      this.fill();
    });
    socket.on('data', (bytes: Buffer) => this.#onData(bytes));
    socket.on('error', (error) => {
      this.error = error;
    });
    socket.on('close', () => this.#onClose());
  }

  /** Sends as much as there is and fits, in one write. */
  fill(): void {
    if (!this.isOpen || this.#isOver) return;
    let text = '';
    const first = this.#waiting.length;
    while (this.inFlight < this.#options.pipeline) {
      const exchange = this.#options.next();
      if (exchange === undefined) break;
      this.#waiting.push(exchange);
      text += exchange.text;
    }
    if (text === '') return;
    this.#socket?.write(text, 'latin1');
    if (first > 4096) this.#compact();
  }

  expire(now: number): void {
    if (now - this.oldestSentAt > this.#options.timeoutMs) this.#socket?.destroy();
  }

  close(): void {
    this.#closed = true;
    this.#socket?.destroy();
  }

  #onData(bytes: Buffer): void {
    const receivedAt = performance.now();
    let responses: Response[];
    try {
      responses = this.#parser.push(bytes);
      if (responses.length > this.inFlight) throw new Error('Cannot place a response: nothing was asked');
    } catch (error) {
      this.#socket?.destroy(error as Error);
      return;
    }
    for (const response of responses) {
      const exchange = this.#waiting[this.#head]!;
      this.#head += 1;
      if (header(response.head, 'connection')?.toLowerCase() === 'close') this.#isOver = true;
      exchange.onReply(response, receivedAt);
    }
    if (this.#head === this.#waiting.length) this.#compact();
    this.fill();
  }

  #compact(): void {
    this.#waiting = this.#waiting.slice(this.#head);
    this.#head = 0;
  }

  #onClose(): void {
    this.isOpen = false;
    const lost = this.#waiting.slice(this.#head);
    this.#waiting = [];
    this.#head = 0;
    const now = performance.now();
    for (const exchange of lost) exchange.onLost(now, !this.#isOver);
    this.#onBroken();
    if (!this.#closed) setTimeout(() => this.open(), RECONNECT_MS).unref();
  }
}
