/**
 * Clients that take all they can get and go on when they are refused, and clients that are broken:
 * that read nothing, send nothing to its end, or send it in crumbs.
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, type Ask, Connection, Lost, placeOf } from '../requests.ts';
import { until } from '../support.ts';

/** What the catalogue has for want of room, and what is in the way of a value that is too large. */
const REFUSALS: Readonly<Record<string, number>> = {
  capacity: 503, 'under-pressure': 503, 'quota-exceeded': 429,
  'value-too-large': 413, 'body-too-large': 413,
};
const COMPLAINTS_MAX = 20;
const REFUSED_PAUSE_MS = 20;
const VALUE_BYTES_MAX = 200 * 1024;
const TOO_LARGE_BYTES = 300 * 1024;
/** Of ten thousand chunks on each connection. */
const CRUMB_ROUNDS = 8;
const JSON_BODY = { 'content-type': 'application/json' };

export class Intruders {
  readonly wrong: string[] = [];
  readonly taken: Record<string, number> = {};
  /** By what was asked for and code. */
  readonly refused: Record<string, number> = {};
  /** What they have asked to hold. */
  readonly keys: string[] = [];
  readonly leases: string[] = [];
  readonly #url: string;
  readonly #sockets: Socket[] = [];
  #asking: Promise<unknown> = Promise.resolve();
  #over = false;
  #numbers = 0;

  constructor(url: string) {
    this.#url = url;
  }

  /** Begins to ask for room, and goes on with it until the end. */
  ask(): void {
    this.#asking = Promise.all([
      ...this.#several(4, (index) => this.#putValues(index)),
      ...this.#several(2, (index) => this.#grantLeases(index)),
      ...this.#several(2, (index) => this.#remember(index)),
    ]);
  }

  /** Those that are broken; then everybody who can still get a connection. */
  async misbehave(): Promise<void> {
    this.#watchWithoutReading();
    this.#announceBodies();
    await this.#readNothing();
    await this.#sendCrumbs();
    await this.#connectOnly();
  }

  /** Nobody asks for anything more. */
  async stop(): Promise<void> {
    this.#over = true;
    await this.#asking;
  }

  /** Lets go of every connection. */
  leave(): void {
    for (const socket of this.#sockets.splice(0)) socket.destroy();
  }

  #several(count: number, work: (index: number) => Promise<void>): Promise<void>[] {
    return Array.from({ length: count }, (_, index) => work(index));
  }

  /** Distinct keys, ever larger values, some too large. */
  #putValues(index: number): Promise<void> {
    let bytes = 64;
    return this.#ask('put', () => {
      bytes = Math.min(VALUE_BYTES_MAX, Math.ceil(bytes * 1.1));
      const key = `fill-${index}-${++this.#numbers}`;
      this.keys.push(key);
      // What there is room for is small in the end.
      const sizes = [bytes, this.#numbers % 100, this.#numbers % 50 === 0 ? TOO_LARGE_BYTES : bytes];
      const size = sizes[this.#numbers % 3]!;
      return { method: 'PUT', path: `/v1/entries/default/${key}`, body: Buffer.alloc(size, 'x') };
    });
  }

  #grantLeases(index: number): Promise<void> {
    return this.#ask('grant', () => {
      const id = `fill-${index}-${++this.#numbers}`;
      this.leases.push(id);
      const labels = { padding: 'x'.repeat(200) };
      return { method: 'POST', path: '/v1/leases', headers: JSON_BODY, body: JSON.stringify({ id, holder: 'h', labels }) };
    });
  }

  /** Answers that are to be remembered, long ones. */
  #remember(index: number): Promise<void> {
    return this.#ask('batch', () => {
      const operations = Array.from({ length: 100 }, (_, at) => ({ op: 'get', namespace: 'default', key: `fill-0-${at}` }));
      return {
        method: 'POST', path: '/v1/batch',
        headers: { ...JSON_BODY, 'idempotency-key': `"${index}-${++this.#numbers}"` },
        body: JSON.stringify({ atomic: false, operations }),
      };
    });
  }

  async #ask(what: string, next: () => Ask): Promise<void> {
    const connection = new Connection(this.#url);
    while (!this.#over) {
      try {
        const isTaken = this.#judge(what, await connection.ask(next()));
        if (!isTaken) await sleep(REFUSED_PAUSE_MS);
      } catch (error) {
        // Too large a body is refused before it is whole, and the connection closed under it.
        if (!(error instanceof Lost)) throw error;
        await sleep(REFUSED_PAUSE_MS);
      }
    }
    connection.close();
  }

  #judge(what: string, { status, body }: Answer): boolean {
    if (status < 300) {
      this.taken[what] = (this.taken[what] ?? 0) + 1;
      return true;
    }
    const code = /"code":"([^"]*)"/.exec(body.toString())?.[1] ?? '';
    if (REFUSALS[code] !== status && this.wrong.length < COMPLAINTS_MAX) {
      this.wrong.push(`A ${what} was answered ${status}: ${body.toString().slice(0, 300)}`);
    }
    const why = `${what} ${code}`;
    this.refused[why] = (this.refused[why] ?? 0) + 1;
    return false;
  }

  /** Watchers that read nothing, more than there may be. */
  #watchWithoutReading(): void {
    for (let count = 0; count < 40; count++) this.#open().write(head('GET', '/v1/events'));
  }

  /** Bodies that are announced, and come but for their end. */
  #announceBodies(): void {
    const bytes = 1024 * 1024;
    for (let count = 0; count < 30; count++) {
      this.#open().write(head('POST', '/v1/batch', `Content-Type: application/json\r\nContent-Length: ${bytes}\r\n`) + '['.repeat(bytes - 1));
    }
  }

  /** Bodies in chunks of one byte. */
  async #sendCrumbs(): Promise<void> {
    const crumbs = '1\r\n[\r\n'.repeat(10_000);
    const sockets = Array.from({ length: 16 }, () => this.#open());
    for (const socket of sockets) {
      socket.write(head('POST', '/v1/batch', 'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n'));
    }
    for (let round = 0; round < CRUMB_ROUNDS; round++) {
      for (const socket of sockets) if (socket.writable) socket.write(crumbs);
      await sleep(REFUSED_PAUSE_MS);
    }
  }

  /** Pipelines of reads, of answers just small enough not to be counted as large, that nobody reads. */
  async #readNothing(): Promise<void> {
    const connection = new Connection(this.#url);
    const path = '/v1/entries/kept/large';
    await connection.ask({ method: 'PUT', path, body: Buffer.alloc(15_000, 'x') });
    connection.close();
    for (let count = 0; count < 40; count++) this.#open().write(head('GET', path).repeat(1_000));
  }

  /** As many connections as there are to be had, and some. */
  async #connectOnly(): Promise<void> {
    let refused = 0;
    for (let count = 0; count < 1_000; count++) {
      // One that reads nothing does not see that it was closed.
      this.#open().once('close', () => void refused++).resume();
    }
    await until('a connection is refused', () => refused > 0);
  }

  #open(): Socket {
    const place = placeOf(this.#url);
    const socket = 'socketPath' in place ? connect(place.socketPath) : connect(place.port, place.host);
    socket.pause();
    socket.on('error', () => {});
    this.#sockets.push(socket);
    return socket;
  }
}

function head(method: string, path: string, more = ''): string {
  return `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;
}
