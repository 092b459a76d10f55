/**
 * A request and a response as the HTTP edge sees them: just the members it uses, and no stream
 * machinery, which would cost more than everything behind it.
 */
import type { SimulatedProcess } from '../machine/simulated-process.ts';
import { Listeners } from './listeners.ts';

export interface RequestHead {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

export class SimulatedRequest extends Listeners {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly httpVersion = '1.1';
  readonly socket: object;
  complete = false;
  readableEnded = false;
  readonly #body: Buffer | undefined;
  readonly #whenThere: (deliver: () => void) => void;

  /** `whenThere` calls what it is given when the body has arrived: at once, or later. */
  constructor(
    { method, path, headers, body }: RequestHead,
    socket: object,
    whenThere: (deliver: () => void) => void,
  ) {
    super();
    this.method = method;
    this.url = path;
    this.headers = {
      host: 'localhost',
      ...headers,
      ...(body === undefined ? {} : { 'content-length': String(body.length) }),
    };
    this.socket = socket;
    this.#body = body;
    this.#whenThere = whenThere;
  }

  override on(name: string, listener: (...values: never[]) => void): this {
    super.on(name, listener);
    if (name === 'end') this.#whenThere(() => this.#deliver());
    return this;
  }

  /** A body that nobody wants is not delivered anyway. */
  resume(): this {
    return this;
  }

  #deliver(): void {
    if (this.complete) return;
    this.complete = true;
    if (this.#body !== undefined) this.emit('data', this.#body);
    this.readableEnded = true;
    this.emit('end');
  }
}

/** Where a response goes. */
export interface Sink {
  head(status: number, headers: Readonly<Record<string, string>>): void;
  /** false: it takes no more for now, and says `drain` when it does. */
  data(piece: Buffer | string): boolean;
  end(): void;
}

export class SimulatedResponse extends Listeners {
  readonly #process: SimulatedProcess;
  readonly #sink: Sink;
  #over = false;

  constructor(process: SimulatedProcess, sink: Sink) {
    super();
    this.#process = process;
    this.#sink = sink;
  }

  writeContinue(): void {}

  writeHead(status: number, flat: readonly string[]): this {
    if (!this.#takes) return this;
    const headers: Record<string, string> = {};
    for (let index = 0; index < flat.length; index += 2) {
      headers[flat[index]!.toLowerCase()] = flat[index + 1]!;
    }
    this.#sink.head(status, headers);
    return this;
  }

  write(piece: Buffer | string): boolean {
    return this.#takes ? this.#sink.data(piece) : false;
  }

  end(piece?: Buffer | string): this {
    if (!this.#takes) return this;
    if (piece !== undefined) this.#sink.data(piece);
    this.#over = true;
    this.#sink.end();
    return this;
  }

  /** The connection is gone: nothing more is taken, and whoever wanted to hear of it hears. */
  close(): void {
    this.#over = true;
    this.emit('close');
  }

  /** What a dead process still does in the turn that killed it reaches nobody. */
  get #takes(): boolean {
    return !this.#over && this.#process.alive;
  }
}
