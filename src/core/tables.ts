/**
 * The tables of one sidecar and what holds them together: clock, numbers, undo, snapshot.
 *
 * Two things ride along with every primitive change (`lease-rows.ts`, `entry-rows.ts`). While a
 * batch is atomic, each leaves its inverse in `undo`, and what it would free is kept until the
 * batch is decided. While a snapshot is taken, each row is written to it before its first change
 * (copy before write), so the snapshot is the state of one instant although nothing stops for it.
 */
import { Actors } from './actors.ts';
import type { CoreLimits, CoreOptions } from './contract.ts';
import { EntryTable } from './entry-table.ts';
import { FactWriter } from './fact-writer.ts';
import { HybridClock } from './hybrid-clock.ts';
import { KeyProbe } from './key-probe.ts';
import { COPIED, FREE, LeaseTable, LIVE } from './lease-table.ts';
import { LedgerColumns } from './ledger-columns.ts';
import { type Namespace, Namespaces } from './namespaces.ts';
import { LeafPool, OrderedIndex } from './ordered-index.ts';
import { Owed } from './owed.ts';
import { Slab } from './slab.ts';
import { TimingWheel } from './timing-wheel.ts';
import { type Tombstone, Tombstones } from './tombstones.ts';

/** Rows kept beyond the capacities, so that a full namespace can still move and revert. */
const SPARE_ROWS = 1024;
/** PROTOCOL §2.5: as far as the ledger lets clocks be apart, unless told otherwise. */
const CONTEXT_AHEAD_MS = 5000;
/** Slab bytes kept for one remembered ending: id and holder of ordinary length. */
export const ENDED_DETAIL_BYTES = 96;

/** The snapshot under way: what is behind the cursors, or marked, has been written. */
interface SnapshotProgress {
  readonly mark: number;
  leaseCursor: number;
  entryCursor: number;
  /** As they are when their turn comes: facts written meanwhile only add to them. */
  readonly tombstones: IterableIterator<Tombstone>;
  readonly writer: FactWriter;
}

export function slabLimit(limits: CoreLimits): number {
  const cells = limits.entries + limits.leases + 2 * limits.copies;
  return Slab.worstCase(limits.bytes + limits.copyBytes, cells) +
    (limits.endedMemory.entries + limits.copies) * ENDED_DETAIL_BYTES;
}
export class Tables {
  readonly limits: CoreLimits;
  readonly actors: Actors;
  readonly slab: Slab;
  readonly leases: LeaseTable;
  readonly entries: EntryTable;
  readonly namespaces: Namespaces;
  readonly contextAheadMs: number;
  /** Present when a ledger is connected. */
  readonly ledger: LedgerColumns | undefined;
  readonly tombstones: Tombstones;
  /** Present when a bus is connected. */
  readonly owed: Owed | undefined;
  /** Explicit leases by id. */
  readonly leaseOrder: OrderedIndex<string>;
  readonly wheel: TimingWheel;
  readonly facts: FactWriter;
  readonly clock = new HybridClock();
  /** The key of the command under way. */
  readonly probe: KeyProbe;
  /** A key looked up on the way of another command. */
  readonly sideProbe: KeyProbe;
  /** A key looked up by a primitive itself. */
  protected readonly chainProbe: KeyProbe;

  /** Instant of the step under way. */
  now: number;
  /** Wall clock minus timeline. */
  wallOffsetMs = 0;
  /** What fell due before this instant fell due while the process was down. */
  resumedAt = 0;
  /** Rows by their state, process-wide; explicit and implicit leases together. */
  liveLeases = 0;
  evictions = 0;
  /** The flag `eviction`: whether room may be made that way. */
  evicting: 'off' | 'shadow' | 'on' = 'on';
  /** What was refused because of it. */
  evictionsWithheld = 0;
  /** TTLs that nobody asked for are stretched just now. */
  stretching = false;
  /** Copies of others' values. */
  copies = 0;
  copyBytes = 0;
  /** When other runs were last heard of, by actor: their session values live on with them. */
  readonly heardAt = new Map<string, number>();
  /** Runs before this one whose values are held here. */
  readonly predecessors = new Set<string>();
  /** Where the last search for a victim stopped. */
  evictionHand = 0;
  #sequence = 0;

  /** Rows and tombstones with something the ledger must be told. */
  changedRows: number[] = [];
  changedTombstones: Tombstone[] = [];
  /** Deadlines that wait for the ledger to know them, by lease (§3.5 rule 4). */
  readonly wanted = new Map<number, number>();

  undo: (() => void)[] | undefined;
  #deferred: (() => void)[] = [];
  #snapshot: SnapshotProgress | undefined;
  #snapshotMark = 0;

  constructor(options: CoreOptions, startNow: number) {
    const { limits } = options;
    this.limits = limits;
    this.contextAheadMs = options.contextAheadMs ?? CONTEXT_AHEAD_MS;
    this.now = startNow;
    this.actors = new Actors(options.actor);
    this.slab = new Slab(slabLimit(limits));
    const leaseRows = limits.leases + limits.endedMemory.entries + limits.copies + SPARE_ROWS;
    const entryRows = limits.entries + limits.copies + SPARE_ROWS;
    this.leases = new LeaseTable(leaseRows, this.slab, this.actors, options.hashSeed);
    this.entries = new EntryTable(entryRows, this.slab);
    this.ledger =
      options.ledger === undefined ? undefined : new LedgerColumns(entryRows, options.ledger);
    this.tombstones = new Tombstones(limits.tombstones);
    this.owed = limits.outbox === undefined ? undefined : new Owed(limits.outbox);
    const pool = new LeafPool(entryRows + leaseRows);
    this.leaseOrder = new OrderedIndex<string>({
      slotCapacity: leaseRows,
      leafOf: this.leases.leafOf,
      pool,
      compareSlots: (left, right) => this.leases.compareRows(left, right),
      compareProbe: (id, slot) => this.leases.compareProbe(id, slot),
    });
    this.namespaces = new Namespaces(
      options.namespaces, options.autoCreateNamespaces, limits.namespaces, this.entries, pool,
      options.ledger !== undefined, this.owed !== undefined, startNow,
    );
    this.wheel = new TimingWheel(leaseRows, startNow);
    this.facts = new FactWriter(this.actors, this.leases, this.entries, this.owed);
    this.probe = new KeyProbe(options.hashSeed);
    this.sideProbe = new KeyProbe(options.hashSeed);
    this.chainProbe = new KeyProbe(options.hashSeed);
  }

  /** Begins a step at `now`; a clock that went back counts as standing still. */
  enter(now: number): void {
    if (now > this.now) this.now = now;
    this.facts.at = this.now;
    this.facts.wallMs = this.now + this.wallOffsetMs;
  }

  nextSequence(): number {
    return ++this.#sequence;
  }

  mintHlc(): number {
    return this.clock.mint(this.now + this.wallOffsetMs);
  }

  namespaceOfLease(lease: number): Namespace {
    return this.namespaces.at(this.leases.namespace[lease]!);
  }

  namespaceOfEntry(entry: number): Namespace {
    return this.namespaces.at(this.entries.namespace[entry]!);
  }

  isEntryLive(entry: number): boolean {
    const lease = this.entries.lease[entry]!;
    if (this.leases.state[lease] === COPIED) return this.now < this.deadlineOf(lease);
    return this.leases.isLive(lease, this.now);
  }

  /** Another sidecar's value: never ended here, only forgotten. */
  isCopy(entry: number): boolean {
    return this.leases.state[this.entries.lease[entry]!] === COPIED;
  }

  /** Until when a lease is live; a copy's also while its owner is heard of (PROTOCOL §3.3). */
  deadlineOf(lease: number): number {
    const { leases } = this;
    const deadline = leases.deadline[lease]!;
    if (leases.state[lease] !== COPIED || leases.session[lease] === 0) return deadline;
    const heardAt = this.heardAt.get(this.actors.text(leases.originActor[lease]!)) ?? 0;
    const { autonomyMs } = this.namespaceOfLease(lease).contract;
    return Math.max(deadline, heardAt + Math.min(leases.ttlMs[lease]!, autonomyMs));
  }

  /** Floored; 0 may still be live. */
  remainingMs(lease: number): number {
    return Math.floor(this.deadlineOf(lease) - this.now);
  }

  /** The ledger must be told of this row's key. */
  noteChanged(entry: number): void {
    const { ledger } = this;
    if (ledger === undefined || ledger.changed[entry] === 1) return;
    if (!this.namespaceOfEntry(entry).reconciles) return;
    ledger.changed[entry] = 1;
    this.changedRows.push(entry);
  }

  /** The tombstone of a key, which the ledger must be told of. */
  openTombstone(namespace: number, key: string): Tombstone {
    const tombstone = this.tombstones.open(namespace, key);
    if (!tombstone.changed) {
      tombstone.changed = true;
      this.changedTombstones.push(tombstone);
    }
    return tombstone;
  }

  /** Now, or when an atomic batch has been decided. */
  later(action: () => void): void {
    if (this.undo === undefined) action();
    else this.#deferred.push(action);
  }

  /* ---- atomic batches ------------------------------------------------------------------ */

  beginAtomic(): void {
    this.undo = [];
  }

  commitAtomic(): void {
    this.undo = undefined;
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const action of deferred) action();
  }

  rollbackAtomic(): void {
    const undo = this.undo ?? [];
    this.undo = undefined;
    this.#deferred = [];
    for (let index = undo.length - 1; index >= 0; index--) undo[index]!();
  }

  /* ---- snapshots ----------------------------------------------------------------------- */

  /** Rows are written to `writer` from now on: by `captureNext`, or before they change. */
  beginSnapshot(writer: FactWriter): void {
    this.#snapshotMark = this.#snapshotMark === 255 ? 1 : this.#snapshotMark + 1;
    if (this.#snapshotMark === 1) {
      this.leases.captured.fill(0, 0, this.leases.slots.highest + 1);
      this.entries.captured.fill(0, 0, this.entries.slots.highest + 1);
    }
    this.#snapshot = {
      mark: this.#snapshotMark, leaseCursor: 1, entryCursor: 1, writer,
      tombstones: this.tombstones.values(),
    };
    for (const namespace of this.namespaces.all()) {
      if (namespace.reconciles) writer.contactRestated(namespace);
    }
  }

  /** Writes up to `budget` rows; true when all are written and the snapshot is over. */
  captureNext(budget: number): boolean {
    const snapshot = this.#snapshot!;
    let left = budget;
    while (left > 0 && snapshot.leaseCursor <= this.leases.slots.highest) {
      this.captureLease(snapshot.leaseCursor++);
      left--;
    }
    while (left > 0 && snapshot.entryCursor <= this.entries.slots.highest) {
      this.captureEntry(snapshot.entryCursor++);
      left--;
    }
    while (left > 0) {
      const { value: tombstone, done } = snapshot.tombstones.next();
      if (done) break;
      const namespace = this.namespaces.at(tombstone.namespace);
      if (namespace.contract.durability === 'memory') continue;
      snapshot.writer.tombstoneRestated(namespace, tombstone);
      left--;
    }
    if (left === 0) return false;
    this.#snapshot = undefined;
    return true;
  }

  abandonSnapshot(): void {
    this.#snapshot = undefined;
  }

  /** New rows are not of the snapshot's instant. */
  protected markCaptured(column: Uint8Array, slot: number): void {
    if (this.#snapshot !== undefined) column[slot] = this.#snapshot.mark;
  }

  captureLease(lease: number): void {
    const snapshot = this.#snapshot;
    if (snapshot === undefined || this.leases.captured[lease] === snapshot.mark) return;
    this.leases.captured[lease] = snapshot.mark;
    const state = this.leases.state[lease]!;
    if (state === FREE || state === COPIED) return;
    const namespace = this.namespaceOfLease(lease);
    if (namespace.contract.durability === 'memory') return;
    snapshot.writer.leaseRestated(namespace, lease, state === LIVE);
  }

  captureEntry(entry: number): void {
    const snapshot = this.#snapshot;
    if (snapshot === undefined || this.entries.captured[entry] === snapshot.mark) return;
    this.entries.captured[entry] = snapshot.mark;
    if (this.entries.cell[entry] === 0 || this.isCopy(entry)) return;
    const namespace = this.namespaceOfEntry(entry);
    if (namespace.contract.durability === 'memory') return;
    this.captureLease(this.entries.lease[entry]!);
    snapshot.writer.entryRestated(namespace, entry);
  }
}
