/** Where a cursor stands in a partition's history: sequence numbers alone cannot tell (§4.3). */
import { type Cursor, NO_CHAIN } from '../ledger.ts';
import type { LogEntry, Partition } from './partition.ts';

/** `gap`: the log no longer reaches back to it; `diverged`: it belongs to another history. */
export type Standing = 'current' | 'behind' | 'gap' | 'diverged';

export function standingOf({ seq, chain, log }: Partition, cursor: Cursor): Standing {
  const at = cursor.seq === 0 ? NO_CHAIN : cursor.chain;
  if (cursor.seq > seq) return 'diverged';
  if (cursor.seq === seq) return at === chain ? 'current' : 'diverged';
  const oldest = log[0]?.seq ?? seq + 1;
  if (cursor.seq === 0) return oldest === 1 ? 'behind' : 'gap';
  // The entry itself must be there, or its chain cannot be checked.
  if (oldest > cursor.seq) return 'gap';
  return log[cursor.seq - oldest]!.chain === at ? 'behind' : 'diverged';
}

/** Entries after a cursor that stands `behind`. */
export function entriesAfter({ log }: Partition, cursor: Cursor, limit: number): LogEntry[] {
  const start = cursor.seq + 1 - (log[0]?.seq ?? 0);
  return log.slice(start, start + limit);
}
