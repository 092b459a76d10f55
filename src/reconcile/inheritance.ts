/**
 * What an earlier run of this sidecar left in the ledger. An heir counts its values as its own, and
 * what is past its deadline as told: its journal says so. But a journal loses its end with the power
 * of the machine, and never holds what is of durability `memory`. Values that are not known here
 * were lost that way: nobody has told their end, so the heir does, before a sweep takes
 * them away without a word; and where such a value still lives, the run is not vouched for, so that
 * it comes to its end as that of any silent owner.
 */
import type { Ending, Sibling } from '../ledger/record.ts';
import type { Partition } from './partition.ts';
import { fetchRecords } from './pull.ts';
import { callerOf, offsetOf, type Room } from './room.ts';
import { listOwned } from './survey.ts';

/**
 * Once for each partition, before the first sweep of own values that are past their deadline by
 * `asOf`, an instant of the ledger. Rejects with `LedgerError`; then it is still due.
 */
export async function lookBack(room: Room, partition: Partition, asOf: number): Promise<void> {
  if (partition.lookedBack) return;
  const { actor, predecessors } = callerOf(room, partition);
  const inherited = predecessors.filter((other) => other !== actor);
  if (inherited.length > 0) {
    const ids = [...(await listOwned(room, partition, inherited)).keys()];
    const forgotten: Forgotten[] = [];
    await fetchRecords(room, partition, ids, ({ id, record }) => {
      for (const sibling of record?.siblings ?? []) {
        if (!inherited.includes(sibling.dot.actor)) continue;
        if (room.replica.tellsItself(partition.name.namespace, id, sibling)) continue;
        forgotten.push({ id, sibling });
      }
    });
    settle(room, partition, forgotten, asOf);
  }
  partition.lookedBack = true;
}

interface Forgotten {
  readonly id: string;
  readonly sibling: Sibling;
}

function settle(room: Room, partition: Partition, forgotten: readonly Forgotten[], asOf: number): void {
  const { namespace, partition: number } = partition.name;
  const alive = new Set<string>();
  for (const { id, sibling } of forgotten) {
    if (!sibling.session && sibling.deadline <= asOf) {
      room.tally.orphansTold += 1;
      room.replica.tellOrphan(namespace, id, expired(room, sibling), offsetOf(room, partition));
    } else {
      alive.add(sibling.dot.actor);
    }
  }
  if (alive.size === 0) return;
  for (const actor of alive) room.replica.restamp(namespace, number, actor);
  const { predecessors } = callerOf(room, partition);
  partition.heirOf = new Set(predecessors.filter((other) => !alive.has(other)));
}

function expired({ replica }: Room, { born, dot, deadline, label }: Sibling): Ending {
  return {
    born, dot, deadline, label,
    reason: 'expired', by: replica.actor, told: true, conflict: false, until: deadline,
  };
}
