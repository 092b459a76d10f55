/** A truth check of every active partition, now, because somebody asks for it. */
import { type Rejection, reject } from '../errors.ts';
import { LedgerError } from '../ledger/ledger.ts';
import { digestsOf } from './beat.ts';
import type { Partition } from './partition.ts';
import { offsetOf, type Room } from './room.ts';
import type { Rounds } from './rounds.ts';
import { surveyAll, surveyOwned } from './survey.ts';
import { truthCheck } from './truth-check.ts';

/** Partitions compared at the same time. */
const AT_ONCE = 4;
/** How often a check may have to begin again because something changes meanwhile. */
const TRIES = 3;

export interface DryRun {
  readonly dryRun: true;
  readonly partitions: number;
  readonly wouldPush: number;
  readonly wouldPull: number;
  readonly wouldEnd: number;
  /** Of the values to push. */
  readonly bytes: number;
}

export interface RoundOutcome {
  readonly dryRun: false;
  readonly partitions: number;
  readonly outcome: 'in-step' | 'repaired';
  readonly repairs: { readonly pushed: number; readonly pulled: number; readonly ended: number };
}

/** A report, or `ledger-unavailable`. */
export async function reconcileNow(
  room: Room,
  rounds: Rounds,
  { dryRun }: { readonly dryRun: boolean },
): Promise<DryRun | RoundOutcome | Rejection> {
  if (!room.membership.joined || room.gate.state === 'open') {
    return reject('ledger-unavailable', 'Cannot reconcile: the ledger cannot be reached');
  }
  room.changes.take();
  try {
    return dryRun ? await compareAll(room, rounds) : await checkAll(room, rounds);
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    return reject('ledger-unavailable', `Cannot reconcile: ${error.message}`);
  }
}

async function checkAll(room: Room, rounds: Rounds): Promise<RoundOutcome> {
  const before = { ...room.tally.repairs };
  const partitions = await forEach(room, rounds, async (partition) => {
    for (let tries = 0; tries < TRIES; tries++) {
      partition.checkAt = room.scheduler.now();
      await truthCheck(room, partition);
      if (partition.checkAt > room.scheduler.now()) break;
    }
  });
  const { repairs } = room.tally;
  const done = {
    pushed: repairs.pushed - before.pushed,
    pulled: repairs.pulled - before.pulled,
    ended: repairs.ended - before.ended,
  };
  const some = done.pushed + done.pulled + done.ended > 0;
  return { dryRun: false, partitions, outcome: some ? 'repaired' : 'in-step', repairs: done };
}

async function compareAll(room: Room, rounds: Rounds): Promise<DryRun> {
  const sum = { wouldPush: 0, wouldPull: 0, wouldEnd: 0, bytes: 0 };
  const partitions = await forEach(room, rounds, async (partition) => {
    const digests = digestsOf(room, partition, partition.mirrors);
    const survey =
      partition.mirrors && digests !== undefined
        ? await surveyAll(room, partition, digests.cells)
        : await surveyOwned(room, partition);
    const { namespace } = partition.name;
    sum.wouldPull += survey.differing.length;
    sum.wouldPush += survey.lacking.length + partition.unpushed.listed;
    sum.wouldEnd += survey.copies.length;
    for (const id of survey.lacking) {
      const record = room.replica.recordToPush(namespace, id, offsetOf(room, partition));
      for (const { label, value } of record?.siblings ?? []) sum.bytes += label.length + value.length;
    }
  });
  return { dryRun: true, partitions, ...sum };
}

async function forEach(
  room: Room,
  rounds: Rounds,
  work: (partition: Partition) => Promise<void>,
): Promise<number> {
  const partitions = [...room.partitions.all()];
  const queue = partitions.values();
  const worker = async () => {
    for (const partition of queue) await rounds.exclusively(partition, () => work(partition));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return partitions.length;
}
