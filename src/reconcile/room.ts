/** What the duties of this room share. */
import { NO_DIGEST } from '../ledger/ledger.ts';
import type { Caller, Digest, Ledger, LedgerAck, LedgerState } from '../ledger/ledger.ts';
import type { Scheduler } from '../resilience/scheduler.ts';
import type { Changes } from './changes.ts';
import type { Contacts } from './contacts.ts';
import type { LedgerClock } from './ledger-clock.ts';
import type { Answered, LedgerGate } from './ledger-gate.ts';
import type { Log } from '../log/log.ts';
import type { Heard } from './merging.ts';
import type { Membership } from './membership.ts';
import type { Partition } from './partition.ts';
import type { Partitions } from './partitions.ts';
import type { Keep, Replica } from './replica.ts';
import type { Flags, ReconcileSettings } from './settings.ts';
import type { UnheardSweep } from './sweeper.ts';
import type { Tally } from './tally.ts';
import type { Traced } from './duty.ts';

export interface Room extends Traced {
  readonly settings: ReconcileSettings;
  readonly replica: Replica;
  readonly scheduler: Scheduler;
  readonly flags: () => Flags;
  readonly log: Log;
  readonly tally: Tally;
  readonly gate: LedgerGate;
  readonly membership: Membership;
  readonly partitions: Partitions;
  readonly contacts: Contacts;
  readonly changes: Changes;
  /** Of all answers: for partitions that have given none yet. */
  readonly clock: LedgerClock;
  /** The highest epoch seen anywhere. */
  epoch: number;
  /** When this run began to reconcile. */
  readonly startedAt: number;
  /** When the ledger last refused a write as stamped too far ahead. */
  clockAheadAt: number | undefined;
  readonly heard: Heard;
  /** Sweeps for others whose answers got lost, oldest first. */
  readonly unheard: UnheardSweep[];
  /** How far pushes of a namespace must get (`durability: ledger`). */
  readonly ackOf: (namespace: string) => LedgerAck;
  /** Called when the ledger says that this actor was silent for too long. */
  readonly onStale: () => void;
}


/** Who asks about a partition: this run, and those before it that it vouches for there. */
export function callerOf(room: Room, { heirOf }: Partition): Caller {
  const { actor, predecessors } = room.replica;
  return {
    actor,
    predecessors:
      heirOf === undefined ? predecessors : predecessors.filter((other) => heirOf.has(other)),
    epoch: room.epoch,
  };
}

/** Ledger minus timeline, as far ahead as it can be: no deadline is earlier there than here. */
export function offsetOf(room: Room, partition: Partition): number {
  const now = room.scheduler.now();
  return partition.clock.known ? partition.clock.upper(now) : room.clock.upper(now);
}

/** Which copies of others' values a partition keeps. */
export function keepOf(partition: Partition): Keep {
  return partition.mirrors ? 'all' : 'beside-own';
}

/** Asks about one partition, and takes in what every answer says. */
export async function askPartition<R extends LedgerState>(
  room: Room,
  partition: Partition,
  send: (ledger: Ledger) => Promise<R>,
  options: {
    readonly limitMs?: number;
    readonly sound?: (reply: R) => string | undefined;
    /** Not in order with the partition's other requests: its state may be newer. */
    readonly beside?: boolean;
  } = {},
): Promise<Answered<R>> {
  const answered = await room.gate.ask(
    options.limitMs ?? room.settings.timeoutMs,
    send,
    (reply) => stateComplaint(reply) ?? options.sound?.(reply),
  );
  observe(room, partition, answered, options.beside === true);
  return answered;
}

function stateComplaint({ now, epoch, tail }: LedgerState): string | undefined {
  const sound = Number.isFinite(now) && Number.isFinite(epoch) && Number.isFinite(tail?.seq);
  return sound ? undefined : 'The ledger answered without clock, epoch or tail';
}

function observe(
  room: Room,
  partition: Partition,
  answered: Answered<LedgerState>,
  beside: boolean,
): void {
  const { reply, sentAt, receivedAt } = answered;
  if (partition.clock.sample(sentAt, receivedAt, reply.now)) room.tally.clockSteps += 1;
  room.clock.sample(sentAt, receivedAt, reply.now);
  room.epoch = Math.max(room.epoch, reply.epoch);
  if (beside) return;
  const before = partition.state;
  partition.state = {
    now: reply.now, epoch: reply.epoch, epochStartedAt: reply.epochStartedAt, tail: reply.tail,
  };
  if (before === undefined) return;
  if (reply.epoch !== before.epoch) {
    room.tally.epochChanges += 1;
    partition.checkAt = Math.min(partition.checkAt, receivedAt);
    room.membership.refreshSoon();
  } else if (reply.tail.seq < before.tail.seq) {
    // One history cannot grow shorter: somebody has put another one in its place.
    room.tally.faults['went-back'] += 1;
    noteLoss(room, partition);
    partition.checkAt = Math.min(partition.checkAt, receivedAt);
  }
}

/** The ledger has lost data of a partition: told once, until that is put right. */
export function noteLoss({ tally }: Room, partition: Partition): void {
  if (!partition.lostData) tally.rollbacks += 1;
  partition.noteLoss();
}

/**
 * The ledger may call this actor silent in some namespace. To be known before anything is sent:
 * a heartbeat would hide it (PROTOCOL §3.5, rule 6).
 */
export function silentForTooLong({ partitions, contacts, scheduler, settings }: Room): boolean {
  const now = scheduler.now();
  for (const { name, autonomyMs } of partitions.known()) {
    if (!partitions.isActive(name)) continue;
    const ageMs = contacts.ageMs(name, now);
    if (ageMs !== undefined && ageMs > autonomyMs + settings.slackMs) return true;
  }
  return false;
}

export function sameDigest(left: Digest | undefined, right: Digest | undefined): boolean {
  const one = left ?? NO_DIGEST;
  const other = right ?? NO_DIGEST;
  return one.count === other.count && one.high === other.high && one.low === other.low;
}
