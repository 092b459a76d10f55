/**
 * A number of connections, one request outstanding on each, and those who wait for one to become
 * free, first come first served. Whoever has waited too long gives up, as a client with a timeout
 * does; that bounds what waits here, too.
 */
import { connect, type Socket } from 'node:net';
import type { RequestClass } from './neighbours.ts';
import { ReplyReader } from './reply-reader.ts';

/** A request that is due. */
export interface Arrival {
  readonly kind: RequestClass;
  /** When it was due, which its latency counts from. */
  readonly dueAt: number;
  /** The client that wants it. */
  readonly client: number;
  /** The lease it grants or releases. */
  lease: string | undefined;
}

export interface LaneEvents {
  /** Just before it is sent. */
  textOf(arrival: Arrival): string;
  onReply(arrival: Arrival, reply: ReplyReader, at: number): void;
  /** The connection broke: the outcome is unknown. */
  onLost(arrival: Arrival, why: string): void;
  /** Nobody sent it. */
  onGivenUp(arrival: Arrival): void;
  /** A connection has nothing to do, and nobody waits for it. */
  onIdle(lane: Lane): void;
}

interface Connection {
  readonly socket: Socket;
  readonly reader: ReplyReader;
  outstanding: Arrival | undefined;
}

const RECEIVE_BYTES = 64 * 1024;
const RECONNECT_MS = 20;
/** Read and copied from at once, so all connections may share it. */
const received = Buffer.allocUnsafe(RECEIVE_BYTES);

export class Lane {
  readonly #address: { readonly host: string; readonly port: number };
  readonly #patienceMs: number;
  readonly #events: LaneEvents;
  readonly #all = new Set<Connection>();
  readonly #free: Connection[] = [];
  #waiting: Arrival[] = [];
  #waitingFrom = 0;
  #closed = false;

  constructor(
    address: { readonly host: string; readonly port: number },
    patienceMs: number,
    events: LaneEvents,
  ) {
    this.#address = address;
    this.#patienceMs = patienceMs;
    this.#events = events;
  }

  /** Opens so many connections. */
  async open(connections: number): Promise<void> {
    await Promise.all(Array.from({ length: connections }, () => this.#connect()));
  }

  get free(): number {
    return this.#free.length;
  }

  /** Requests that wait here or for their reply. */
  get pending(): number {
    return this.#waiting.length - this.#waitingFrom + this.#all.size - this.#free.length;
  }

  /** Sends it, or lets it wait. */
  take(arrival: Arrival): void {
    const connection = this.#free.pop();
    if (connection === undefined) this.#waiting.push(arrival);
    else this.#send(connection, arrival);
  }

  /** Those whose patience is over give up. To be called often. */
  expire(now: number): void {
    for (;;) {
      const first = this.#waiting[this.#waitingFrom];
      if (first === undefined || now - first.dueAt < this.#patienceMs) return;
      this.#shift();
      this.#events.onGivenUp(first);
    }
  }

  /** What is outstanding then is lost. */
  close(): void {
    this.#closed = true;
    for (const { socket } of this.#all) socket.destroy();
  }

  #connect(): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect({
        ...this.#address,
        onread: {
          buffer: received,
          callback: (bytes) => {
            this.#onBytes(connection, bytes);
            return true;
          },
        },
      });
      const connection: Connection = { socket, reader: new ReplyReader(), outstanding: undefined };
      this.#all.add(connection);
      socket.setNoDelay(true);
      let broken = '';
      socket.on('error', (error) => {
        broken = error.message;
      });
      socket.on('connect', () => {
        this.#onFree(connection);
        resolve();
      });
      socket.on('close', () => {
        resolve();
        this.#all.delete(connection);
        const place = this.#free.indexOf(connection);
        if (place >= 0) this.#free.splice(place, 1);
        const { outstanding } = connection;
        connection.outstanding = undefined;
        if (outstanding !== undefined) this.#events.onLost(outstanding, broken || 'closed');
        if (!this.#closed) setTimeout(() => void this.#connect(), RECONNECT_MS);
      });
    });
  }

  #send(connection: Connection, arrival: Arrival): void {
    connection.outstanding = arrival;
    connection.socket.write(this.#events.textOf(arrival), 'latin1');
  }

  #onBytes(connection: Connection, bytes: number): void {
    const { outstanding, reader, socket } = connection;
    if (outstanding === undefined) {
      socket.destroy(new Error('bytes that nobody asked for'));
      return;
    }
    try {
      if (!reader.push(received.toString('latin1', 0, bytes))) return;
    } catch (error) {
      socket.destroy(error as Error);
      return;
    }
    connection.outstanding = undefined;
    this.#events.onReply(outstanding, reader, performance.now());
    this.#onFree(connection);
  }

  #onFree(connection: Connection): void {
    this.expire(performance.now());
    const next = this.#shift();
    if (next !== undefined) {
      this.#send(connection, next);
      return;
    }
    this.#free.push(connection);
    this.#events.onIdle(this);
  }

  #shift(): Arrival | undefined {
    const first = this.#waiting[this.#waitingFrom];
    if (first === undefined) return undefined;
    this.#waitingFrom += 1;
    if (this.#waitingFrom === this.#waiting.length || this.#waitingFrom > 4_096) {
      this.#waiting = this.#waiting.slice(this.#waitingFrom);
      this.#waitingFrom = 0;
    }
    return first;
  }
}
