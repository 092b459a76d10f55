/**
 * Follows `/v1/events` for the endings of one namespace. After a cut it goes on from the last
 * cursor it saw; a `resync` is told to whoever listens, for then endings may have been missed.
 */
import { get, type ClientRequest, type IncomingMessage } from 'node:http';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { z } from 'zod';
import { bareEtag } from './etag.ts';
import type { Address } from './http-client.ts';

const endingSchema = z.object({
  data: z.object({
    key: z.string(),
    etag: z.string().optional(),
    reason: z.string(),
    endingId: z.string(),
    latenessMs: z.number(),
  }),
});

export interface StreamEnding {
  readonly key: string;
  readonly etag: string;
  readonly reason: string;
  readonly endingId: string;
  readonly latenessMs: number;
}

export interface EventStreamOptions {
  readonly address: Address;
  readonly namespace: string;
  readonly onEnding: (ending: StreamEnding, receivedAt: number) => void;
  readonly onResync: (receivedAt: number) => void;
  /** An event that is not as the contract has it. */
  readonly onMalformed: (detail: string) => void;
}

const RECONNECT_MS = 100;
const OPEN_TIMEOUT_MS = 10_000;

export class EventStream {
  readonly #options: EventStreamOptions;
  #request: ClientRequest | undefined;
  #cursor: string | undefined;
  #closed = false;

  constructor(options: EventStreamOptions) {
    this.#options = options;
  }

  /** Resolves once the stream is open: everything that ends from now on will be seen. */
  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error('Cannot follow the events: the stream did not open')),
        OPEN_TIMEOUT_MS,
      );
      const done = (error?: Error): void => {
        clearTimeout(timer);
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#connect(done);
    });
  }

  close(): void {
    this.#closed = true;
    this.#request?.destroy();
  }

  #connect(onOpen: (error?: Error) => void): void {
    const { address, namespace } = this.#options;
    const request = get({
      ...(address.kind === 'unix'
        ? { socketPath: address.path }
        : { host: address.host, port: address.port }),
      path: `/v1/events?namespace=${namespace}&types=entry.ended`,
      headers: this.#cursor === undefined ? {} : { 'Last-Event-ID': this.#cursor },
    });
    this.#request = request;
    request.on('error', (error) => {
      onOpen(error);
      this.#again();
    });
    request.on('response', (response) => {
      if (response.statusCode !== 200) {
        onOpen(new Error(`Cannot follow the events: status ${response.statusCode}`));
        response.resume();
        this.#again();
        return;
      }
      onOpen();
      this.#read(response);
    });
  }

  #read(response: IncomingMessage): void {
    let receivedAt = 0;
    const parser = createParser({ onEvent: (message) => this.#onMessage(message, receivedAt) });
    response.setEncoding('utf8');
    response.on('data', (text: string) => {
      receivedAt = performance.now();
      // Where it starts is told without an event, of which the parser says nothing.
      this.#cursor ??= /^id: (\S+)$/m.exec(text)?.[1];
      parser.feed(text);
    });
    response.on('close', () => this.#again());
    // 'close' follows; without a listener an abort would end the process.
    response.on('error', () => {});
  }

  #again(): void {
    if (this.#closed) return;
    setTimeout(() => {
      if (!this.#closed) this.#connect(() => {});
    }, RECONNECT_MS).unref();
  }

  #onMessage(message: EventSourceMessage, receivedAt: number): void {
    if (message.id !== undefined) this.#cursor = message.id;
    if (message.event === 'resync') {
      this.#options.onResync(receivedAt);
      return;
    }
    const parsed = endingSchema.safeParse(parseJson(message.data));
    if (!parsed.success) {
      this.#options.onMalformed(`event ${message.event ?? ''} ${message.data.slice(0, 300)}`);
      return;
    }
    const { data } = parsed.data;
    this.#options.onEnding({ ...data, etag: bareEtag(data.etag ?? '') }, receivedAt);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
