/**
 * Taking in what the ledger holds of a key, as far as the flag `merge` lets it; and what pulls
 * tell about other owners.
 */
import { CborShapeError } from '../core/cbor.ts';
import type { PullReply } from '../ledger/ledger.ts';
import type { LedgerRecord } from '../ledger/record.ts';
import type { Partition } from './partition.ts';
import type { MergeOutcome } from './replica.ts';
import { keepOf, offsetOf, type Room } from './room.ts';

const NOTHING: MergeOutcome = { ended: 0, missing: 0, copied: 0 };

/** Joins a record (undefined: the ledger holds none) into the local state. */
export function merge(
  room: Room,
  partition: Partition,
  id: string,
  record: LedgerRecord | undefined,
): MergeOutcome {
  if (room.flags().merge !== 'on') {
    room.tally.withheld.merges += 1;
    partition.withheld = true;
    return NOTHING;
  }
  const { namespace } = partition.name;
  try {
    return room.replica.merge(namespace, id, record, offsetOf(room, partition), keepOf(partition));
  } catch (error) {
    // A label of somebody else's making. One such record must not keep the others from coming.
    if (!(error instanceof CborShapeError)) throw error;
    room.tally.unreadable += 1;
    return NOTHING;
  }
}

/** An owner is heard of in every partition and answer: told on when it is news by this much. */
const HEARD_STEP_MS = 500;
const OWNERS_MAX = 10_000;

/** When each owner was last heard of, so that its session values live on here. */
export class Heard {
  readonly #seen = new Map<string, number>();

  note(room: Room, partition: Partition, owners: PullReply['owners']): void {
    const offsetMs = offsetOf(room, partition);
    for (const { actor, seen } of owners) {
      const known = this.#seen.get(actor);
      if (known !== undefined && seen < known + HEARD_STEP_MS) continue;
      if (this.#seen.size >= OWNERS_MAX) this.#seen.clear();
      this.#seen.set(actor, seen);
      room.replica.heard(actor, seen - offsetMs);
    }
  }
}
