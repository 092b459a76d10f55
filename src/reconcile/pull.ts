/**
 * Pull: what has changed in the ledger since the cursor. With copies of everything the records come
 * along; else only their ids, and then those records that concern a key held here.
 */
import type { PulledRecord, PullReply } from '../ledger/ledger.ts';
import { merge } from './merging.ts';
import type { Partition } from './partition.ts';
import { askPartition, callerOf, type Room } from './room.ts';

/** Log entries of one page. */
const PAGE_ENTRIES = 512;
/** Pages read before others have their turn. */
const PAGES_AT_ONCE = 16;
/** Records asked for by name at once: few, because each may be as large as a value can be. */
const WANTED_AT_ONCE = 32;

export type PullOutcome =
  | 'tail'
  /** Others' turn first: more is there. */
  | 'more'
  /** The log does not reach back to the cursor, or is another one: digests must tell. */
  | 'lost';

/** Reads from the cursor to the tail. Rejects with `LedgerError`. */
export async function pullToTail(room: Room, partition: Partition): Promise<PullOutcome> {
  for (let pages = 0; pages < PAGES_AT_ONCE; pages++) {
    const { reply } = await askPartition(
      room, partition,
      (ledger) =>
        ledger.pull(partition.name, {
          caller: callerOf(room, partition),
          cursor: partition.cursor,
          limit: PAGE_ENTRIES,
          records: partition.mirrors,
          ids: [],
        }),
      { sound: changesComplaint },
    );
    room.heard.note(room, partition, reply.owners);
    if (reply.status !== 'ok') return 'lost';
    const stuck = reply.cursor.seq <= partition.cursor.seq && reply.cursor.seq < reply.tail.seq;
    if (partition.mirrors) takeIn(room, partition, reply.changes);
    else await fetch(room, partition, concerning(room, partition, reply.changes));
    partition.cursor = reply.cursor;
    if (reply.cursor.seq >= reply.tail.seq) return 'tail';
    if (stuck) return 'lost';
  }
  return 'more';
}

/** Only how its owners are: their session values live on with them. Rejects with `LedgerError`. */
export async function hearOwners(room: Room, partition: Partition): Promise<void> {
  const { reply } = await askPartition(
    room, partition,
    (ledger) =>
      ledger.pull(partition.name, {
        caller: callerOf(room, partition),
        cursor: partition.cursor,
        limit: 0,
        records: false,
        ids: [],
      }),
    { sound: changesComplaint },
  );
  room.heard.note(room, partition, reply.owners);
}

/** Asks for these records and takes them in; returns what that has changed. */
export async function fetch(
  room: Room,
  partition: Partition,
  ids: readonly string[],
  /** Leaves a record out that is no difference after all. */
  except: (pulled: PulledRecord) => boolean = () => false,
): Promise<{ ended: number; missing: number; copied: number }> {
  const sum = { ended: 0, missing: 0, copied: 0 };
  await askFor(room, partition, ids, (wanted) => {
    const taken = takeIn(room, partition, wanted.filter((pulled) => !except(pulled)));
    sum.ended += taken.ended;
    sum.missing += taken.missing;
    sum.copied += taken.copied;
  });
  return sum;
}

/** Shows these records as the ledger has them, and takes nothing in. Rejects with `LedgerError`. */
export function fetchRecords(
  room: Room,
  partition: Partition,
  ids: readonly string[],
  visit: (pulled: PulledRecord) => void,
): Promise<void> {
  return askFor(room, partition, ids, (wanted) => {
    for (const pulled of wanted) visit(pulled);
  });
}

async function askFor(
  room: Room,
  partition: Partition,
  ids: readonly string[],
  take: (wanted: readonly PulledRecord[]) => void,
): Promise<void> {
  for (let from = 0; from < ids.length; from += WANTED_AT_ONCE) {
    const wanted = ids.slice(from, from + WANTED_AT_ONCE);
    const { reply } = await askPartition(
      room, partition,
      (ledger) =>
        ledger.pull(partition.name, {
          caller: callerOf(room, partition),
          cursor: partition.cursor,
          limit: 0,
          records: true,
          ids: wanted,
        }),
      { sound: (answer: PullReply) => wantedComplaint(answer, wanted) },
    );
    room.heard.note(room, partition, reply.owners);
    take(reply.wanted);
  }
}

function takeIn(room: Room, partition: Partition, records: readonly PulledRecord[]) {
  const sum = { ended: 0, missing: 0, copied: 0 };
  for (const { id, record } of records) {
    const fresh = partition.isDirty(id);
    const { ended, missing, copied } = merge(room, partition, id, record);
    room.tally.pulled += 1;
    sum.ended += ended;
    // What was not pushed yet cannot be missing.
    if (!fresh) sum.missing += missing;
    sum.copied += copied;
  }
  return sum;
}

function concerning(
  room: Room,
  partition: Partition,
  changes: readonly PulledRecord[],
): readonly string[] {
  const { namespace } = partition.name;
  return changes.map(({ id }) => id).filter((id) => room.replica.holds(namespace, id));
}

function changesComplaint(reply: PullReply): string | undefined {
  const sound =
    Array.isArray(reply.changes) && Array.isArray(reply.owners) && Number.isFinite(reply.cursor?.seq);
  return sound ? undefined : 'The ledger answered a pull without changes, owners or cursor';
}

/** Each record that was asked for must be answered, in whatever order. */
export function wantedComplaint(reply: PullReply, ids: readonly string[]): string | undefined {
  const complaint = changesComplaint(reply);
  if (complaint !== undefined) return complaint;
  const answered = new Set(reply.wanted?.map(({ id }) => id));
  return ids.every((id) => answered.has(id))
    ? undefined
    : 'The ledger has not answered every record that was asked for';
}
