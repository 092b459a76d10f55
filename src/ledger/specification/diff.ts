/** `diff`: compares digests, and lists what is behind those that differ. */
import { type DiffItem, type DiffReply, type DiffRequest, NO_DIGEST } from '../ledger.ts';
import type { Sibling } from '../record.ts';
import { sameDigest } from './digest.ts';
import { begin, type Partition, type Server, stateOf } from './partition.ts';

export function diff(partition: Partition, server: Server, request: DiffRequest): DiffReply {
  const now = begin(partition, request.caller.epoch, server);
  const differing: number[] = [];
  for (const [bucket, cell] of (request.cells ?? []).entries()) {
    if (!sameDigest(cell, partition.cells[bucket] ?? NO_DIGEST)) differing.push(bucket);
  }
  const { root } = partition;
  return { ...stateOf(partition, now), root, differing, ...list(partition, request) };
}

/** A page begins after an id; what is there throughout is seen once. */
function list(
  partition: Partition, { buckets, actors, after, limit }: DiffRequest,
): Pick<DiffReply, 'items' | 'next'> {
  if (buckets === undefined && actors === undefined) return { items: [], next: '' };
  const inBuckets = buckets === undefined ? undefined : new Set(buckets);
  const ofActors = new Set(buckets === undefined ? actors : []);
  const isListed = ({ dot }: Sibling) => inBuckets !== undefined || ofActors.has(dot.actor);
  const ids: string[] = [];
  for (const [id, { siblings, bucket }] of partition.records) {
    if (id <= after || (inBuckets !== undefined && !inBuckets.has(bucket))) continue;
    if (siblings.some(isListed)) ids.push(id);
  }
  ids.sort();
  const items: DiffItem[] = ids.slice(0, limit).map((id) => {
    const { siblings } = partition.records.get(id)!;
    return { id, dots: siblings.filter(isListed).map(dotOf) };
  });
  return { items, next: ids.length > limit ? items.at(-1)!.id : '' };
}

function dotOf({ dot: { actor, seq }, hashHigh, hashLow }: Sibling): DiffItem['dots'][number] {
  return { actor, seq, hashHigh, hashLow };
}
