/**
 * Keeps the connections busy: closed loop (as fast as replies come back) or at a fixed rate, where
 * latency counts from the moment a request was due, so a stall shows in full. Writes of one key
 * wait for each other; the reply of every request goes to the model.
 */
import { randomUUID } from 'node:crypto';
import { bareEtag } from './etag.ts';
import { Histogram } from './histogram.ts';
import { type Address, type Exchange, HttpClient, hostOf } from './http-client.ts';
import type { Model, WriteIntent, WriteReply } from './model.ts';
import type { KeyNames, Values } from './payload.ts';
import { header, type Response } from './response-parser.ts';
import type { Retries } from './retries.ts';
import { type Draw, type DrawSource, RequestWriter } from './traffic.ts';
import type { Operation } from './workload.ts';

/** Draws that wait for an earlier write of their key; beyond it they are given up and counted. */
const WAITING_MAX = 4_096;
/** At a fixed rate: draws that are due and found no free place. */
const BACKLOG_MAX = 20_000;
const REQUEST_TIMEOUT_MS = 5_000;
/** An increment leaves the deadline alone only when the counter will surely outlive the request. */
const SURELY_LIVE_MS = 250;

/** Who judges what one sidecar answers. */
export type Judge = Pick<
  Model,
  | 'setHorizon' | 'belief' | 'isBusy' | 'beginWrite' | 'endWrite' | 'cancelWrite' | 'loseWrite'
  | 'endRead' | 'failRead'
>;

export interface DriverOptions {
  readonly address: Address;
  readonly namespace: string;
  readonly connections: number;
  readonly pipeline: number;
  /** Requests a second; undefined: as many as it takes. */
  readonly rate: number | undefined;
  readonly draws: DrawSource;
  readonly names: KeyNames;
  readonly values: Values;
  readonly model: Judge;
  /** Without them a refusal stands, and a request whose connection breaks is lost. */
  readonly retries?: Retries;
  /** Called now and then between requests, for work that may take a millisecond. */
  readonly onIdle: (now: number) => void;
}

export interface DriverCounts {
  readonly replies: number;
  readonly hits: number;
  readonly misses: number;
  /** Refusals that change nothing, by code. */
  readonly refused: Readonly<Record<string, number>>;
  /** Requests without a reply. */
  readonly lost: number;
  /** Draws given up because their key, or everything, was busy. */
  readonly skipped: number;
  readonly reconnects: number;
}

export class Driver {
  readonly latency = new Map<Operation, Histogram>();
  readonly #options: DriverOptions;
  readonly #requests: RequestWriter;
  readonly #client: HttpClient;
  /** Of the keys that make a repeated write the same write. */
  readonly #tag = randomUUID();
  readonly #waiting = new Map<number, Draw[]>();
  /** Draws whose key has become free. */
  #ready: Draw[] = [];
  #backlog: Draw[] = [];
  #waitingCount = 0;
  #writes = 0;
  #keysMade = 0;
  #replies = 0;
  #hits = 0;
  #misses = 0;
  #lost = 0;
  #skipped = 0;
  #refused: Record<string, number> = {};
  #stopped = false;
  #pacer: NodeJS.Timeout | undefined;
  #idler: NodeJS.Timeout | undefined;

  constructor(options: DriverOptions) {
    this.#options = options;
    this.#requests = new RequestWriter(hostOf(options.address), options.namespace, options.names);
    this.#client = new HttpClient({
      address: options.address,
      connections: options.connections,
      pipeline: options.pipeline,
      timeoutMs: REQUEST_TIMEOUT_MS,
      next: () => this.#next(),
    });
  }

  get counts(): DriverCounts {
    return {
      replies: this.#replies,
      hits: this.#hits,
      misses: this.#misses,
      refused: { ...this.#refused },
      lost: this.#lost,
      skipped: this.#skipped,
      reconnects: this.#client.reconnects,
    };
  }

  get failure(): Error | undefined {
    return this.#client.failure;
  }

  start(): void {
    this.#client.start();
    if (this.#options.rate !== undefined) this.#pace(this.#options.rate);
    this.#idler = setInterval(() => {
      const now = performance.now();
      const { retries, model } = this.#options;
      const oldestSentAt = Math.min(this.#client.oldestSentAt, retries?.oldestSentAt ?? Infinity);
      model.setHorizon(Math.min(now, oldestSentAt));
      if (retries !== undefined && retries.waiting > 0) this.#client.wake();
      this.#options.onIdle(now);
    }, 5);
  }

  /** Sends nothing new; resolves when every request has been answered or given up. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#pacer);
    this.#ready = [];
    this.#backlog = [];
    this.#waiting.clear();
    const isBusy = (): boolean => this.#client.inFlight > 0 || (this.#options.retries?.waiting ?? 0) > 0;
    while (isBusy()) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  close(): void {
    clearInterval(this.#pacer);
    clearInterval(this.#idler);
    this.#client.close();
  }

  #pace(rate: number): void {
    const startedAt = performance.now();
    let offered = 0;
    this.#pacer = setInterval(() => {
      const due = Math.floor(((performance.now() - startedAt) * rate) / 1000);
      for (; offered < due; offered += 1) {
        if (this.#backlog.length >= BACKLOG_MAX) this.#skipped += 1;
        else this.#backlog.push(this.#options.draws(startedAt + (offered * 1000) / rate));
      }
      this.#client.wake();
    }, 1);
  }

  #next(): Exchange | undefined {
    const { retries } = this.#options;
    if (retries === undefined) return this.#nextNew();
    const again = retries.due(performance.now());
    if (again !== undefined || retries.isFull) return again;
    const exchange = this.#nextNew();
    return exchange === undefined ? undefined : retries.wrap(exchange);
  }

  #nextNew(): Exchange | undefined {
    if (this.#stopped) return undefined;
    // Most draws can go out at once; a hot key's writes are put aside and the next draw is tried.
    for (let tries = 0; tries < 64; tries += 1) {
      const draw = this.#ready.pop() ?? this.#draw();
      if (draw === undefined) return undefined;
      if (draw.operation === 'get' || draw.operation === 'gets') return this.#read(draw);
      if (!this.#options.model.isBusy(draw.rank)) return this.#write(draw);
      this.#putAside(draw);
    }
    return undefined;
  }

  #draw(): Draw | undefined {
    return this.#options.rate === undefined ? this.#options.draws(undefined) : this.#backlog.shift();
  }

  #putAside(draw: Draw): void {
    if (this.#waitingCount >= WAITING_MAX) {
      this.#skipped += 1;
      return;
    }
    this.#waitingCount += 1;
    const queue = this.#waiting.get(draw.rank);
    if (queue === undefined) this.#waiting.set(draw.rank, [draw]);
    else queue.push(draw);
  }

  #free(rank: number): void {
    const queue = this.#waiting.get(rank);
    const draw = queue?.shift();
    if (queue === undefined || draw === undefined) return;
    this.#waitingCount -= 1;
    if (queue.length === 0) this.#waiting.delete(rank);
    this.#ready.push(draw);
  }

  #read(draw: Draw): Exchange {
    const { model } = this.#options;
    const sentAt = performance.now();
    return {
      text: this.#requests.get(draw.rank),
      sentAt,
      onReply: (response, receivedAt) => {
        this.#account(draw, sentAt, receivedAt);
        if (this.#isRefusal(response)) return;
        const found = response.status === 200;
        if (found) this.#hits += 1;
        else this.#misses += 1;
        if (!found && response.status !== 404) {
          model.failRead(draw.rank, response.status);
          return;
        }
        model.endRead(draw.rank, sentAt, receivedAt, {
          found,
          etag: etagOf(response),
          body: response.body,
          remainingMs: remainingOf(response),
        });
      },
      onLost: () => {
        this.#lost += 1;
      },
    };
  }

  #write(draw: Draw): Exchange {
    const { model } = this.#options;
    const sentAt = performance.now();
    const { intent, text } = this.#compose(draw, sentAt);
    model.beginWrite(intent);
    return {
      text,
      sentAt,
      onReply: (response, receivedAt) => {
        this.#account(draw, sentAt, receivedAt);
        if (this.#isRefusal(response)) model.cancelWrite(draw.rank);
        else model.endWrite(draw.rank, writeReplyOf(response, intent.kind), receivedAt);
        this.#free(draw.rank);
      },
      onLost: (at) => {
        this.#lost += 1;
        model.loseWrite(draw.rank, at);
        this.#free(draw.rank);
      },
    };
  }

  #compose(draw: Draw, sentAt: number): { intent: WriteIntent; text: string } {
    const { rank, ttlMs, chance } = draw;
    const belief = this.#options.model.belief(rank, sentAt);
    if (draw.operation === 'incr') {
      const ttl = belief.liveForMs > SURELY_LIVE_MS ? undefined : ttlMs;
      return {
        intent: { kind: 'incr', rank, sentAt, ttlMs: ttl },
        text: this.#requests.increment(rank, ttl, this.#onceOnly()),
      };
    }
    this.#writes += 1;
    const content = this.#options.values.contentFor(this.#writes);
    const value = this.#options.values.render(content);
    if (draw.operation === 'cas') {
      // Half of them keep the deadline; one in eight carries a version that never was.
      const ttl = chance < 0.5 ? ttlMs : undefined;
      const ifMatch = chance * 8 - Math.floor(chance * 8) < 1 / 8 ? 'never' : (belief.etag ?? 'never');
      const headers = `If-Match: "${ifMatch}"\r\n${this.#onceOnly()}`;
      return {
        intent: { kind: 'cas', rank, sentAt, ttlMs: ttl, ifMatch, content },
        text: this.#requests.put(rank, value, ttl, headers),
      };
    }
    const kind = draw.operation === 'add' ? 'add' : 'set';
    const condition = kind === 'add' ? 'If-None-Match: *\r\n' : '';
    return {
      intent: { kind, rank, sentAt, ttlMs, content },
      text: this.#requests.put(rank, value, ttlMs, condition + this.#onceOnly()),
    };
  }

  /** What makes sending it again harmless, where it may be. */
  #onceOnly(): string {
    if (this.#options.retries === undefined) return '';
    this.#keysMade += 1;
    return `Idempotency-Key: "${this.#tag}-${this.#keysMade}"\r\n`;
  }

  #account(draw: Draw, sentAt: number, receivedAt: number): void {
    this.#replies += 1;
    let histogram = this.latency.get(draw.operation);
    if (histogram === undefined) {
      histogram = new Histogram();
      this.latency.set(draw.operation, histogram);
    }
    histogram.record(receivedAt - (draw.dueAt ?? sentAt));
  }

  /** 429 and 503 say: nothing changed, come back later. */
  #isRefusal(response: Response): boolean {
    if (response.status !== 429 && response.status !== 503) return false;
    const code = codeOf(response) ?? String(response.status);
    this.#refused[code] = (this.#refused[code] ?? 0) + 1;
    return true;
  }
}

function codeOf({ body }: Response): string | undefined {
  return /"code" *: *"([^"]*)"/.exec(body)?.[1];
}

function writeReplyOf(response: Response, kind: WriteIntent['kind']): WriteReply {
  if (response.status >= 300) return { status: response.status, etag: etagOf(response), code: codeOf(response) };
  if (kind !== 'incr') return { status: response.status, etag: etagOf(response) };
  const body = JSON.parse(response.body) as { value?: unknown; etag?: unknown };
  return {
    status: response.status,
    etag: typeof body.etag === 'string' ? bareEtag(body.etag) : undefined,
    value: Number(body.value),
  };
}

function etagOf(response: Response): string | undefined {
  const etag = header(response.head, 'etag');
  return etag === undefined ? undefined : bareEtag(etag);
}

function remainingOf(response: Response): number | undefined {
  const text = header(response.head, 'leasehold-remaining-ms');
  return text === undefined ? undefined : Number(text);
}
