/**
 * Pages: entries in byte order of their keys, leases in order of their ids. A page continues after
 * the last name it gave, so a key that lives throughout a listing is in it exactly once.
 */
import { mayHold } from './bearer.ts';
import type {
  EntryPage, EntryView, LeasePage, LeaseView, ListEntriesCommand, ListLeasesCommand,
} from './command.ts';
import { endRow } from './endings.ts';
import { CELL_HEADER_BYTES } from './entry-table.ts';
import { leaseView, namespaceNotFound } from './leases.ts';
import { FREE, LIVE } from './lease-table.ts';
import type { Namespace } from './namespaces.ts';
import { type Refusal, refuse } from './refusal.ts';
import type { State } from './state.ts';
import { etagOf, rowsOf, shownOf } from './write.ts';
import { counterText, counterValue } from './counter-value.ts';

/** Values in one page; a page with more ends early and says where to go on. */
const PAGE_VALUE_BYTES = 4 * 1024 * 1024;
/** Rows looked at for one page; a page that would need more ends early and says where to go on. */
const PAGE_ROWS = 20_000;

export function listEntries(state: State, command: ListEntriesCommand): EntryPage | Refusal {
  const { entries, leases } = state;
  const namespace = state.namespaces.obtain(command.namespace);
  if (namespace === undefined) return namespaceNotFound(command.namespace);
  if (command.limit > state.limits.pageItems || command.limit < 1) return limitRefusal(state);
  settleChains(state, namespace, command);

  const prefix = utf8(command.prefix);
  const found: EntryView[] = [];
  let valueBytes = 0;
  let more = false;
  startAt(state, namespace, command, (row) => {
    if (!hasPrefix(state, row, prefix)) return false;
    const rows = rowsOf(state, namespace, row);
    if (rows.length === 0 || !state.isEntryLive(rows[0]!)) return true;
    if (found.length === command.limit || valueBytes > PAGE_VALUE_BYTES) {
      more = true;
      return false;
    }
    const newest = rows[0]!;
    const lease = entries.lease[newest]!;
    const view: EntryView = {
      key: entries.keyText(row),
      etag: etagOf(state, shownOf(namespace, rows)),
      contentType: entries.contentType(newest),
      lease: leases.id(lease),
      remainingMs: state.remainingMs(lease),
    };
    if (command.values) {
      const isCounter = namespace.contract.conflict === 'counter' && rows.length > 1;
      const value = isCounter ? counterText(counterValue(state, rows)) : entries.valueCopy(newest);
      valueBytes += value.length;
      found.push({ ...view, value });
    } else {
      found.push(view);
    }
    return true;
  });
  const last = found.at(-1)?.key;
  return more && last !== undefined ? { entries: found, last } : { entries: found };
}

function limitRefusal(state: State): Refusal {
  return refuse(
    'invalid-request', `Cannot list so many: a page holds 1 to ${state.limits.pageItems}`,
  );
}

function startAt(
  state: State,
  namespace: Namespace,
  command: ListEntriesCommand,
  visit: (row: number) => boolean,
): void {
  const { after, prefix } = command;
  // Whichever comes later in byte order; both are well-formed, so comparing bytes compares keys.
  const continues = after !== undefined && compareUtf8(after, prefix) >= 0;
  // What begins with a zero byte stands beside the entries and is none.
  const from = prefix === '' ? '\u0001' : prefix;
  state.probe.set(namespace.number, continues ? after : from);
  namespace.order.forEachFrom(state.probe, !continues, visit);
}

/**
 * Values that lie under or beside others show only once what covers them has ended: such keys in
 * the page's range are settled first, so the page is right without changing while it is read.
 */
function settleChains(state: State, namespace: Namespace, command: ListEntriesCommand): void {
  const chains =
    namespace.contract.onExpire === 'revert' || namespace.reconciles || keepsSiblings(namespace);
  if (!chains) return;
  const prefix = utf8(command.prefix);
  const due: number[] = [];
  do {
    due.length = 0;
    let seen = 0;
    startAt(state, namespace, command, (row) => {
      if (!hasPrefix(state, row, prefix)) return false;
      for (let link = row; link !== 0; link = state.entries.link[link]!) {
        if (state.entries.link[row] === 0 || state.isCopy(link)) continue;
        if (!state.isEntryLive(link)) due.push(link);
      }
      if (state.isEntryLive(row)) seen++;
      return seen <= command.limit && due.length < PAGE_ROWS;
    });
    // Ending one may have ended others with it.
    for (const row of due) {
      if (state.entries.cell[row] !== 0 && !state.isEntryLive(row)) endRow(state, row);
    }
  } while (due.length > 0);
}

function keepsSiblings(namespace: Namespace): boolean {
  const { conflict } = namespace.contract;
  return conflict === 'siblings' || conflict === 'counter';
}

export function listLeases(state: State, command: ListLeasesCommand): LeasePage | Refusal {
  if (command.limit > state.limits.pageItems || command.limit < 1) return limitRefusal(state);
  const found: LeaseView[] = [];
  let looked = 0;
  let last: string | undefined;
  state.leaseOrder.forEachFrom(command.after ?? '', false, (lease) => {
    const listed = isListed(state, lease, command);
    if (listed && found.length === command.limit) {
      last = found.at(-1)!.id;
      return false;
    }
    if (listed) found.push(leaseView(state, lease));
    if (++looked < PAGE_ROWS) return true;
    last = state.leases.id(lease);
    return false;
  });
  const page = last === undefined ? { leases: found } : { leases: found, last };
  if (command.implicit !== true) return page;
  // Ids past the last one looked at belong to later pages.
  const within = implicitAfter(state, command).filter(({ id }) => last === undefined || id <= last);
  const merged = [...found, ...within].sort((left, right) => (left.id < right.id ? -1 : 1));
  if (merged.length <= command.limit) return { ...page, leases: merged };
  const leases = merged.slice(0, command.limit);
  return { leases, last: leases.at(-1)!.id };
}

function isListed(state: State, lease: number, command: ListLeasesCommand): boolean {
  const { leases } = state;
  const live = leases.isLive(lease, state.now);
  if (live !== ((command.state ?? 'live') === 'live')) return false;
  // A lease past its deadline, but not yet recorded as ended, is neither.
  if (!live && leases.state[lease] === LIVE) return false;
  const namespace = state.namespaceOfLease(lease).contract.name;
  if (command.namespace !== undefined && command.namespace !== namespace) return false;
  if (command.holder !== undefined && command.holder !== leases.holder(lease)) return false;
  return mayHold(state, lease, command.bearer);
}

/**
 * The first `limit + 1` implicit leases after the cursor. They are not in an index (one would cost
 * every write), so this looks at every row: a listing for people, not for programs in a loop.
 */
function implicitAfter(state: State, command: ListLeasesCommand): LeaseView[] {
  const { leases } = state;
  const wanted = command.limit + 1;
  let ids: { id: string; lease: number }[] = [];
  const keepFirst = () => {
    ids.sort((left, right) => (left.id < right.id ? -1 : 1));
    ids = ids.slice(0, wanted);
  };
  for (let lease = 1; lease <= leases.slots.highest; lease++) {
    const phase = leases.state[lease]!;
    if (phase === FREE || !leases.isImplicit(lease) || !isListed(state, lease, command)) continue;
    const id = leases.id(lease);
    if (command.after !== undefined && id <= command.after) continue;
    ids.push({ id, lease });
    if (ids.length > 4 * wanted) keepFirst();
  }
  keepFirst();
  return ids.map(({ lease }) => leaseView(state, lease));
}

function hasPrefix(state: State, row: number, prefix: Uint8Array): boolean {
  const { entries } = state;
  const ref = entries.cell[row]!;
  if (entries.keyLength(ref) < prefix.length) return false;
  const chunk = entries.slab.chunkOf(ref);
  const at = entries.slab.offsetOf(ref) + CELL_HEADER_BYTES;
  for (let index = 0; index < prefix.length; index++) {
    if (chunk[at + index] !== prefix[index]) return false;
  }
  return true;
}

const encoder = new TextEncoder();

function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

function compareUtf8(left: string, right: string): number {
  const leftBytes = utf8(left);
  const rightBytes = utf8(right);
  const common = Math.min(leftBytes.length, rightBytes.length);
  for (let index = 0; index < common; index++) {
    const difference = leftBytes[index]! - rightBytes[index]!;
    if (difference !== 0) return difference;
  }
  return leftBytes.length - rightBytes.length;
}
