/** A whole edge over a real engine, on a clock and a journal that only the test moves. */
import { inject, type InjectOptions, type Response } from 'light-my-request';
import { parseTokens } from '../../src/access/token-list.ts';
import type { Token } from '../../src/access/token.ts';
import { Tokens } from '../../src/access/tokens.ts';
import type { Command } from '../../src/core/command.ts';
import type { NamespaceContract } from '../../src/core/contract.ts';
import { Core } from '../../src/core/core.ts';
import { Engine } from '../../src/engine/engine.ts';
import { Feed } from '../../src/engine/feed.ts';
import { IdempotencyMemory } from '../../src/engine/idempotency.ts';
import type { IdempotencyRequest, Outcome, Service } from '../../src/engine/service.ts';
import { Timeline } from '../../src/engine/timeline.ts';
import { systemMachine } from '../../src/machine/system-machine.ts';
import type { Rejection } from '../../src/errors.ts';
import { cloudEvent, type EventContract } from '../../src/events/cloud-event.ts';
import type { Operations, Readiness } from '../../src/http/operations.ts';
import type { HttpOptions } from '../../src/http/options.ts';
import { createHttpServer } from '../../src/http/server.ts';
import { READINESS_REASONS, type ReadinessReason } from '../../src/readiness.ts';
import { world as admissionWorld, type WorldChanges } from '../admission/world.ts';
import { HeldJournal } from '../engine/held-journal.ts';

export const ACTOR = '00000000000000aa';
export const START_MS = 1_700_000_000_000;
const KEY = Buffer.alloc(32, 7);

type Contract = NamespaceContract & EventContract;

export function contract(changes: Partial<Contract> = {}): Contract {
  return {
    name: 'default',
    class: 'shared',
    ttl: { defaultMs: 30_000, minMs: 100, maxMs: 3_600_000, maxLifetimeMs: 86_400_000 },
    sliding: false,
    onExpire: 'delete',
    onDrain: 'keep',
    durability: 'journal',
    conflict: 'lww',
    mirror: 'none',
    autonomyMs: 60_000,
    capacity: { leases: 200, entries: 200, bytes: 1 << 20, eviction: 'refuse' },
    sensitive: false,
    ...changes,
    events: { values: 'none', publish: 'all', ...changes.events },
  };
}

export const CONTRACTS: readonly Contract[] = [
  contract(),
  contract({ name: 'other' }),
  contract({ name: 'counters', conflict: 'counter' }),
  contract({ name: 'siblings', conflict: 'siblings' }),
  contract({ name: 'owned', conflict: 'ownerWins' }),
  contract({ name: 'tiny', capacity: { leases: 1, entries: 1, bytes: 1024, eviction: 'refuse' } }),
  contract({ name: 'secret', sensitive: true }),
];

const LIMITS = {
  namespaces: 16, leases: 500, entries: 500, bytes: 1 << 20, valueBytes: 1 << 16, siblings: 2,
  copies: 0, copyBytes: 0, tombstones: 0,
  pageItems: 100, endedMemory: { entries: 100, ttlMs: 600_000 },
} as const;

export const OPTIONS: HttpOptions = {
  version: '0.0.0-test',
  hosts: ['sidecar.internal'],
  socketMode: '0600',
  requestTimeoutMs: 30_000,
  headersTimeoutMs: 10_000,
  keepAliveMs: 72_000,
  connections: 1000,
  requestsInFlight: { renew: 100, read: 100, put: 100, grant: 100, list: 100 },
  headerBytes: 16 * 1024,
  bodyBytes: 256 * 1024,
  valueBytes: 1 << 16,
  keyBytes: 512,
  inFlightBodyBytes: 1 << 20,
  pageItems: 100,
  batchOperations: 50,
  renewIds: 200,
  watchers: 10,
};

const REASON_OF = {
  degraded: 'bus-away', recovering: 'recovering', draining: 'draining', failed: 'journal-failed',
} as const satisfies Record<string, ReadinessReason>;

export class TestOperations implements Operations {
  state: Readiness['state'] = 'ready';
  isAlive = true;
  isRepairing = false;
  /** What the next round comes to, instead of an outcome. */
  roundRefused: Rejection | Error | undefined;

  status(_seen?: (namespace: string) => boolean): object {
    const parts = {
      namespaces: [], leases: {}, entries: {}, capacity: {}, pressure: {}, journal: {},
      recovery: {}, ledger: {}, bus: {}, outbox: {}, rounds: [], pathways: {}, memory: {},
    };
    return { replica: 'test', actor: ACTOR, version: OPTIONS.version, uptimeMs: 1, ...parts };
  }

  readiness(): Readiness {
    const { state } = this;
    if (state === 'ready') return { ready: true, state, reasons: [] };
    const reason = this.isRepairing ? 'repairing' : REASON_OF[state];
    return { ready: READINESS_REASONS[reason].ready, state, reasons: [reason] };
  }

  metrics(): string {
    return '# HELP up Whether it is.\n# TYPE up gauge\nup 1\n';
  }

  alive(): boolean {
    return this.isAlive;
  }

  async reconcile({ dryRun }: { readonly dryRun: boolean }): Promise<object | Rejection> {
    if (this.roundRefused instanceof Error) throw this.roundRefused;
    return this.roundRefused ?? { dryRun };
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly bytes: Buffer;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into documents of every shape
  readonly json: any;
}

export interface EdgeChanges {
  readonly options?: Partial<HttpOptions>;
  readonly feedFacts?: number;
  readonly promptJournal?: boolean;
  /** The file of tokens; absent: there are none. */
  readonly tokens?: object;
  readonly admission?: WorldChanges;
  /** What stands between the edge and the engine. */
  readonly wrap?: (service: Service) => Service;
}

/** Commands of one kind get an answer of the test's, as if something behind the engine gave it. */
export class Interposed implements Service {
  readonly #service: Service;
  readonly #outcomes = new Map<Command['op'], Outcome>();
  /** Every command that came by. */
  readonly seen: Command[] = [];

  constructor(service: Service) {
    this.#service = service;
  }

  answer(op: Command['op'], outcome: Outcome): void {
    this.#outcomes.set(op, outcome);
  }

  submit<C extends Command>(
    command: C,
    respond: (outcome: Outcome<C>, replayed: boolean) => void,
    idempotency?: IdempotencyRequest,
  ): void {
    this.seen.push(command);
    const outcome = this.#outcomes.get(command.op);
    if (outcome !== undefined) respond(outcome as Outcome<C>, false);
    else this.#service.submit(command, respond, idempotency);
  }

  now(): number {
    return this.#service.now();
  }

  toWallMs(instant: number): number {
    return this.#service.toWallMs(instant);
  }
}

export function edge(changes: EdgeChanges = {}) {
  const clocks = {
    elapsedMs: 0,
    monotonicMs: () => clocks.elapsedMs,
    wallMs: () => START_MS + clocks.elapsedMs,
  };
  const journal = new HeldJournal(changes.promptJournal ?? true);
  const core = new Core(
    { actor: ACTOR, hashSeed: 1, namespaces: CONTRACTS, autoCreateNamespaces: false, limits: LIMITS },
    START_MS,
  );
  const feed = new Feed({ facts: changes.feedFacts ?? 500, bytes: 1 << 16, ageMs: 300_000 });
  feed.beginRun(ACTOR);
  const failures: Error[] = [];
  const engine = new Engine({
    core, journal, feed,
    idempotency: new IdempotencyMemory({ entries: 100, bytes: 1 << 20, ttlMs: 300_000 }),
    contracts: CONTRACTS,
    timeline: new Timeline(clocks),
    timers: systemMachine,
    defaultDurability: 'journal',
    afterCommit: () => {},
    onFatal: (error) => failures.push(error),
  });
  engine.start();
  const operations = new TestOperations();
  const logged: { readonly fields: Readonly<Record<string, unknown>>; readonly message: string }[] = [];
  const note = (fields: Readonly<Record<string, unknown>>, message: string) => {
    logged.push({ fields, message });
  };
  const interposed = new Interposed(engine);
  // Nothing is held back unless the test asks for it: only it moves the time.
  const settings = { holdMs: 0, ...changes.admission?.settings };
  const pressure = admissionWorld({ ...changes.admission, settings });
  const tokens =
    changes.tokens === undefined ? undefined : new Tokens(KEY, clocks.wallMs, tokensOf(changes.tokens));
  const http = createHttpServer({
    access: tokens,
    timers: systemMachine,
    service: changes.wrap?.(interposed) ?? interposed,
    feed,
    operations,
    admission: pressure.admission,
    eventOf: ({ fact, actor, sequence }) =>
      cloudEvent(
        fact,
        { name: 'test', actor, stream: 'feed', sequence },
        CONTRACTS.find(({ name }) => name === fact.namespace) ?? CONTRACTS[0]!,
      ),
    options: { ...OPTIONS, ...changes.options },
    log: { info: note, warn: note, error: note },
  });

  /** Asks without a socket. `document` is sent as JSON. */
  const ask = async (
    method: string,
    url: string,
    more: {
      readonly headers?: Record<string, string>;
      readonly body?: string | Buffer;
      readonly document?: unknown;
    } = {},
  ): Promise<Answer> => {
    const headers = { ...more.headers };
    let payload = more.body;
    if (more.document !== undefined) {
      headers['content-type'] ??= 'application/json';
      payload = JSON.stringify(more.document);
    }
    const handler = http.handler as unknown as Parameters<typeof inject>[0];
    const response = await inject(handler, {
      method: method as NonNullable<InjectOptions['method']>, url, headers,
      ...(payload === undefined ? {} : { payload }),
    });
    return answerOf(response);
  };
  const advance = (ms: number): void => {
    clocks.elapsedMs += ms;
  };
  const stop = async (): Promise<void> => {
    await http.drain(0);
    pressure.admission.close();
    await engine.stop();
  };
  return {
    ask, advance, clocks, core, engine, failures, feed, http, interposed, journal, logged,
    operations, pressure, stop, tokens,
  };
}

/** @throws Error with the complaints */
export function tokensOf(file: object): readonly Token[] {
  const parsed = parseTokens(JSON.stringify(file));
  if ('tokens' in parsed) return parsed.tokens;
  throw new Error(JSON.stringify(parsed.complaints));
}

export type Edge = ReturnType<typeof edge>;

function answerOf(response: Response): Answer {
  const headers = Object.fromEntries(
    Object.entries(response.headers).map(([name, value]) => [name, String(value)]),
  );
  const type = headers['content-type'] ?? '';
  const isJson = type === 'application/json' || type === 'application/problem+json';
  return {
    status: response.statusCode,
    headers,
    text: response.payload,
    bytes: response.rawPayload,
    json: isJson && response.payload !== '' ? JSON.parse(response.payload) : undefined,
  };
}

