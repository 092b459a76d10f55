/**
 * A sidecar without edges and journal in this process: the real core, the real reconciliation and
 * the real Redis adapter. Facts are dropped, so that what is measured is between core and ledger.
 */
import { randomBytes, randomInt } from 'node:crypto';
import type { Command } from '../../src/core/command.ts';
import type { NamespaceContract } from '../../src/core/contract.ts';
import { Core } from '../../src/core/core.ts';
import { isRefusal } from '../../src/core/refusal.ts';
import { Ticker } from '../../src/engine/ticker.ts';
import { Timeline } from '../../src/engine/timeline.ts';
import { systemMachine } from '../../src/machine/system-machine.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import type { RedisLedgerOptions } from '../../src/ledger/redis/options.ts';
import { RedisLedger } from '../../src/ledger/redis/redis-ledger.ts';
import {
  createReconciliation, type Reconciliation,
} from '../../src/reconcile/reconciliation.ts';
import type { ReconcileSettings } from '../../src/reconcile/settings.ts';
import { CoreReplica } from '../../src/replica/core-replica.ts';
import { schedulerOn } from '../../src/resilience/scheduler.ts';
import { coreOptions, KEY_BYTES, putOf, VALUE_BYTES } from '../core/population.ts';
import { pause } from '../script.ts';

const DAY_MS = 86_400_000;
const CONTENT_TYPE_BYTES = 32;
const MEBIBYTE = 1024 * 1024;
/** Against a hang, not a measure of speed. */
const PATIENCE_MS = 1_200_000;
const LOOK_MS = 5;

/** As the product's defaults, but for what `settings` changes. */
export const DEFAULTS: ReconcileSettings = {
  name: 'bench', url: 'redis://bench',
  partitions: 64, buckets: 256,
  beatMs: 5_000, pullMs: 500, truthCheckMs: 300_000, sweepMs: 1_000,
  // A busy machine is no fault.
  timeoutMs: 600_000, readThroughMs: 500, ackMs: 600_000,
  windowMs: 60_000, slackMs: 1_000, stepMs: 500, driftRatio: 0.001, maxSkewMs: 5_000,
  logEntries: 65_536,
  requestsInFlight: 32, readThroughs: 1_024, waiters: 10_000,
};

/** The time of everybody in a benchmark; it can be moved on instead of being waited for. */
export class BenchTime {
  readonly #timeline = new Timeline(systemMachine);
  #aheadMs = 0;

  now(): number {
    return this.#timeline.now() + this.#aheadMs;
  }

  moveOn(ms: number): void {
    this.#aheadMs += ms;
  }
}

export interface BenchSidecarOptions {
  readonly redis: { readonly host: string; readonly port: number };
  readonly time: BenchTime;
  readonly mirror: NamespaceContract['mirror'];
  /** Of its own, and copies of others', at most. */
  readonly entries: number;
  readonly copies: number;
  readonly settings?: Partial<ReconcileSettings>;
  /** What stands between the sidecar and the adapter. */
  readonly through?: (ledger: Ledger) => Ledger;
  /** The ledger's clock, where it is not to be the server's. */
  readonly instant?: RedisLedgerOptions['instant'];
}

/** A core whose namespace reconciles, with room for so many entries and copies. */
export function newCore(options: {
  readonly time: BenchTime;
  readonly mirror: NamespaceContract['mirror'];
  readonly entries: number;
  readonly copies: number;
  readonly settings: ReconcileSettings;
}): Core {
  const { time, mirror, entries, copies, settings } = options;
  const base = coreOptions(Math.max(1, entries));
  return new Core(
    {
      ...base,
      actor: newActor(),
      hashSeed: randomInt(2 ** 31),
      ledger: { partitions: settings.partitions, buckets: settings.buckets },
      limits: {
        ...base.limits,
        copies: Math.max(1, copies),
        copyBytes: copies * (KEY_BYTES + VALUE_BYTES + CONTENT_TYPE_BYTES) + MEBIBYTE,
        tombstones: Math.max(1, entries),
      },
      // Nobody here is ever silent: what comes of isolation is not what is measured.
      namespaces: base.namespaces.map((each) => ({ ...each, mirror, autonomyMs: DAY_MS })),
    },
    time.now(),
  );
}

export class BenchSidecar {
  readonly core: Core;
  readonly replica: CoreReplica;
  readonly reconciliation: Reconciliation;
  readonly #time: BenchTime;
  readonly #ledger: RedisLedger;
  #ticker: Ticker;

  constructor(options: BenchSidecarOptions) {
    const { redis, time, entries, copies, mirror, instant } = options;
    const settings = { ...DEFAULTS, ...options.settings };
    this.#time = time;
    this.core = newCore({ time, entries, copies, mirror, settings });
    this.#ledger = new RedisLedger({
      address: { kind: 'single', tls: false, host: redis, database: 0 },
      keyPrefix: 'lh:',
      timeoutMs: settings.timeoutMs,
      ...(instant === undefined ? {} : { instant }),
    });
    this.replica = new CoreReplica(this.core.state, {
      apply: (step) => {
        const result = this.core.reconcile(time.now(), step);
        this.#stepped();
        return result;
      },
      restateContacts: () => {},
      becomes: () => {
        throw new Error('Cannot measure: the sidecar was taken for silent');
      },
    });
    this.#ticker = this.#newTicker();
    this.reconciliation = createReconciliation({
      settings,
      replica: this.replica,
      ledger: options.through?.(this.#ledger) ?? this.#ledger,
      scheduler: schedulerOn(systemMachine, time),
      flags: () => ({ sweep: 'on', adoption: 'on', merge: 'on' }),
      ackOf: () => 'applied',
      newActor,
      log: { debug: ignored, info: ignored, warn: ignored, error: told },
    });
  }

  get traffic(): { readonly sent: number; readonly received: number } {
    return this.#ledger.traffic;
  }

  /** Own entries that are live. */
  get entries(): number {
    return this.core.usage().entries;
  }

  get copies(): number {
    return this.core.usage().copies;
  }

  /** Joins, and waits until every partition has been compared once. */
  async start(): Promise<void> {
    this.reconciliation.start();
    await until('the sidecar has joined', () => this.ledgerStatus.state === 'connected');
  }

  get ledgerStatus(): ReturnType<Reconciliation['status']>['ledger'] {
    return this.reconciliation.status().ledger;
  }

  /** One step of a command. @throws Error when it is refused */
  step(command: Command): void {
    const reply = this.core.step(command, this.#time.now());
    if (isRefusal(reply)) throw new Error(`Cannot measure: ${reply.detail}`);
    this.core.facts.reset();
  }

  /** Puts entries `from` to `to`. The ledger is not told before `changed`. */
  put(from: number, to: number, ttlOf: (index: number) => number): void {
    for (let index = from; index < to; index += 1) this.step(putOf(index, ttlOf(index)));
  }

  /** Overwrites them where they are: deadlines stay. */
  putAgain(from: number, to: number): void {
    for (let index = from; index < to; index += 1) {
      const { ttlMs, ...keeping } = putOf(index, 1);
      this.step(keeping);
    }
  }

  changed(): void {
    this.reconciliation.changed();
    this.#ticker.arm();
  }

  /** Time was moved on: what waits for a deadline waits no longer. */
  timeMoved(): void {
    this.#ticker.stop();
    this.#ticker = this.#newTicker();
    this.#ticker.arm();
  }

  /** Waits until the ledger has been told of everything. */
  async pushed(): Promise<void> {
    await until('everything is pushed', () => this.ledgerStatus.unpushed === 0);
  }

  /** Forgets `count` copies as if they had been lost, spread evenly; the ledger is not told. */
  loseCopies(count: number): void {
    const { state } = this.core;
    const rows: number[] = [];
    for (let row = 1; row <= state.entries.slots.highest; row += 1) {
      if (state.entries.cell[row] !== 0 && state.isCopy(row)) rows.push(row);
    }
    if (rows.length < count) throw new Error(`Cannot lose ${count} of ${rows.length} copies`);
    const step = rows.length / count;
    this.core.reconcile(this.#time.now(), () => {
      for (let lost = 0; lost < count; lost += 1) state.dropCopy(rows[Math.floor(lost * step)]!);
    });
    this.core.facts.reset();
  }

  async close(): Promise<void> {
    this.#ticker.stop();
    await this.reconciliation.close();
    await this.#ledger.close();
  }

  #newTicker(): Ticker {
    return new Ticker(
      {
        now: () => this.#time.now(),
        next: () => this.core.nextTick(),
        tick: (now, budget) => {
          const more = this.core.tick(now, budget);
          this.core.facts.reset();
          this.reconciliation.changed();
          return more;
        },
      },
      systemMachine,
    );
  }

  #stepped(): void {
    this.core.facts.reset();
    this.reconciliation.changed();
    this.#ticker.arm();
  }
}

/** Looks again and again, without holding up what it waits for. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`Waited ${PATIENCE_MS} ms in vain: ${what}`);
    await pause(LOOK_MS);
  }
}

function newActor(): string {
  return randomBytes(8).toString('hex');
}

function ignored(): void {}

function told(fields: object, message: string): void {
  process.stderr.write(`  ${message} ${JSON.stringify(fields)}\n`);
}
