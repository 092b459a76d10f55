/**
 * What differs between the ledger's values and those held here, found without changing anything.
 * Two depths: our own values by owner digest, where only those are kept; every value by buckets,
 * where copies of everything are.
 */
import type { Dot } from '../core/fact.ts';
import type { Digest, DiffItem, DiffReply } from '../ledger/ledger.ts';
import type { Partition } from './partition.ts';
import { askPartition, callerOf, offsetOf, type Room } from './room.ts';

/** Records the ledger looks at for one page of a listing. */
const PAGE_RECORDS = 512;

export interface Survey {
  /** Every value of the partition has been looked at. */
  readonly complete: boolean;
  /** The ledger has them otherwise: to be read and joined. */
  readonly differing: readonly string[];
  /** Ended here, and the ledger (having lost it) may not know: told first. */
  readonly endings: readonly string[];
  /** Held here, and not there. */
  readonly lacking: readonly string[];
  /** Copies held here, and not there. */
  readonly copies: readonly string[];
}

/** Own values only. Rejects with `LedgerError`. */
export async function surveyOwned(room: Room, partition: Partition): Promise<Survey> {
  const { actor, predecessors } = callerOf(room, partition);
  const listing = await listOwned(room, partition, [actor, ...predecessors]);
  return compare(room, partition, listing, () => true);
}

/** What the ledger holds of these runs: their writes, by key. Rejects with `LedgerError`. */
export async function listOwned(
  room: Room, partition: Partition, actors: readonly string[],
): Promise<ReadonlyMap<string, DiffItem['dots']>> {
  const listing = new Map<string, DiffItem['dots']>();
  await list(room, partition, { actors }, listing);
  return listing;
}

/** Everything in the buckets whose sums differ. Rejects with `LedgerError`. */
export async function surveyAll(
  room: Room,
  partition: Partition,
  cells: readonly Digest[],
): Promise<Survey> {
  const { reply } = await askDiff(room, partition, { cells });
  const buckets = new Set(reply.differing);
  const listing = new Map<string, DiffItem['dots']>();
  if (buckets.size > 0) {
    await list(room, partition, { buckets: [...buckets] }, listing);
  }
  return compare(room, partition, listing, (id) => buckets.has(room.partitions.place(id).bucket));
}

async function list(
  room: Room,
  partition: Partition,
  what: { readonly actors: readonly string[] } | { readonly buckets: readonly number[] },
  into: Map<string, DiffItem['dots']>,
): Promise<void> {
  let after = '';
  do {
    const { reply } = await askDiff(room, partition, what, after);
    for (const { id, dots } of reply.items) into.set(id, dots);
    after = reply.next;
  } while (after !== '');
}

function askDiff(room: Room, partition: Partition, what: object, after = '') {
  return askPartition(
    room, partition,
    (ledger) =>
      ledger.diff(partition.name, {
        caller: callerOf(room, partition), ...what, after, limit: PAGE_RECORDS,
      }),
    {
      sound: (reply: DiffReply) =>
        Array.isArray(reply.differing) &&
        Array.isArray(reply.items) &&
        typeof reply.next === 'string'
          ? undefined
          : 'The ledger answered a comparison without its parts',
    },
  );
}

/** Synchronous: nothing changes meanwhile. Keys that have changed since are left to the push. */
function compare(
  room: Room,
  partition: Partition,
  listing: ReadonlyMap<string, DiffItem['dots']>,
  concerned: (id: string) => boolean,
): Survey {
  room.changes.take();
  const { namespace, partition: number } = partition.name;
  const offsetMs = offsetOf(room, partition);
  const { actor, predecessors } = callerOf(room, partition);
  const ours = new Set([actor, ...predecessors]);
  const differing: string[] = [];
  for (const [id, dots] of listing) {
    if (partition.isDirty(id)) continue;
    const own = dotsOf(room.replica.recordToPush(namespace, id, offsetMs)?.siblings ?? []);
    const there = dotsOf(dots.map((dot) => ({ dot })).filter(({ dot }) => ours.has(dot.actor)));
    // Which copies stand beside an own value is not to be seen here: where there are any, all of
    // a differing bucket is read.
    if (own !== there || partition.mirrors) differing.push(id);
  }
  const endings: string[] = [];
  const lacking: string[] = [];
  const copies: string[] = [];
  const visited = new Set<string>();
  room.replica.forEachHeld(namespace, number, (id) => {
    // What has ended is in no sum: a ledger that lost data may have forgotten any of it.
    if (!listing.has(id) && (partition.lostData || concerned(id))) visited.add(id);
  });
  for (const id of visited) {
    if (partition.isDirty(id)) continue;
    const record = room.replica.recordToPush(namespace, id, offsetMs);
    if (record?.siblings.length !== 0 && !concerned(id)) continue;
    if (record === undefined) copies.push(id);
    else if (record.siblings.length === 0) endings.push(id);
    else lacking.push(id);
  }
  return { complete: true, differing, endings, lacking, copies };
}

/** As text, for comparison: the same writes in any order. */
function dotsOf(values: readonly { readonly dot: Dot }[]): string {
  return values.map(({ dot }) => `${dot.actor}.${dot.seq}`).sort().join(' ');
}
