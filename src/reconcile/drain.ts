/**
 * Leaving: what has not been pushed is pushed, as far as the time allows; then, where values are
 * handed over or have been released, the ledger is told that this run is gone.
 */
import { LedgerError } from '../ledger/ledger.ts';
import { exceptionFields } from '../log/exception-fields.ts';
import { handOver } from './handover.ts';
import type { Partition } from './partition.ts';
import { askPartition, callerOf, type Room } from './room.ts';
import type { Rounds } from './rounds.ts';

const LOOK_MS = 5;
/** A ledger that is away this long is not waited for: the journal keeps what it was not told. */
const GIVE_UP_MS = 2_000;

/** How many changes are left at the end; at least one for each partition that could not be walked. */
export async function drain(
  room: Room,
  rounds: Rounds,
  budgetMs: number,
): Promise<{ readonly left: number }> {
  const until = room.scheduler.now() + budgetMs;
  await leaveLeases(room, budgetMs);
  room.changes.take();
  rounds.onlyPush();
  let reachedAt = room.scheduler.now();
  while (room.scheduler.now() < until && unpushedCount(room) > 0) {
    if (room.membership.joined && room.gate.state !== 'open') reachedAt = room.scheduler.now();
    else if (room.scheduler.now() - reachedAt >= GIVE_UP_MS) break;
    await new Promise<void>((resolve) => room.scheduler.after(LOOK_MS, resolve));
    room.changes.take();
  }
  await retire(room, rounds, until);
  return { left: unpushedCount(room) };
}

/** A quarter of the time at most: what was not pushed matters more. */
async function leaveLeases(room: Room, budgetMs: number): Promise<void> {
  if (!room.membership.joined || room.gate.state === 'open') return;
  try {
    await handOver(room, budgetMs / 4);
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    room.log.warn(exceptionFields(error), 'leases could not be handed over');
  }
}

export function unpushedCount({ partitions }: Room): number {
  let count = 0;
  for (const { unpushed, batch, delayed } of partitions.all()) {
    count += unpushed.listed + (unpushed.needsWalk ? 1 : 0);
    count += (batch?.request.records.length ?? 0) + delayed;
  }
  return count;
}

async function retire(room: Room, rounds: Rounds, until: number): Promise<void> {
  const leaving = [...room.partitions.all()].filter(
    // Where values are kept for the next run of this sidecar, they stay its predecessor's.
    ({ contract }) => contract.onDrain !== 'keep',
  );
  const { requestsInFlight } = room.settings;
  for (let from = 0; from < leaving.length; from += requestsInFlight) {
    const some = leaving.slice(from, from + requestsInFlight);
    await Promise.all(some.map((partition) => retireFrom(room, rounds, partition, until)));
  }
}

async function retireFrom(
  room: Room,
  rounds: Rounds,
  partition: Partition,
  until: number,
): Promise<void> {
  try {
    await rounds.exclusively(partition, async () => {
      const leftMs = until - room.scheduler.now();
      if (leftMs <= 0 || partition.dirty || !room.membership.joined) return;
      await askPartition(
        room, partition,
        (ledger) =>
          ledger.beat(partition.name, {
            caller: callerOf(room, partition),
            terms: partition.terms,
            cursor: partition.cursor,
            batch: partition.batchAnswered,
            retire: true,
          }),
        { limitMs: Math.min(room.settings.timeoutMs, leftMs) },
      );
    });
  } catch (error) {
    // Then its silence says it, later.
    if (!(error instanceof LedgerError)) throw error;
  }
}
