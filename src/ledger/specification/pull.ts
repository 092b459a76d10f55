/** `pull`: what changed since a cursor, and records by name. */
import {
  type Cursor, NO_CHAIN, type PulledRecord, type PullReply, type PullRequest,
} from '../ledger.ts';
import type { LedgerRecord } from '../record.ts';
import { entriesAfter, standingOf } from './history.ts';
import { seenOf } from './owners.ts';
import { begin, type LogEntry, type Partition, type Server, stateOf, tailOf } from './partition.ts';

/** A page ends, once it has something, when its records are about this large. */
const PAGE_BYTES = 1 << 20;

export function pull(partition: Partition, server: Server, request: PullRequest): PullReply {
  const { caller, cursor, limit, records, ids } = request;
  const now = begin(partition, caller.epoch, server);
  const standing = standingOf(partition, cursor);
  const lost = standing === 'gap' || standing === 'diverged';
  const page =
    standing === 'behind' && limit > 0 ? pageAfter(partition, cursor, limit, records) : [];
  return {
    ...stateOf(partition, now),
    status: lost ? standing : 'ok',
    changes: lastOccurrences(page).map((id) => pulled(partition, id, records)),
    cursor: lost ? tailOf(partition) : positionAfter(partition, cursor, page),
    wanted: ids.map((id) => pulled(partition, id, true)),
    owners: [...partition.owners.keys()]
      .sort()
      .map((actor) => ({ actor, seen: seenOf(partition, actor) })),
  };
}

function pageAfter(
  partition: Partition, cursor: Cursor, limit: number, records: boolean,
): LogEntry[] {
  const entries = entriesAfter(partition, cursor, limit);
  if (!records) return entries;
  const sized = new Set<string>();
  let bytes = 0;
  for (const [at, { id }] of entries.entries()) {
    if (sized.has(id)) continue;
    sized.add(id);
    const record = partition.records.get(id);
    if (record !== undefined) bytes += sizeOf(record);
    if (bytes >= PAGE_BYTES) return entries.slice(0, at + 1);
  }
  return entries;
}

function sizeOf({ siblings, ends }: LedgerRecord): number {
  let bytes = 0;
  for (const { label, value } of siblings) bytes += 100 + label.length + value.length;
  for (const { label } of ends) bytes += 100 + label.length;
  return bytes;
}

function lastOccurrences(page: readonly LogEntry[]): string[] {
  const ids = new Set<string>();
  for (let at = page.length - 1; at >= 0; at--) ids.add(page[at]!.id);
  return [...ids].reverse();
}

function pulled(partition: Partition, id: string, records: boolean): PulledRecord {
  const record = records ? partition.records.get(id) : undefined;
  return record === undefined ? { id } : { id, record };
}

function positionAfter(partition: Partition, cursor: Cursor, page: readonly LogEntry[]): Cursor {
  const { seq, chain } = page.at(-1) ?? cursor;
  return { epoch: partition.epoch, seq, chain: seq === 0 ? NO_CHAIN : chain };
}
