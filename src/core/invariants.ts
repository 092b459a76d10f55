/**
 * What must hold between any two steps, recounted from scratch. Tests and the simulator call it
 * after steps; it shares no bookkeeping with the code it checks, only the tables.
 */
import type { Core } from './core.ts';
import { COPIED, DRAINING, ENDED, FREE, LIVE } from './lease-table.ts';
import { entryReserve, IMPLICIT_ID_BYTES, leaseReserve } from './owed.ts';
import type { State } from './state.ts';

export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new InvariantError(what);
}

/** Throws `InvariantError` naming the first invariant that does not hold. */
export function checkInvariants(core: Core): void {
  const { state } = core;
  checkLeases(state);
  checkEntries(state);
  checkOrders(state);
  checkPartitions(state);
  checkOwed(state);
}

function checkLeases(state: State): void {
  const { leases, entries, limits } = state;
  const liveByNamespace = new Map<number, number>();
  let live = 0;
  let ended = 0;
  let used = 0;
  for (let lease = 1; lease <= leases.slots.highest; lease++) {
    const phase = leases.state[lease]!;
    if (phase === FREE) continue;
    used++;
    let count = 0;
    for (let row = leases.entryHead[lease]!; row !== 0; row = entries.leaseNext[row]!) {
      must(entries.lease[row] === lease, `entry ${row} is in the list of another lease`);
      count++;
      must(count <= entries.slots.highest, `the entries of lease ${lease} form a ring`);
    }
    must(count === leases.entryCount[lease], `lease ${lease} miscounts its entries`);
    if (phase === LIVE) {
      live++;
      const namespace = leases.namespace[lease]!;
      liveByNamespace.set(namespace, (liveByNamespace.get(namespace) ?? 0) + 1);
      must(state.wheel.isScheduled(lease), `live lease ${lease} is not on the wheel`);
      must(
        !leases.isImplicit(lease) || count > 0, `implicit lease ${lease} lives without an entry`,
      );
      must(
        leases.deadline[lease]! <=
          leases.lifetimeEnd(lease, state.namespaceOfLease(lease).contract.ttl.maxLifetimeMs),
        `lease ${lease} outlives its lifetime`,
      );
      must(leases.find(leases.id(lease)) === lease, `live lease ${lease} is not found by its id`);
    } else {
      must(!state.wheel.isScheduled(lease), `ended lease ${lease} is on the wheel`);
      must(phase !== ENDED || count === 0, `remembered lease ${lease} still has entries`);
      must(phase !== DRAINING || count > 0, `ended lease ${lease} without entries is not settled`);
      must(phase !== COPIED || count === 1, `the lease of copy ${lease} has ${count} values`);
      if (phase === ENDED) ended++;
    }
  }
  must(used === leases.slots.used, 'lease rows are miscounted');
  must(live === state.liveLeases, 'live leases are miscounted');
  must(ended === state.endedCount, 'remembered endings are miscounted');
  must(ended <= limits.endedMemory.entries, 'more endings are remembered than allowed');
  must(state.wheel.size === live, 'the wheel and the live leases differ');
  for (const namespace of state.namespaces.all()) {
    must(
      namespace.leases === (liveByNamespace.get(namespace.number) ?? 0),
      `leases of "${namespace.contract.name}" are miscounted`,
    );
    must(
      namespace.leases <= namespace.contract.capacity.leases,
      `"${namespace.contract.name}" holds more leases than its capacity`,
    );
  }
}

function checkEntries(state: State): void {
  const { entries, leases } = state;
  const counts = new Map<number, { entries: number; bytes: number; heads: number }>();
  const linked = new Uint8Array(entries.slots.highest + 1);
  let used = 0;
  let copies = 0;
  let copyBytes = 0;
  for (let row = 1; row <= entries.slots.highest; row++) {
    if (entries.cell[row] === 0) continue;
    used++;
    const link = entries.link[row]!;
    if (link !== 0) {
      must(linked[link] === 0, `entry ${link} is linked twice`);
      linked[link] = 1;
    }
    const lease = entries.lease[row]!;
    must(leases.state[lease] !== FREE, `entry ${row} is under a lease that is gone`);
    must(
      leases.namespace[lease] === entries.namespace[row],
      `entry ${row} is under a lease of another namespace`,
    );
    must(
      entries.bornSeq[row]! <= entries.dotSeq[row]! ||
        entries.bornActor[row] !== entries.dotActor[row],
      `entry ${row} was written before it was born`,
    );
    const namespace = entries.namespace[row]!;
    const count = counts.get(namespace) ?? { entries: 0, bytes: 0, heads: 0 };
    const bytes = entries.chargedBytes(entries.cell[row]!);
    if (state.isCopy(row)) {
      copies++;
      copyBytes += bytes;
    } else {
      count.entries++;
      count.bytes += bytes;
    }
    if (entries.leafOf[row] !== 0) count.heads++;
    counts.set(namespace, count);
  }
  let heads = 0;
  for (let row = 1; row <= entries.slots.highest; row++) {
    if (entries.cell[row] === 0) continue;
    const isHead = entries.leafOf[row] !== 0;
    must(isHead !== (linked[row] === 1), `entry ${row} is neither head nor linked, or both`);
    if (isHead) heads++;
  }
  must(used === entries.slots.used, 'entry rows are miscounted');
  must(copies === state.copies && copyBytes === state.copyBytes, 'copies are miscounted');
  must(copies <= state.limits.copies, 'more copies are held than allowed');
  must(heads === entries.index.size, 'the key index and the heads differ');
  for (const namespace of state.namespaces.all()) {
    const { name, capacity } = namespace.contract;
    const count = counts.get(namespace.number) ?? { entries: 0, bytes: 0, heads: 0 };
    must(namespace.entries === count.entries, `entries of "${name}" are miscounted`);
    must(namespace.order.size === count.heads, `the order of "${name}" misses a key`);
    must(namespace.entries <= capacity.entries, `"${name}" holds more entries than its capacity`);
    const details = detailBytes(state, namespace.number);
    must(namespace.bytes === count.bytes + details, `bytes of "${name}" are miscounted`);
  }
}

/** Every row that reconciles is in the list of its partition, once. */
function checkPartitions(state: State): void {
  const { ledger, entries } = state;
  if (ledger === undefined) return;
  let listed = 0;
  let expected = 0;
  for (const namespace of state.namespaces.all()) {
    for (let partition = 0; partition < ledger.partitions; partition++) {
      let row = ledger.first(namespace.number, partition);
      for (; row !== 0; row = ledger.next[row]!) {
        must(entries.cell[row] !== 0, `partition ${partition} lists row ${row}, which is free`);
        must(ledger.partitionOf(row) === partition, `row ${row} is listed in another partition`);
        must(entries.namespace[row] === namespace.number, `row ${row} is of another namespace`);
        must(++listed <= entries.slots.used, `the rows of partition ${partition} form a ring`);
      }
    }
  }
  for (let row = 1; row <= entries.slots.highest; row++) {
    if (entries.cell[row] !== 0 && state.namespaceOfEntry(row).reconciles) expected++;
  }
  must(listed === expected, 'rows that reconcile are missing from their partitions');
}

function detailBytes(state: State, namespace: number): number {
  const { leases } = state;
  let bytes = 0;
  for (let lease = 1; lease <= leases.slots.highest; lease++) {
    const counts = leases.state[lease] === LIVE && leases.namespace[lease] === namespace;
    if (counts) bytes += leases.detailBytes(lease);
  }
  return bytes;
}

function checkOrders(state: State): void {
  for (const namespace of state.namespaces.all()) {
    let previous = 0;
    state.probe.set(namespace.number, '');
    namespace.order.forEachFrom(state.probe, true, (row) => {
      must(
        previous === 0 || state.entries.compareRows(previous, row) < 0,
        `keys of "${namespace.contract.name}" are out of order`,
      );
      previous = row;
      return true;
    });
  }
  let previousId = '';
  state.leaseOrder.forEachFrom('', true, (lease) => {
    const id = state.leases.id(lease);
    must(previousId < id, 'lease ids are out of order');
    previousId = id;
    return true;
  });
}

/** Whatever lives has the room of its ending, and what is owed is counted once. */
function checkOwed(state: State): void {
  const { owed, leases, entries } = state;
  if (owed === undefined) return;
  let reserved = 0;
  let explicit = 0;
  for (let lease = 1; lease <= leases.slots.highest; lease++) {
    if (leases.state[lease] !== LIVE || leases.isImplicit(lease)) continue;
    explicit++;
    reserved += leaseReserve(state.namespaceOfLease(lease), leases.nameBytes(lease));
  }
  for (let row = 1; row <= entries.slots.highest; row++) {
    const cell = entries.cell[row]!;
    if (cell === 0 || state.isCopy(row)) continue;
    const lease = entries.lease[row]!;
    reserved += entryReserve(state.namespaceOfEntry(row), entries.nameBytes(cell));
    reserved += leases.isImplicit(lease) ? IMPLICIT_ID_BYTES : leases.nameBytes(lease);
  }
  must(reserved === owed.reservedBytes, 'the room for endings is miscounted');
  must(explicit === state.explicitLeases, 'explicit leases are miscounted');
  must(owed.pending === owed.leases + owed.entries, 'endings owed are miscounted');
  must(owed.leases >= 0 && owed.entries >= 0 && owed.pendingBytes >= 0, 'less than nothing is owed');
  const namespaces = state.namespaces.all();
  const leasesOwed = namespaces.reduce((sum, { owedLeases }) => sum + owedLeases, 0);
  const entriesOwed = namespaces.reduce((sum, { owedEntries }) => sum + owedEntries, 0);
  must(leasesOwed === owed.leases, 'endings of leases owed are miscounted by namespace');
  must(entriesOwed === owed.entries, 'endings of entries owed are miscounted by namespace');
}
