/**
 * Sweeps: the ledger takes away what is past its deadline. Own values at their final deadline, of
 * which it was not told; and those of owners that have been silent for long, whose endings the
 * sidecar that swept them publishes in their place (PROTOCOL §3.3).
 */
import { type Cursor, LedgerError, type SweepReply } from '../ledger/ledger.ts';
import type { Ending } from '../ledger/record.ts';
import { ATTRIBUTES, SPANS } from '../tracing/names.ts';
import { asDuty, found } from './duty.ts';
import { lookBack } from './inheritance.ts';
import type { Partition } from './partition.ts';
import { askPartition, callerOf, offsetOf, type Room } from './room.ts';

/** Records one sweep looks at (PROTOCOL §11, step 7). */
const SWEEP_RECORDS = 128;
/** Sweeps in a row before others have their turn. */
const SWEEPS_AT_ONCE = 8;

/** Own fixed values past their deadline. Rejects with `LedgerError`. */
export async function sweepOwn(room: Room, partition: Partition): Promise<void> {
  const { namespace, partition: number } = partition.name;
  partition.sweepAt = Number.POSITIVE_INFINITY;
  partition.sweptAt = room.scheduler.now();
  partition.sweepsInVain += 1;
  await lookBack(room, partition, ledgerTime(room, partition));
  for (let sweeps = 0; sweeps < SWEEPS_AT_ONCE; sweeps++) {
    const reply = await sweep(room, partition, 'own', false);
    room.replica.swept(namespace, number, reply.removed);
    const some = reply.removed.some(({ count }) => count > 0);
    if (some) partition.sweepsInVain = 0;
    if (!reply.more || !some) break;
  }
}

/**
 * Ends what silent owners have left behind, and publishes it. Looked at first: what a sweep has
 * ended counts as told from then on, so that an answer that gets lost must be found again.
 * Rejects with `LedgerError`.
 */
export async function sweepOrphans(room: Room, partition: Partition): Promise<void> {
  const flag = room.flags().sweep;
  if (flag === 'off' || !room.replica.takesOrphans) return;
  for (let sweeps = 0; sweeps < SWEEPS_AT_ONCE; sweeps++) {
    const due = await sweep(room, partition, 'orphans', true);
    if (due.ended.length === 0 && due.forgotten === 0 && !due.more) return;
    if (flag === 'shadow') {
      room.tally.withheld.sweeps += due.ended.length;
      if (due.ended.length > 0) {
        room.log.info({ ...partition.name, ended: due.ended.length }, 'would sweep for others');
      }
      return;
    }
    const { more } = await asDuty(room, SPANS.roundSweep, partition.name, () =>
      sweepAndTell(room, partition, due),
    );
    if (!more) return;
  }
}

async function sweepAndTell(
  room: Room,
  partition: Partition,
  due: SweepReply,
): Promise<SweepReply> {
  let reply: SweepReply;
  try {
    reply = await sweep(room, partition, 'orphans', false);
  } catch (error) {
    if (error instanceof LedgerError && due.ended.length > 0) {
      if (room.unheard.length < UNHEARD_MAX) room.unheard.push({ partition, since: due.tail });
      else room.log.error({ ...partition.name }, 'an ending may go untold: too many answers lost');
    }
    throw error;
  }
  found(room, { [ATTRIBUTES.endings]: reply.ended.length });
  for (const { id, ending } of reply.ended) tell(room, partition, id, ending);
  return reply;
}

/** One sweep a second, and none while the ledger is known to be away: this is never reached. */
const UNHEARD_MAX = 64;

/** A sweep that was perhaps done, whose answer never came. */
export interface UnheardSweep {
  readonly partition: Partition;
  /** The history before it. */
  readonly since: Cursor;
}

const PAGE_ENTRIES = 256;

/** Finds what a sweep whose answer got lost has ended in this sidecar's name, and publishes it. */
export async function recoverSweep(room: Room, { partition, since }: UnheardSweep): Promise<void> {
  const ours = callerOf(room, partition).actor;
  let cursor = since;
  for (;;) {
    const from = cursor;
    const { reply } = await askPartition(room, partition, (ledger) =>
      ledger.pull(partition.name, {
        caller: callerOf(room, partition), cursor: from, limit: PAGE_ENTRIES, records: true, ids: [],
      }),
    );
    for (const { id, record } of reply.changes) {
      for (const ending of record?.ends ?? []) {
        if (ending.told && ending.by === ours) tell(room, partition, id, ending);
      }
    }
    cursor = reply.cursor;
    if (reply.status !== 'ok' || cursor.seq >= reply.tail.seq || cursor.seq === from.seq) return;
  }
}

function tell(room: Room, partition: Partition, id: string, ending: Ending): void {
  room.tally.orphansTold += 1;
  room.replica.tellOrphan(partition.name.namespace, id, ending, offsetOf(room, partition));
}

/** What it is there now, at least. */
function ledgerTime(room: Room, partition: Partition): number {
  const now = room.scheduler.now();
  const clock = partition.clock.known ? partition.clock : room.clock;
  return Math.floor(now + clock.lower(now));
}

async function sweep(
  room: Room,
  partition: Partition,
  scope: 'own' | 'orphans',
  dryRun: boolean,
): Promise<SweepReply> {
  // Should it come late, it must not take what will have been renewed by then.
  const asOf = ledgerTime(room, partition);
  const { reply } = await askPartition(
    room, partition,
    (ledger) =>
      ledger.sweep(partition.name, {
        caller: callerOf(room, partition),
        terms: partition.terms,
        scope, dryRun,
        ...(scope === 'own' ? { asOf } : {}),
        limit: SWEEP_RECORDS,
      }),
    {
      sound: (answer: SweepReply) =>
        Array.isArray(answer.ended) && Array.isArray(answer.removed)
          ? undefined
          : 'The ledger answered a sweep without its outcome',
    },
  );
  return reply;
}
