/**
 * Room: what a namespace and the process may hold, and who goes when a namespace prefers evicting
 * to refusing. Checked before anything changes.
 */
import type { GrantCommand } from './command.ts';
import { endEntry, endLease } from './endings.ts';
import type { Namespace } from './namespaces.ts';
import { entryReserve } from './owed.ts';
import { type Refusal, refuse } from './refusal.ts';
import type { State } from './state.ts';

/** Rows looked at for one victim, and victims for one command: both bound the time of a step. */
const EVICTION_SAMPLES = 64;
const EVICTION_ROUNDS = 16;
const EVICTIONS_MAX = 64;
/**
 * Where a namespace evicts, what it evicts is told too, and holds its room until the bus has it:
 * that much of the capacity again may be owed before evicting stops being of help.
 */
const EVICTION_SPARE = 1 / 4;

/** What a command would add; negative where it frees first. */
export interface Demand {
  readonly leases: number;
  readonly entries: number;
  readonly bytes: number;
  /** Runs that it ends without freeing their row: their endings need room of their own. */
  readonly endings?: number;
  /** What its endings, now and one day, will carry beside the namespace: names of key and lease. */
  readonly names?: number;
  /** By how much an ending grows that has its room already: a longer content type. */
  readonly growth?: number;
}

type Resource = 'leases' | 'entries' | 'bytes' | 'outbox';

function shortage(state: State, namespace: Namespace, demand: Demand): Resource | undefined {
  const { capacity } = namespace.contract;
  const { limits } = state;
  if (demand.leases > 0) {
    const owed = counted(namespace.owedLeases, namespace, capacity.leases);
    if (namespace.leases + owed + demand.leases > capacity.leases) return 'leases';
    const all = state.liveLeases + (state.owed?.leases ?? 0);
    if (all + demand.leases > ceiling(limits.leases, namespace)) return 'leases';
    if (namespace.reconciles && state.tombstones.full) return 'leases';
  }
  if (demand.entries > 0) {
    const owed = counted(namespace.owedEntries, namespace, capacity.entries);
    if (namespace.entries + owed + demand.entries > capacity.entries) return 'entries';
    const own = state.entries.slots.used - state.copies;
    if (own + demand.entries > limits.entries) return 'entries';
    const all = own + (state.owed?.entries ?? 0);
    if (all + demand.entries > ceiling(limits.entries, namespace)) return 'entries';
    // What ends leaves a tombstone until the ledger knows: without room for those, nothing new.
    if (namespace.reconciles && state.tombstones.full) return 'entries';
  }
  if (demand.bytes > 0 && namespace.bytes + demand.bytes > capacity.bytes) return 'bytes';
  return state.owed === undefined || hasRoomToEnd(state, namespace, demand) ? undefined : 'outbox';
}

/** Unacknowledged endings that count against a capacity: a namespace that evicts has some to spare. */
function counted(owed: number, namespace: Namespace, capacity: number): number {
  if (owed === 0 || namespace.contract.capacity.eviction === 'refuse') return owed;
  return Math.max(0, owed - Math.ceil(capacity * EVICTION_SPARE));
}

function ceiling(limit: number, namespace: Namespace): number {
  const spares = namespace.contract.capacity.eviction !== 'refuse';
  return spares ? limit + Math.ceil(limit * EVICTION_SPARE) : limit;
}

/** What a command adds, or ends while its row lives on, must find room in the outbox one day. */
function hasRoomToEnd(state: State, namespace: Namespace, demand: Demand): boolean {
  const added = Math.max(0, demand.leases) + Math.max(0, demand.entries);
  const endings = added + (demand.endings ?? 0);
  const growth = Math.max(0, demand.growth ?? 0);
  if (endings === 0 && growth === 0) return true;
  const living = state.explicitLeases + state.entries.slots.used - state.copies;
  const bytes = endings * entryReserve(namespace, demand.names ?? 0) + growth;
  return state.owed!.hasRoom(endings === 0 ? 0 : living, endings, bytes);
}

/**
 * undefined when there is room, possibly after evicting. `keep` are the rows the command is about:
 * it has decided by them already, so they, and the leases they are under, must not be its victims.
 */
export function makeRoom(
  state: State,
  namespace: Namespace,
  demand: Demand,
  keep: readonly number[],
): Refusal | undefined {
  let short = shortage(state, namespace, demand);
  if (short !== undefined && mayEvict(state, namespace, demand)) {
    for (let count = 0; short !== undefined && count < EVICTIONS_MAX; count++) {
      if (wouldBeOwed(state, namespace, short)) break;
      const victim = findVictim(state, namespace, keep, short);
      if (victim === 0) break;
      evict(state, victim);
      short = shortage(state, namespace, demand);
    }
  }
  return short === undefined ? undefined : capacityRefusal(namespace, short);
}

/** Evicting must be allowed, and able to help: nobody goes for what would not fit an empty namespace. */
function mayEvict(state: State, namespace: Namespace, demand: Demand): boolean {
  const { capacity } = namespace.contract;
  if (capacity.eviction === 'refuse' || demand.bytes > capacity.bytes) return false;
  if (state.evicting === 'shadow') state.evictionsWithheld++;
  return state.evicting === 'on';
}

/** What is evicted would be owed to the bus, and keep the place that it was to give up. */
function wouldBeOwed(state: State, namespace: Namespace, short: Resource): boolean {
  if (short === 'outbox') return true;
  if (short !== 'entries' || state.owed === undefined) return false;
  return namespace.owedEntries >= Math.ceil(namespace.contract.capacity.entries * EVICTION_SPARE);
}

export function capacityRefusal(namespace: Namespace, short: Resource | 'memory'): Refusal {
  const { name, capacity } = namespace.contract;
  if (short === 'outbox') {
    return refuse(
      'capacity',
      `Cannot hold more in "${name}": the room for endings is used up until the bus takes some`,
      { resource: 'outbox' },
    );
  }
  if (short === 'memory') {
    return refuse('capacity', `Cannot hold more in "${name}": the memory for values is used up`, {
      resource: 'memory',
    });
  }
  return refuse(
    'capacity',
    `Cannot hold more in "${name}": its capacity, or the process's, for ${short} is used up`,
    { resource: short, limit: capacity[short] },
  );
}

/**
 * The soonest deadline, or the longest unused, among some rows of the namespace, taken where the
 * last search stopped: an approximation in constant time, as Redis does it.
 */
function findVictim(
  state: State,
  namespace: Namespace,
  keep: readonly number[],
  short: Resource,
): number {
  const { entries, leases } = state;
  const byUse = namespace.contract.capacity.eviction === 'leastRecentlyUsed';
  const highest = entries.slots.highest;
  if (highest === 0) return 0;
  let best = 0;
  let bestRank = Number.POSITIVE_INFINITY;
  for (let round = 0; round < EVICTION_ROUNDS && best === 0; round++) {
    for (let sample = 0; sample < EVICTION_SAMPLES; sample++) {
      state.evictionHand = state.evictionHand >= highest ? 1 : state.evictionHand + 1;
      const row = state.evictionHand;
      if (entries.cell[row] === 0 || keep.includes(row)) continue;
      if (entries.namespace[row] !== namespace.number || !state.isEntryLive(row)) continue;
      if (state.isCopy(row)) continue;
      // An explicit lease outlives its entries, so its room would not come free.
      if (short === 'leases' && !leases.isImplicit(entries.lease[row]!)) continue;
      const rank = byUse ? entries.usedAt[row]! : leases.deadline[entries.lease[row]!]!;
      if (rank < bestRank) {
        best = row;
        bestRank = rank;
      }
    }
  }
  return best;
}

function evict(state: State, row: number): void {
  const lease = state.entries.lease[row]!;
  state.evictions++;
  if (state.leases.isImplicit(lease)) endLease(state, lease, 'evicted');
  else endEntry(state, row, 'evicted');
}

export function roomForLease(
  state: State,
  namespace: Namespace,
  command: GrantCommand,
): Refusal | undefined {
  const bytes = 16 + (command.id?.length ?? 32) + command.holder.length * 3;
  const names = 3 * (command.id?.length ?? 32) + command.holder.length * 3;
  return makeRoom(state, namespace, { leases: 1, entries: 0, bytes, names }, []);
}
