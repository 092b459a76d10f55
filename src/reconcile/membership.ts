/**
 * Belonging to the ledger: the join at the start, its refresh, and the change to another actor
 * after an isolation. Without it nothing is asked of the ledger, and everything local goes on.
 */
import { LedgerError, type JoinReply } from '../ledger/ledger.ts';
import { RECORD_VERSION, RECORD_VERSION_MIN } from '../ledger/record.ts';
import { fullJitter } from '../resilience/backoff.ts';
import type { Scheduler } from '../resilience/scheduler.ts';
import { ATTRIBUTES, SPANS } from '../tracing/names.ts';
import { asDuty, found, type Traced } from './duty.ts';
import type { LedgerClock } from './ledger-clock.ts';
import type { LedgerGate } from './ledger-gate.ts';
import type { LogFields } from '../log/fields.ts';
import type { Log } from '../log/log.ts';
import type { Replica } from './replica.ts';
import type { ReconcileSettings } from './settings.ts';

const BACKOFF = { baseMs: 50, capMs: 5_000 };
/** Where a person must act first, asking soon again only fills logs. */
const REFUSED_RETRY_MS = 30_000;
/** Others come and go, and with them the version that everybody reads. */
const REFRESH_MS = 60_000;

/** Why the ledger does not take this sidecar in, until somebody changes something. */
export type JoinObstacle = 'misconfigured' | 'layout' | 'version';

export class Membership {
  readonly #gate: LedgerGate;
  readonly #replica: Pick<Replica, 'actor' | 'reincarnate'>;
  readonly #settings: ReconcileSettings;
  readonly #scheduler: Scheduler;
  readonly #newActor: () => string;
  readonly #log: Log;
  readonly #clock: LedgerClock;
  readonly #traced: Traced;
  readonly #instance: string;
  #cancel: (() => void) | undefined;
  #attempt = 0;
  #asking = false;
  #closed = false;

  joined = false;
  /** Record version to write. */
  version = RECORD_VERSION_MIN;
  members: readonly string[] = [];
  obstacle: JoinObstacle | undefined;
  onJoined: () => void = () => {};

  constructor(parts: {
    readonly gate: LedgerGate;
    readonly replica: Pick<Replica, 'actor' | 'reincarnate'>;
    readonly settings: ReconcileSettings;
    readonly scheduler: Scheduler;
    readonly newActor: () => string;
    readonly log: Log;
    readonly clock: LedgerClock;
    readonly traced: Traced;
  }) {
    this.#gate = parts.gate;
    this.#replica = parts.replica;
    this.#settings = parts.settings;
    this.#scheduler = parts.scheduler;
    this.#newActor = parts.newActor;
    this.#log = parts.log;
    this.#clock = parts.clock;
    this.#traced = parts.traced;
    this.#instance = parts.newActor();
  }

  /** Joins in the background, as often as it takes. */
  start(): void {
    this.#joinAfter(0);
  }

  /** The registry may have been lost with the rest: says again that it is here. */
  refreshSoon(): void {
    if (this.joined) this.#joinAfter(0);
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  /** Asks to be taken in as `actor`. Rejects with `LedgerError`. */
  async joinAs(actor: string): Promise<JoinReply> {
    const { name, partitions, buckets, timeoutMs } = this.#settings;
    const { reply, sentAt, receivedAt } = await this.#gate.ask(timeoutMs, (ledger) =>
      ledger.join({
        actor, name, partitions, buckets,
        instance: this.#instance,
        versionMin: RECORD_VERSION_MIN,
        versionMax: RECORD_VERSION,
      }),
    );
    if (reply.status === 'joined') {
      this.version = reply.version;
      this.members = reply.members;
      this.#clock.sample(sentAt, receivedAt, reply.now);
    }
    return reply;
  }

  #joinAfter(delayMs: number): void {
    if (this.#closed || this.#asking) return;
    this.#cancel?.();
    this.#cancel = this.#scheduler.after(delayMs, () => {
      this.#cancel = undefined;
      this.#asking = true;
      asDuty(this.#traced, SPANS.roundJoin, undefined, () => this.#join())
        .catch((error: unknown) => this.#failed(error))
        .then((nextMs) => {
          this.#asking = false;
          this.#joinAfter(nextMs);
        });
    });
  }

  /** How long to wait before the next time. */
  async #join(): Promise<number> {
    const reply = await this.joinAs(this.#replica.actor);
    this.#attempt = 0;
    found(this.#traced, { [ATTRIBUTES.outcome]: reply.status });
    switch (reply.status) {
      case 'joined':
        return this.#succeeded();
      case 'actor-clash':
        this.#log.error({ actor: this.#replica.actor }, 'the actor is in use by another process');
        this.#replica.reincarnate(this.#newActor());
        return 0;
      case 'layout':
        return this.#refused('layout', { partitions: reply.partitions, buckets: reply.buckets });
      case 'version':
        return this.#refused('version', { versionMin: reply.versionMin, versionMax: reply.versionMax });
    }
  }

  #succeeded(): number {
    this.obstacle = undefined;
    if (!this.joined) {
      this.joined = true;
      this.#log.info({ members: this.members.length, recordVersion: this.version }, 'joined the ledger');
      this.onJoined();
    }
    return REFRESH_MS * (0.8 + 0.4 * this.#scheduler.random());
  }

  #refused(obstacle: JoinObstacle, why: LogFields): number {
    this.joined = false;
    if (this.obstacle !== obstacle) {
      this.#log.error({ 'error.type': obstacle, ...why }, 'the ledger does not fit this sidecar');
    }
    this.obstacle = obstacle;
    return REFUSED_RETRY_MS;
  }

  #failed(error: unknown): number {
    if (error instanceof LedgerError && error.fault === 'misconfigured') {
      return this.#refused('misconfigured', { detail: error.message });
    }
    const { state, opensInMs } = this.#gate;
    const backoffMs = fullJitter(this.#attempt, BACKOFF, () => this.#scheduler.random());
    this.#attempt += 1;
    return state === 'closed' ? backoffMs : Math.max(opensInMs, backoffMs);
  }
}
