/**
 * One life of a client: what it knows, and how it asks. When it ends, whoever waits for it waits for
 * ever, as the code of a process does that is gone: behaviours are written as if nothing happened.
 */
import type { History } from '../history/history.ts';
import type { Answer, Asked, Operation } from '../history/operation.ts';
import type { Chance } from '../kernel/chance.ts';
import { type Cancel, type Kernel, PRIORITY } from '../kernel/kernel.ts';
import { answerOf, requestOf } from './api.ts';
import { Contexts } from './contexts.ts';
import type { Contract } from './contract.ts';
import { type EventStream, type Follower, type Following, follow } from './event-stream.ts';
import { ask, type Serving } from './http-exchange.ts';
import { Caller } from './loopback.ts';
import { pauseBeforeRetry } from './retrying.ts';
import type { WatchedEvent } from './watched.ts';

/** The world as clients find it, and what they leave in it. */
export interface Neighbourhood {
  readonly kernel: Kernel;
  readonly history: Pick<History, 'operations' | 'answered'>;
  /** Every sidecar there is, running or not. */
  readonly sidecars: readonly Serving[];
  readonly namespaces: readonly Contract[];
  /** How many keys all of them share, in each namespace. */
  readonly keys: number;
}

export interface SessionParts {
  readonly neighbourhood: Neighbourhood;
  readonly client: string;
  /** Of this client, counted from 1. */
  readonly number: number;
  readonly chance: Chance;
  /** Where its pod is. */
  readonly sidecar: Serving;
  readonly watched: WatchedEvent[];
}

/** How long a client waits for an answer. */
const TIMEOUT_MS = { least: 300, most: 3_000 };
const THINK_MS = { least: 30, mean: 250, most: 2_000 };
/** Shares of the times something is begun. */
const MOVES = 0.02;
const LIKED = 0.7;

export class Session {
  readonly neighbourhood: Neighbourhood;
  readonly client: string;
  readonly name: string;
  readonly chance: Chance;
  readonly contexts = new Contexts();
  readonly watched: WatchedEvent[];
  sidecar: Serving;
  readonly #caller: Caller;
  readonly #timeoutMs: number;
  /** What ends the connections under way. */
  readonly #open = new Set<Cancel>();
  readonly #streams = new Set<EventStream>();
  #isQuiet = false;
  #readsNothing = false;
  #values = 0;

  constructor({ neighbourhood, client, number, chance, sidecar, watched }: SessionParts) {
    this.neighbourhood = neighbourhood;
    this.client = client;
    this.name = `${client}.${number}`;
    this.chance = chance;
    this.sidecar = sidecar;
    this.watched = watched;
    this.#caller = new Caller(neighbourhood.kernel, chance.fork('loopback'));
    this.#timeoutMs = chance.between(TIMEOUT_MS.least, TIMEOUT_MS.most);
  }

  get nowMs(): number {
    return this.neighbourhood.kernel.nowMs;
  }

  /* ---- what it can do -------------------------------------------------------------------- */

  /** Asks once. */
  attempt(asked: Asked, sidecar: Serving = this.sidecar, intent?: number): Promise<Operation> {
    const { kernel, history } = this.neighbourhood;
    return new Promise((resolve) => {
      if (this.#isQuiet) return;
      const id = history.operations.length;
      const operation: Operation = {
        id, asked,
        intent: intent ?? id,
        client: this.client,
        session: this.name,
        sidecar: sidecar.name,
        run: sidecar.run,
        askedAtMs: kernel.nowMs,
      };
      history.operations.push(operation);
      kernel.note(this.client, `asks ${sidecar.name} #${id}: ${textOf(asked)}`);
      const request = { ...requestOf(asked), timeoutMs: this.#timeoutMs };
      const cancel = ask(this.#caller, sidecar, request, (answer) => {
        this.#open.delete(cancel);
        const told = answerOf(asked, answer, kernel.nowMs);
        operation.answer = told;
        history.answered.push(operation);
        this.contexts.learn(asked, told);
        kernel.note(this.client, `hears of #${id}: ${told.status} ${told.code ?? told.etag ?? 'done'}`);
        resolve(operation);
      });
      this.#open.add(cancel);
    });
  }

  /**
   * Asks until there is an answer that stands, the client has had enough, or `untilMs` is over.
   * Always the same sidecar: keys of idempotency mean nothing to another.
   */
  async insist(asked: Asked, untilMs = Infinity): Promise<Answer> {
    const { sidecar } = this;
    let intent: number | undefined;
    for (let attempts = 1; ; attempts++) {
      const operation = await this.attempt(asked, sidecar, intent);
      intent = operation.intent;
      const answer = operation.answer!;
      const pauseMs = pauseBeforeRetry(asked, answer, attempts, this.chance);
      if (pauseMs === undefined || this.nowMs + pauseMs >= untilMs) return answer;
      await this.wait(pauseMs);
    }
  }

  follow(following: Following, follower: Follower): EventStream | undefined {
    if (this.#isQuiet) return undefined;
    const stream = follow(this.#caller, this.sidecar, following, {
      ...follower,
      over: (answer) => {
        this.#open.delete(close);
        this.#streams.delete(stream);
        follower.over(answer);
      },
    });
    const close = (): void => stream.close();
    this.#open.add(close);
    this.#streams.add(stream);
    if (this.#readsNothing) stream.pause();
    return stream;
  }

  /** What it watches stays in the buffers of its connections. */
  set readsNothing(nothing: boolean) {
    this.#readsNothing = nothing;
    for (const stream of this.#streams) {
      if (nothing) stream.pause();
      else stream.goOn();
    }
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isQuiet) return;
      this.neighbourhood.kernel.after(ms, PRIORITY.timer, `${this.client} waits`, resolve);
    });
  }

  /** Something else at the same time. What it throws is a bug of the simulator. */
  begin(behaviour: Promise<void>): void {
    behaviour.catch((error: unknown) => this.neighbourhood.kernel.fail(error));
  }

  /* ---- how it lives ---------------------------------------------------------------------- */

  /** Does something else for a while; now and then its pod is another one afterwards. */
  async think(): Promise<void> {
    const { least, mean, most } = THINK_MS;
    await this.wait(Math.min(most, least + this.chance.wait(mean)));
    if (this.chance.happens(MOVES)) this.sidecar = this.chance.pick(this.neighbourhood.sidecars);
  }

  /** One that will do, mostly of those it likes. There is one, or the behaviour had not been chosen. */
  namespace(willDo: (contract: Contract) => boolean, likes = willDo): Contract {
    const able = this.neighbourhood.namespaces.filter(willDo);
    const liked = able.filter(likes);
    return this.chance.pick(liked.length > 0 && this.chance.happens(LIKED) ? liked : able);
  }

  /** One of those that everybody uses. */
  key(): string {
    return `k${this.#popular()}`;
  }

  /** One that nobody else writes. */
  ownKey(): string {
    return `${this.client}/${this.chance.integer(3)}`;
  }

  /** Where numbers are. */
  counter(): string {
    return `n${this.#popular()}`;
  }

  /** Some keys are in everybody's hands, others nearly forgotten. */
  #popular(): number {
    return Math.floor(this.neighbourhood.keys * this.chance.fraction() ** 2);
  }

  /** Different in every write of a run. */
  value(): string {
    this.#values += 1;
    return `${this.name}#${this.#values}`;
  }

  idempotencyKey(): string {
    return this.value();
  }

  /* ---- how it ends ----------------------------------------------------------------------- */

  /** Asks nothing more; what it has asked may still be answered. */
  stop(): void {
    this.#isQuiet = true;
  }

  /** Is gone, with all its connections. */
  crash(): void {
    this.#isQuiet = true;
    for (const cancel of this.#open) cancel();
    this.#open.clear();
  }
}

function textOf(asked: Asked): string {
  switch (asked.kind) {
    case 'grant':
      return `grant ${asked.ttlMs} ms in ${asked.namespace}`;
    case 'renew':
    case 'release':
    case 'transfer':
    case 'get-lease':
      return `${asked.kind} ${asked.lease}`;
    case 'put':
      return `put ${asked.namespace}/${asked.key} = ${asked.value}`;
    case 'increment':
      return `add ${asked.by} to ${asked.namespace}/${asked.key}`;
    case 'get':
    case 'delete':
      return `${asked.kind} ${asked.namespace}/${asked.key}`;
    case 'batch':
      return `batch: ${asked.operations.map(textOf).join(', ')}`;
    case 'list':
      return `list ${asked.namespace}/${asked.prefix}`;
  }
}
