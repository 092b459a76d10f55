/**
 * Connections that take room and give nothing: watchers that do not read, bodies that stop in the
 * middle, and others that say nothing at all, up to the limit and beyond it.
 */
import { connect, type Socket } from 'node:net';
import { placeOf } from '../requests.ts';
import type { Kind, Verdicts } from './verdicts.ts';

export interface CrowdSize {
  readonly watchers: number;
  readonly bodies: number;
  readonly idle: number;
}

const BODY_BYTES = 256 * 1024;
const SENT_BYTES = BODY_BYTES - 1;
const HEAD_BYTES_MAX = 16_384;

export class Crowd {
  readonly #place: { path: string } | { host: string; port: number };
  readonly #verdicts: Verdicts;
  readonly #sockets = new Set<Socket>();

  constructor(url: string, verdicts: Verdicts) {
    const place = placeOf(url);
    this.#place = 'socketPath' in place ? { path: place.socketPath } : place;
    this.#verdicts = verdicts;
  }

  gather({ watchers, bodies, idle }: CrowdSize): void {
    for (let count = 0; count < watchers; count++) this.#watch();
    for (let count = 0; count < bodies; count++) this.#stall(count);
    // Beyond the limit they are closed at once, which costs nobody anything.
    for (let count = 0; count < idle; count++) this.#open();
  }

  /** How many are still there. */
  get size(): number {
    return this.#sockets.size;
  }

  leave(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #open(): Socket {
    const socket = connect(this.#place);
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    return socket;
  }

  #watch(): void {
    const socket = this.#open();
    socket.write('GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n');
    this.#onHead(socket, 'watch');
  }

  #stall(number: number): void {
    const socket = this.#open();
    const path = `/v1/entries/default/stalled/${number}?ttlMs=600000`;
    socket.write(`PUT ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${BODY_BYTES}\r\n\r\n`);
    socket.write(Buffer.alloc(SENT_BYTES, '.'));
    this.#onHead(socket, 'body');
  }

  /** Judges the head of the answer, and reads no further. */
  #onHead(socket: Socket, kind: Kind): void {
    let text = '';
    const read = (bytes: Buffer): void => {
      text += bytes.toString('latin1');
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]);
      const code = /"code":"([a-z-]+)"/.exec(text)?.[1];
      const isWhole = text.includes('\r\n\r\n') && (status < 400 || code !== undefined);
      if (!isWhole && text.length < HEAD_BYTES_MAX) return;
      socket.off('data', read);
      socket.pause();
      const retryAfter = /^retry-after: *(\d+)/im.exec(text)?.[1];
      this.#verdicts.judge({ kind, status, code, retryAfter });
    };
    socket.on('data', read);
  }
}
