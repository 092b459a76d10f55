/**
 * A TCP link that a test can spoil: slow, narrow, silent, cut, or dead on one side only. It stands
 * between a client and a server on loopback; each connection is two one-way streams of chunks.
 */
import { once } from 'node:events';
import { createServer, type Server, Socket } from 'node:net';

/** What a link does to what passes through it. */
export interface LinkState {
  /** Each chunk arrives this much later; their order stays. */
  readonly delayMs: number;
  /** Both ways, each; infinite: as fast as it goes. */
  readonly bytesPerSecond: number;
  /** Nothing passes; it is kept and passes when the link is whole again. */
  readonly isSilent: boolean;
  /** New connections are closed as soon as they come. */
  readonly isCut: boolean;
}

const WHOLE: LinkState = {
  delayMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY, isSilent: false, isCut: false,
};
/** Kept per connection and way before its sender is made to wait. */
const KEPT_BYTES_MAX = 1024 * 1024;

export class TcpProxy {
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #links = new Set<Link>();
  #state = WHOLE;

  private constructor(server: Server, target: { host: string; port: number }) {
    this.#server = server;
    this.#target = target;
    server.on('connection', (client) => this.#accept(client));
  }

  /** Listens on a free loopback port and leads to `target`. */
  static async start(target: { readonly host: string; readonly port: number }): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true });
    const proxy = new TcpProxy(server, target);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('The proxy is closed');
    return address.port;
  }

  get connections(): number {
    return this.#links.size;
  }

  /** Applies from now on, also to connections there are; what is not said is as on a whole link. */
  spoil(state: Partial<LinkState>): void {
    this.#state = { ...WHOLE, ...state };
    for (const link of this.#links) link.stateChanged();
  }

  /** Everything passes again; what was kept does so first. */
  heal(): void {
    this.spoil({});
  }

  /** Resets every connection; new ones are closed until `heal`. */
  cut(): void {
    this.spoil({ isCut: true });
    this.dropConnections();
  }

  /** Resets every connection; new ones are as good as ever. */
  dropConnections(): void {
    for (const link of [...this.#links]) link.destroy();
  }

  /**
   * The connections there are lose everything from now on, in one direction or both, and neither
   * end is told; new ones are as good as ever. `replies`: requests still arrive.
   */
  abandonConnections(lost: 'replies' | 'both'): void {
    for (const link of this.#links) link.abandon(lost);
  }

  async close(): Promise<void> {
    this.dropConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(client: Socket): void {
    if (this.#state.isCut) {
      client.on('error', () => {});
      client.resetAndDestroy();
      return;
    }
    const server = new Socket({ allowHalfOpen: true });
    server.connect(this.#target);
    const link = new Link(client, server, () => this.#state);
    this.#links.add(link);
    link.onGone = () => this.#links.delete(link);
  }
}

/** One connection through the proxy. */
class Link {
  onGone: () => void = () => {};
  readonly #ends: readonly Socket[];
  readonly #requests: Way;
  readonly #replies: Way;

  constructor(client: Socket, server: Socket, state: () => LinkState) {
    this.#ends = [client, server];
    this.#requests = new Way(client, server, state);
    this.#replies = new Way(server, client, state);
    for (const end of this.#ends) {
      end.setNoDelay(true);
      end.on('error', () => this.destroy());
      end.on('close', () => {
        if (this.#ends.every(({ destroyed }) => destroyed)) this.onGone();
      });
    }
  }

  stateChanged(): void {
    this.#requests.pass();
    this.#replies.pass();
  }

  abandon(lost: 'replies' | 'both'): void {
    this.#replies.abandon();
    if (lost === 'both') this.#requests.abandon();
  }

  destroy(): void {
    this.#requests.abandon();
    this.#replies.abandon();
    for (const end of this.#ends) {
      // Node 26 does not get over the reset of a socket that is saying goodbye: it never exits.
      if (end.writableEnded) end.destroy();
      else if (!end.destroyed) end.resetAndDestroy();
    }
    this.onGone();
  }
}

/** One way of a connection: chunks, each with the instant before which it may not arrive. */
class Way {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #state: () => LinkState;
  #kept: { readonly at: number; readonly chunk: Buffer | undefined }[] = [];
  #keptBytes = 0;
  /** When the last chunk will have gone through a narrow link. */
  #freeAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #isAbandoned = false;

  constructor(from: Socket, to: Socket, state: () => LinkState) {
    this.#from = from;
    this.#to = to;
    this.#state = state;
    from.on('data', (chunk: Buffer) => this.#take(chunk));
    from.on('end', () => this.#take(undefined));
  }

  #take(chunk: Buffer | undefined): void {
    if (this.#isAbandoned) return;
    const { delayMs, bytesPerSecond } = this.#state();
    const size = chunk?.length ?? 0;
    this.#freeAt = Math.max(this.#freeAt, performance.now()) + (size / bytesPerSecond) * 1_000;
    this.#kept.push({ at: this.#freeAt + delayMs, chunk });
    this.#keptBytes += size;
    if (this.#keptBytes > KEPT_BYTES_MAX) this.#from.pause();
    this.pass();
  }

  /** Lets everything through that is due. */
  pass(): void {
    clearTimeout(this.#timer);
    while (this.#kept.length > 0 && !this.#state().isSilent) {
      const { at, chunk } = this.#kept[0]!;
      const leftMs = at - performance.now();
      if (leftMs > 0) {
        this.#timer = setTimeout(() => this.pass(), Math.ceil(leftMs));
        return;
      }
      this.#kept.shift();
      this.#keptBytes -= chunk?.length ?? 0;
      if (chunk === undefined) this.#to.end();
      else this.#to.write(chunk);
    }
    if (this.#keptBytes <= KEPT_BYTES_MAX && this.#from.isPaused()) this.#from.resume();
  }

  /** Everything from now on is lost. */
  abandon(): void {
    this.#isAbandoned = true;
    clearTimeout(this.#timer);
    this.#kept = [];
    this.#keptBytes = 0;
    this.#from.resume();
  }
}
