/**
 * A stream of server-sent events from a sidecar: pieces in their order, a buffer that fills while the
 * client does not read, and an end. What is in the buffer when the sidecar dies may be lost, as on
 * a connection that is reset.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Cancel, PRIORITY } from '../kernel/kernel.ts';
import type { SimulatedProcess } from '../machine/simulated-process.ts';
import { type HttpAnswer, type Serving, withoutAnswer } from './http-exchange.ts';
import { type Caller, SimulatedSocket, whenDead } from './loopback.ts';
import { type RequestHead, SimulatedRequest, SimulatedResponse, type Sink } from './messages.ts';

export interface Following extends RequestHead {
  /** What the sidecar may write ahead of the client. */
  readonly bufferBytes: number;
}

export interface Follower {
  readonly opened: (headers: HttpAnswer['headers']) => void;
  readonly text: (text: string) => void;
  /** Once, and nothing after it. Any status but 200 is a refusal; 200 is an end in good order. */
  readonly over: (answer: HttpAnswer) => void;
}

export interface EventStream {
  /** Nothing more is read until `goOn`. */
  pause(): void;
  goOn(): void;
  /** The client goes away; it hears nothing more. */
  close(): void;
}

const UNREACHED: EventStream = { pause: () => {}, goOn: () => {}, close: () => {} };

export function follow(
  caller: Caller,
  { name, process, handler }: Serving,
  following: Following,
  follower: Follower,
): EventStream {
  if (process?.alive !== true || handler === undefined) {
    const close = caller.kernel.after(caller.latencyMs(), PRIORITY.arrival, `${name} refuses`, () =>
      follower.over(withoutAnswer('connection-refused')),
    );
    return { ...UNREACHED, close };
  }
  const stream = new OpenStream(caller, process, following.bufferBytes, follower);
  process.schedule(caller.latencyMs(), PRIORITY.arrival, 'request', () => {
    const incoming = new SimulatedRequest(following, stream.socket, (deliver) => deliver());
    handler(incoming as unknown as IncomingMessage, stream.response as unknown as ServerResponse);
  });
  return stream;
}

class OpenStream implements EventStream, Sink {
  readonly socket = new SimulatedSocket();
  readonly response: SimulatedResponse;
  readonly #caller: Caller;
  readonly #process: SimulatedProcess;
  readonly #bufferBytes: number;
  readonly #follower: Follower;
  readonly #noReset: Cancel;
  #status = 0;
  #headers: HttpAnswer['headers'] = {};
  #unread = '';
  #isFull = false;
  #isPaused = false;
  #isDue = false;
  #isOpened = false;
  #isEnded = false;
  #isOver = false;

  constructor(caller: Caller, process: SimulatedProcess, bufferBytes: number, follower: Follower) {
    this.#caller = caller;
    this.#process = process;
    this.#bufferBytes = bufferBytes;
    this.#follower = follower;
    this.response = new SimulatedResponse(process, this);
    this.#noReset = whenDead(process, () => {
      this.#later('reset', () => this.#finish(withoutAnswer('connection-reset')));
    });
  }

  /* ---- the sidecar's side ---------------------------------------------------------------- */

  head(status: number, headers: HttpAnswer['headers']): void {
    this.#status = status;
    this.#headers = headers;
    this.#deliverSoon();
  }

  data(piece: Buffer | string): boolean {
    this.#unread += String(piece);
    this.#deliverSoon();
    this.#isFull = this.#unread.length >= this.#bufferBytes;
    return !this.#isFull;
  }

  end(): void {
    this.#isEnded = true;
    this.#noReset();
    this.#enter('sent', () => this.response.close());
    this.#deliverSoon();
  }

  /* ---- the client's side ----------------------------------------------------------------- */

  pause(): void {
    this.#isPaused = true;
  }

  goOn(): void {
    this.#isPaused = false;
    this.#deliverSoon();
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#noReset();
    this.#enter('hang-up', () => {
      this.socket.emit('end');
      this.response.close();
    });
  }

  /* ---- in between ------------------------------------------------------------------------ */

  #deliverSoon(): void {
    if (this.#isPaused || this.#isDue || this.#isOver || this.#status === 0) return;
    this.#isDue = true;
    this.#later('events', () => {
      this.#isDue = false;
      if (!this.#isPaused && !this.#isOver) this.#deliver();
    });
  }

  #deliver(): void {
    const text = this.#unread;
    this.#unread = '';
    if (this.#status === 200) {
      if (!this.#isOpened) this.#follower.opened(this.#headers);
      this.#isOpened = true;
      if (text !== '') this.#follower.text(text);
    }
    if (this.#isEnded) {
      this.#finish({ status: this.#status, headers: this.#headers, body: Buffer.from(text) });
    } else if (this.#isFull) {
      this.#isFull = false;
      this.#enter('drain', () => this.response.emit('drain'));
    }
  }

  #finish(answer: HttpAnswer): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#noReset();
    this.#follower.over(answer);
  }

  #later(label: string, work: () => void): void {
    const atMs = this.#process.trueMs + this.#caller.latencyMs();
    this.#caller.kernel.at(atMs, PRIORITY.arrival, `${this.#process.name} ${label}`, work);
  }

  #enter(label: string, work: () => void): void {
    this.#process.schedule(this.#caller.latencyMs(), PRIORITY.arrival, label, work);
  }
}
