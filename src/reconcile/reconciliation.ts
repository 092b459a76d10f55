/**
 * Reconciliation: this sidecar's state and the ledger, kept in step in the background. Built once
 * per process; works without the ledger and says so.
 */
import type { NamespaceContract } from '../core/contract.ts';
import type { Service } from '../engine/service.ts';
import type { Rejection } from '../errors.ts';
import type { Ledger, LedgerAck } from '../ledger/ledger.ts';
import type { DegradedReason } from '../readiness.ts';
import { Breaker } from '../resilience/breaker.ts';
import type { Scheduler } from '../resilience/scheduler.ts';
import type { Tracing } from '../tracing/tracing.ts';
import { Acknowledgement } from './acknowledgement.ts';
import { Changes } from './changes.ts';
import { Contacts } from './contacts.ts';
import { drain } from './drain.ts';
import { Housekeeping } from './housekeeping.ts';
import { LedgerClock } from './ledger-clock.ts';
import { LedgerGate } from './ledger-gate.ts';
import type { Log } from '../log/log.ts';
import { Membership } from './membership.ts';
import { Heard } from './merging.ts';
import type { Partition } from './partition.ts';
import { Partitions } from './partitions.ts';
import { ReadThrough } from './read-through.ts';
import { reconcileNow } from './reconcile-now.ts';
import { ReconciledService } from './reconciled-service.ts';
import { Rejoin } from './rejoin.ts';
import type { Replica } from './replica.ts';
import type { Room } from './room.ts';
import { Rounds } from './rounds.ts';
import type { Flags, ReconcileSettings } from './settings.ts';
import { reasonsOf, statusOf } from './status.ts';
import { Tally } from './tally.ts';
import { UnpushedBudget } from './unpushed.ts';

/** One probe in this time costs nothing, and contact comes back well within any autonomy bound. */
const BREAKER_OPEN_MAX_MS = 5_000;

export interface ReconciliationParts {
  readonly settings: ReconcileSettings;
  readonly replica: Replica;
  /** Stays the caller's to close, after `close`. */
  readonly ledger: Ledger;
  /** Its `now` is the timeline's. */
  readonly scheduler: Scheduler;
  readonly flags: () => Flags;
  readonly ackOf: (namespace: string) => LedgerAck;
  /** 16 random hexadecimal digits, never the same twice anywhere. */
  readonly newActor: () => string;
  readonly log: Log;
  /** Absent: nothing is traced. */
  readonly tracing?: Tracing;
  /** What a namespace that is not in being yet would be like; undefined: it cannot come. */
  readonly templateOf?: (namespace: string) => NamespaceContract | undefined;
  /** Changed keys known by name at most; beyond that partitions are walked. */
  readonly unpushedIdsMax?: number;
}

export interface Reconciliation {
  /** Joins in the background and goes on from there. */
  start(): void;
  /** The engine's service with the ledger behind it. */
  service(inner: Service): Service;
  /** Something may have changed in the core; called after every commit. */
  changed(): void;
  /** Leaves: pushes what it can within the budget. How many changes the ledger was not told. */
  drain(budgetMs: number): Promise<{ readonly left: number }>;
  /** Starts nothing more; resolves when nothing is under way. */
  close(): Promise<void>;
  status(): ReturnType<typeof statusOf>;
  /** Why the sidecar is degraded. */
  reasons(): readonly DegradedReason[];
  /** Changed keys known by name, as a share of what may be: beyond it partitions are walked. */
  readonly unpushedShare: number;
  /** A truth check over everything, now; `dryRun` only reports what it would do. */
  reconcile(request: { readonly dryRun: boolean }): Promise<object | Rejection>;
  /** The counts behind the status page. */
  readonly tally: Tally;
}

export function createReconciliation(parts: ReconciliationParts): Reconciliation {
  const { settings, replica, ledger, scheduler, log, newActor } = parts;
  const tally = new Tally();
  const breaker = new Breaker({ maxOpenMs: BREAKER_OPEN_MAX_MS }, scheduler);
  const gate = new LedgerGate({ ledger, breaker, scheduler, tally });
  const budget = new UnpushedBudget(parts.unpushedIdsMax);
  const partitions = new Partitions(replica, settings, budget, parts.templateOf);
  const contacts = new Contacts((namespace, sentAt) => replica.contact(namespace, sentAt));
  const clock = new LedgerClock(2 * settings.driftRatio);
  const traced = parts.tracing === undefined ? {} : { tracing: parts.tracing };
  const membership = new Membership({
    gate, replica, settings, scheduler, newActor, log, clock, traced,
  });
  const changes = new Changes({ replica, partitions, scheduler });

  const room: Room = {
    settings, replica, scheduler, log, tally, gate, membership, partitions, contacts, changes, clock,
    ...traced,
    flags: parts.flags,
    ackOf: parts.ackOf,
    heard: new Heard(),
    unheard: [],
    epoch: 0,
    clockAheadAt: undefined,
    startedAt: scheduler.now(),
    onStale: () => rejoin.begin(),
  };
  const rounds = new Rounds(room);
  const rejoin = new Rejoin(room, rounds, newActor);
  const housekeeping = new Housekeeping(room, rounds);
  const readThrough = new ReadThrough(room);
  const acknowledgement = new Acknowledgement(room, rounds);

  gate.onReconnect = () => rounds.reconnected();
  membership.onJoined = () => rounds.reconnected();
  changes.connected = () => membership.joined && gate.state !== 'open';
  changes.onChange = (partition) => rounds.poke(partition);
  partitions.onActive = (partition) => activated(room, rounds, partition);

  return {
    tally,
    start: () => {
      housekeeping.start();
      membership.start();
    },
    service: (inner) => new ReconciledService(inner, room, readThrough, acknowledgement),
    changed: () => changes.changed(),
    drain: (budgetMs) => drain(room, rounds, budgetMs),
    close: async () => {
      membership.close();
      rejoin.close();
      housekeeping.close();
      changes.close();
      await rounds.close();
    },
    status: () => statusOf(room, rounds),
    reasons: () => reasonsOf(room),
    get unpushedShare() {
      return budget.used / budget.limit;
    },
    reconcile: (request) => reconcileNow(room, rounds, request),
  };
}

/** What was pushed in it is vouched for as soon as it is there; until then older contact holds. */
function activated(room: Room, rounds: Rounds, partition: Partition): void {
  const now = room.scheduler.now();
  partition.contact = room.contacts.of(partition.name.namespace);
  partition.beatAt = now;
  partition.checkAt = now;
  if (partition.mirrors) partition.pullAt = now;
  rounds.poke(partition);
}
