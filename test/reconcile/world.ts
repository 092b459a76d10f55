/**
 * Several sidecars (the real core, the real room) on one embedded ledger, in simulated time. What
 * stands between the edges and the core here is a service without a journal: each command is one
 * step, answered at once.
 */
import type { Command, GetReply, Reply } from '../../src/core/command.ts';
import type { NamespaceContract } from '../../src/core/contract.ts';
import { Core } from '../../src/core/core.ts';
import type { Fact } from '../../src/core/fact.ts';
import { decodeFact, isRestated } from '../../src/core/fact-reader.ts';
import { checkInvariants } from '../../src/core/invariants.ts';
import type { State } from '../../src/core/state.ts';
import { CoreReplica } from '../../src/replica/core-replica.ts';
import type { Outcome, Service } from '../../src/engine/service.ts';
import { EmbeddedLedger } from '../../src/ledger/embedded/embedded-ledger.ts';
import { createReconciliation, type Reconciliation } from '../../src/reconcile/reconciliation.ts';
import type { Flags, ReconcileSettings } from '../../src/reconcile/settings.ts';
import type { LedgerAck } from '../../src/ledger/ledger.ts';
import { murmur3, placementOf } from '../../src/ledger/placement.ts';
import type { LedgerRecord } from '../../src/ledger/record.ts';
import { contractOf, optionsWith } from '../core/fixtures.ts';
import { FaultyLedger } from './faulty-ledger.ts';
import { chance, type LocalClock, settled, SimulatedTime } from './simulated-time.ts';

export const START = Date.UTC(2026, 5, 1);

export const SETTINGS: ReconcileSettings = {
  name: 'test', url: 'redis://ledger',
  partitions: 4, buckets: 16,
  beatMs: 1000, pullMs: 200, truthCheckMs: 60_000, sweepMs: 500,
  timeoutMs: 200, readThroughMs: 100, ackMs: 1000,
  windowMs: 20_000, slackMs: 1000, stepMs: 500, driftRatio: 0.001, maxSkewMs: 5000,
  logEntries: 1000,
  requestsInFlight: 8, readThroughs: 64, waiters: 16,
};

const text = new TextEncoder();

export interface SidecarOptions {
  readonly contracts?: readonly NamespaceContract[];
  readonly settings?: Partial<ReconcileSettings>;
  /** Its clock against the world's. */
  readonly aheadMs?: number;
  readonly rate?: number;
  readonly seed?: number;
  readonly limits?: object;
  readonly unpushedIdsMax?: number;
  /** Of this run; else made up from name and seed. */
  readonly actor?: string | undefined;
  /** What runs before this one have left: their journal. */
  readonly runs?: readonly JournalRecord[];
  readonly ackOf?: (namespace: string) => LedgerAck;
  readonly templateOf?: (namespace: string) => NamespaceContract | undefined;
}

export class World {
  readonly time = new SimulatedTime(START);
  /** What the ledger's clock is ahead. */
  ledgerAheadMs = 0;
  readonly ledger = new EmbeddedLedger({ now: () => this.time.now() + this.ledgerAheadMs });
  readonly sidecars: Sidecar[] = [];
  /** Those that have been restarted. */
  readonly gone: Sidecar[] = [];

  add(name: string, options: SidecarOptions = {}): Sidecar {
    const sidecar = new Sidecar(this, name, options);
    this.sidecars.push(sidecar);
    sidecar.reconciliation.start();
    return sidecar;
  }

  /** Kills a sidecar; another process reads its journal back, but for the last `lost` facts. */
  async restart(sidecar: Sidecar, lost = 0): Promise<Sidecar> {
    await sidecar.kill();
    this.gone.push(sidecar);
    const { name, options } = sidecar;
    const runs = sidecar.journal.slice(0, sidecar.journal.length - lost);
    const next = new Sidecar(this, name, {
      ...options, runs, seed: (options.seed ?? 1) + 1000, actor: undefined,
    });
    this.sidecars[this.sidecars.indexOf(sidecar)] = next;
    next.reconciliation.start();
    return next;
  }

  async pass(ms: number): Promise<void> {
    await this.time.pass(ms);
  }

  /** Everything that anybody has told. */
  facts(): Fact[] {
    return [...this.gone, ...this.sidecars].flatMap(({ facts }) => facts);
  }

  /** The number of a key's partition. */
  place(key: string): number {
    const { partitions, buckets } = SETTINGS;
    return placementOf(murmur3(text.encode(key)), partitions, buckets).partition;
  }

  /** As the ledger has a key. */
  record(key: string, namespace = 'default'): LedgerRecord | undefined {
    const partition = this.ledger.image().partitions.get(`${this.place(key)}:${namespace}`);
    return partition?.records.get(key);
  }

  /** Its live values there, sorted. */
  values(key: string, namespace = 'default'): string[] {
    const siblings = this.record(key, namespace)?.siblings ?? [];
    return siblings.map(({ value }) => Buffer.from(value).toString()).sort();
  }

  check(): void {
    for (const { core } of this.sidecars) checkInvariants(core);
  }
}

/** A fact as the journal has it, or (a text) the actor of the run that begins here. */
export type JournalRecord = Uint8Array | string;

export class Sidecar {
  readonly name: string;
  readonly options: SidecarOptions;
  readonly journal: JournalRecord[] = [];
  readonly core: Core;
  readonly replica: CoreReplica;
  readonly link: FaultyLedger;
  readonly reconciliation: Reconciliation;
  /** What the edges ask. */
  readonly service: Service;
  readonly facts: Fact[] = [];
  readonly logged: { readonly level: string; readonly message: string; readonly fields: object }[] = [];
  readonly scheduler: LocalClock;
  flags: Flags = { sweep: 'on', adoption: 'on', merge: 'on' };
  #tickAt = Number.POSITIVE_INFINITY;
  #gone = false;

  constructor(world: World, name: string, options: SidecarOptions) {
    this.name = name;
    this.options = options;
    const seed = options.seed ?? 1;
    const random = chance(seed * 7919 + name.charCodeAt(0));
    this.scheduler = world.time.clock(random, options.aheadMs, options.rate);
    let actors = 0;
    const newActor = () => {
      actors += 1;
      return `${name.charCodeAt(0).toString(16)}${seed.toString(16).padStart(8, '0')}`.padEnd(12, '0') +
        actors.toString(16).padStart(4, '0');
    };
    const contracts = options.contracts ?? [contractOf('default')];
    const base = optionsWith(contracts);
    const settings = { ...SETTINGS, ...options.settings };
    this.core = new Core(
      {
        ...base,
        actor: options.actor ?? newActor(),
        ledger: { partitions: settings.partitions, buckets: settings.buckets },
        limits: {
          ...base.limits, copies: 3000, copyBytes: 1 << 20, tombstones: 3000, ...options.limits,
        },
      },
      this.scheduler.now(),
    );
    this.#recover(options.runs ?? []);
    this.journal.push(this.core.actor);
    this.replica = new CoreReplica(this.core.state, {
      apply: (step) => this.#apply(step),
      restateContacts: () => {
        this.core.restateContacts((bytes, start, end) => this.journal.push(bytes.slice(start, end)));
      },
      becomes: (actor) => this.journal.push(actor),
    });
    this.link = new FaultyLedger(world.ledger, world.time, random);
    const log = (level: string) => (fields: object, message: string) => {
      this.logged.push({ level, message, fields });
    };
    this.reconciliation = createReconciliation({
      settings,
      replica: this.replica,
      ledger: this.link,
      scheduler: this.scheduler,
      flags: () => this.flags,
      ackOf: options.ackOf ?? (() => 'applied'),
      newActor,
      log: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
      ...(options.unpushedIdsMax === undefined ? {} : { unpushedIdsMax: options.unpushedIdsMax }),
      ...(options.templateOf === undefined ? {} : { templateOf: options.templateOf }),
    });
    this.service = this.reconciliation.service(new DirectService(this));
  }

  /** One step of a command; what it tells is handed on. */
  step<C extends Command>(command: C): Reply<C> {
    const reply = this.core.step(command, this.scheduler.now());
    this.#afterStep();
    return reply;
  }

  #apply<T>(step: (state: State) => T): T {
    if (this.#gone) throw new Error('This sidecar is gone');
    const result = this.core.reconcile(this.scheduler.now(), step);
    this.#afterStep();
    return result;
  }

  #recover(runs: readonly JournalRecord[]): void {
    if (runs.length === 0) return;
    for (const record of runs) {
      this.journal.push(record);
      if (typeof record === 'string') this.core.continues(record);
      else this.core.restore(record);
    }
    this.core.resume(this.scheduler.now());
    this.#handOn();
  }

  #afterStep(): void {
    this.#handOn();
    this.reconciliation.changed();
    this.#armTick();
  }

  #handOn(): void {
    const { facts } = this.core;
    for (let index = 0; index < facts.count; index++) {
      const fact = decodeFact(facts.bytes, facts.starts[index]!, facts.starts[index + 1]!);
      if (!isRestated(fact)) this.facts.push(fact);
      if (facts.journalled[index]!) {
        this.journal.push(facts.bytes.slice(facts.starts[index]!, facts.starts[index + 1]!));
      }
    }
    facts.reset();
  }

  #armTick(): void {
    const next = this.core.nextTick();
    if (next >= this.#tickAt || next === Number.POSITIVE_INFINITY) return;
    this.#tickAt = next;
    this.scheduler.after(Math.max(0, next - this.scheduler.now()), () => {
      this.#tickAt = Number.POSITIVE_INFINITY;
      if (this.#gone) return;
      this.core.tick(this.scheduler.now(), 10_000);
      this.#afterStep();
    });
  }

  /** The process is killed. */
  async kill(): Promise<void> {
    this.#gone = true;
    this.link.away = true;
    // What waits for an answer waits for ever; nobody waits for that.
    void this.reconciliation.close();
    await settled();
  }

  /* ---- what a client asks -------------------------------------------------------------- */

  /** Asks and waits in simulated time, at most `waitMs`; undefined: no answer so far. */
  ask<C extends Command>(
    command: C,
    idempotency?: { readonly key: string; readonly fingerprint: string },
  ): { outcome: Outcome<C> | undefined; answers: number } {
    const asked: { outcome: Outcome<C> | undefined; answers: number } = {
      outcome: undefined, answers: 0,
    };
    this.service.submit(
      command,
      (outcome) => {
        asked.outcome = outcome;
        asked.answers += 1;
      },
      idempotency,
    );
    return asked;
  }

  put(key: string, value: string, more: object = {}) {
    return this.ask({
      op: 'put', namespace: 'default', key, value: text.encode(value), contentType: 'text/plain', ...more,
    });
  }

  delete(key: string, more: object = {}) {
    return this.ask({ op: 'delete', namespace: 'default', key, ...more });
  }

  /** As held here, without asking the ledger; values of siblings sorted. */
  held(key: string, namespace = 'default'): string | readonly string[] | undefined {
    const reply = this.step({ op: 'get', namespace, key });
    if ('refused' in reply) return undefined;
    return valuesOf(reply);
  }

  /** As a client gets it. */
  async get(key: string, more: object = {}): Promise<string | readonly string[] | undefined> {
    const asked = this.ask({ op: 'get', namespace: 'default', key, ...more });
    await settled();
    const { outcome } = asked;
    return outcome === undefined || 'refused' in outcome ? undefined : valuesOf(outcome as GetReply);
  }

  endings(): string[] {
    return this.facts
      .filter((fact) => fact.kind === 'entry.ended')
      .map((fact) => `${fact.key} ${fact.reason}`);
  }
}

function valuesOf(reply: GetReply): string | readonly string[] {
  if (reply.siblings === undefined) return Buffer.from(reply.value).toString();
  return reply.siblings.map(({ value }) => Buffer.from(value).toString()).sort();
}

class DirectService implements Service {
  readonly #sidecar: Sidecar;
  readonly #answers = new Map<string, Outcome>();

  constructor(sidecar: Sidecar) {
    this.#sidecar = sidecar;
  }

  submit<C extends Command>(
    command: C,
    respond: (outcome: Outcome<C>, replayed: boolean) => void,
    idempotency?: { readonly key: string },
  ): void {
    const known = idempotency && (this.#answers.get(idempotency.key) as Outcome<C> | undefined);
    if (known !== undefined) {
      respond(known, true);
      return;
    }
    const reply = this.#sidecar.step(command);
    if (idempotency !== undefined) this.#answers.set(idempotency.key, reply as Outcome);
    respond(reply, false);
  }

  now(): number {
    return this.#sidecar.scheduler.now();
  }

  toWallMs(instant: number): number {
    return instant;
  }
}
