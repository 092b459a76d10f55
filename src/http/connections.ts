/**
 * The connections of all listeners together: how many there are, which are idle, and what becomes of
 * those that do not speak HTTP. One sweep looks at all of them about once a second; timers per
 * socket would cost a fifth of a small request. `node:http` checks the time a request takes to
 * arrive with a sweep of its own, and reports through `clientError` like a parse error.
 */
import { STATUS_CODES, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type ErrorCode, reject, type Rejection } from '../errors.ts';
import type { FailReading } from './body.ts';
import { problemHeaders, problemOf } from './problem.ts';

export class Connection {
  readonly socket: Socket;
  /** Requests that are not answered yet. */
  pending = 0;
  /** Ends the request whose body is being read, if there is one. */
  failReading: FailReading | undefined;
  /** Requests that came while a body before theirs was being read: pipelines keep their order. */
  readonly waiting: (() => void)[] = [];
  /** What comes after a parse error is noise. */
  broken = false;
  /** The answer to its newest request: the last in order, whichever is made last. */
  newest: ServerResponse | undefined;
  /** What is asked from now on is not carried out; the newest answer says that it is the last. */
  takesNoMore = false;
  hasSaidLast = false;
  /** Requests taken since the server drains. */
  takenAtLast = 0;
  /** As of the last sweep that saw something move, and how many have passed since. */
  movedBytes = 0;
  stillSweeps = 0;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /**
   * Every request is answered, and none of the answers has said that it is the last: closes the
   * connection when the newest is sent.
   */
  closeWhenSent(): void {
    this.hasSaidLast = true;
    const { newest, socket } = this;
    if (newest === undefined || newest.writableFinished) socket.destroySoon();
    else newest.once('finish', () => socket.destroySoon());
  }
}

export interface ConnectionLimits {
  readonly connections: number;
  readonly keepAliveMs: number;
  /** A client that reads nothing of its answer for so long is cut off. */
  readonly requestTimeoutMs: number;
}

export const SWEEP_MS = 1_000;

interface ClientError extends Error {
  readonly code?: string;
  readonly reason?: string;
}

/** What a parse error or timeout is to the client; undefined: there is nobody to tell. */
function rejectionOf(error: ClientError): Rejection | undefined {
  switch (error.code) {
    case 'ECONNRESET':
    case 'EPIPE':
      return undefined;
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return reject('request-timeout', 'Cannot wait longer: the request did not arrive in time');
    case 'HPE_HEADER_OVERFLOW':
      return reject('headers-too-large', 'Cannot read the request: its headers are too large');
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return reject('body-too-large', 'Cannot read the body: its chunk extensions are too large');
    default:
      return reject('invalid-request', `Cannot read the request as HTTP: ${error.reason ?? error.message}`);
  }
}

export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #bySocket = new Map<Socket, Connection>();

  readonly #onRefused: (code: ErrorCode) => void;

  /** `onRefused` is told of what was refused before it was a request. */
  constructor(limits: ConnectionLimits, onRefused: (code: ErrorCode) => void) {
    this.#limits = limits;
    this.#onRefused = onRefused;
  }

  get size(): number {
    return this.#bySocket.size;
  }

  of(socket: Socket): Connection | undefined {
    return this.#bySocket.get(socket);
  }

  watch(server: Server): void {
    server.on('connection', (socket) => {
      if (this.#bySocket.size >= this.#limits.connections) {
        socket.destroy();
        return;
      }
      const connection = new Connection(socket);
      this.#bySocket.set(socket, connection);
      socket.once('close', () => {
        this.#bySocket.delete(socket);
        connection.waiting.length = 0;
        connection.failReading?.(undefined);
      });
    });
    server.on('clientError', (error: ClientError, socket) => this.#onError(error, socket as Socket));
  }

  #onError(error: ClientError, socket: Socket): void {
    const connection = this.#bySocket.get(socket);
    if (connection?.broken === true) return;
    const rejection = rejectionOf(error);
    if (connection === undefined || rejection === undefined || !socket.writable) {
      socket.destroy();
      return;
    }
    connection.broken = true;
    const unreadable = rejection.refused === 'invalid-request';
    const ofBody = unreadable ? reject('malformed-body', rejection.detail) : rejection;
    if (connection.failReading?.(ofBody) === true) return;
    if (connection.pending === 0) {
      this.#onRefused(rejection.refused);
      socket.end(rawResponse(rejection));
    }
    // Else answers are due to earlier requests, and this one must not overtake them: the sweep
    // closes the connection when they are given.
  }

  /** Closes what is idle, stuck or broken. To be called every `SWEEP_MS`. */
  sweep(): void {
    const idleSweeps = Math.ceil(this.#limits.keepAliveMs / SWEEP_MS);
    const stuckSweeps = Math.ceil(this.#limits.requestTimeoutMs / SWEEP_MS);
    for (const connection of this.#bySocket.values()) {
      const { socket } = connection;
      const movedBytes = socket.bytesRead + socket.bytesWritten - socket.writableLength;
      if (movedBytes !== connection.movedBytes) {
        connection.movedBytes = movedBytes;
        connection.stillSweeps = 0;
        continue;
      }
      connection.stillSweeps++;
      if (socket.writableLength > 0) {
        if (connection.stillSweeps > stuckSweeps) socket.destroy();
      } else if (connection.pending === 0) {
        if (connection.broken || connection.stillSweeps > idleSweeps) socket.destroy();
      }
    }
  }

  /** Closes those on which nothing has been asked, or nothing can be; with `all` the others too. */
  close(all: boolean): void {
    for (const { broken, pending, socket } of this.#bySocket.values()) {
      const isUnused = pending === 0 && socket.bytesRead === 0;
      if (all || broken || isUnused) socket.destroy();
    }
  }
}

/** A whole answer, for a connection on which no request could be made out. */
function rawResponse(rejection: Rejection): string {
  const problem = problemOf(rejection);
  const body = JSON.stringify(problem);
  const headers = problemHeaders(problem);
  headers.push('Content-Length', String(Buffer.byteLength(body)), 'Connection', 'close');
  let text = `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n`;
  for (let index = 0; index < headers.length; index += 2) {
    text += `${headers[index]}: ${headers[index + 1]}\r\n`;
  }
  return `${text}\r\n${body}`;
}
