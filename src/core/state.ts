/**
 * The state of one sidecar and every way it can change. Commands decide, this file acts: each
 * method is one primitive change to the tables, shared by live commands and by recovery, so that
 * replaying the facts leads to the same state by the same code.
 *
 * Two things ride along with every primitive. While a batch is atomic, each leaves its inverse in
 * `undo`, and what it would free is kept until the batch is decided. While a snapshot is taken,
 * each row is written to it before its first change (copy before write), so the snapshot is the
 * state of one instant although nothing stops for it.
 */
import { Actors } from './actors.ts';
import type { EndReason } from './command.ts';
import type { CoreLimits, CoreOptions } from './contract.ts';
import { EntryTable, type NumberedDot } from './entry-table.ts';
import { END_REASONS, FactWriter } from './fact-codec.ts';
import { HybridClock } from './hybrid-clock.ts';
import { KeyProbe } from './key-probe.ts';
import { COPIED, DRAINING, ENDED, FREE, LeaseTable, LIVE } from './lease-table.ts';
import { LedgerColumns } from './ledger-columns.ts';
import { type Namespace, Namespaces } from './namespaces.ts';
import { LeafPool, OrderedIndex } from './ordered-index.ts';
import { Slab } from './slab.ts';
import { TimingWheel } from './timing-wheel.ts';
import { type Tombstone, Tombstones } from './tombstones.ts';

/** Rows kept beyond the capacities, so that a full namespace can still move and revert. */
const SPARE_ROWS = 1024;
/** Slab bytes kept for one remembered ending: id and holder of ordinary length. */
const ENDED_DETAIL_BYTES = 96;

export interface LeaseFields {
  readonly namespace: Namespace;
  readonly originActor: number;
  readonly originSeq: number;
  readonly ttlMs: number;
  readonly deadline: number;
  readonly grantedAt: number;
  /** Absent for an implicit lease. */
  readonly explicit?: {
    readonly id: string;
    readonly holder: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly lifetimeEnd: number;
    /** A row that had the same id before, 0 for none: only the newer of the two is listed. */
    readonly earlier: number;
  };
}

/** What is known of the lease of another sidecar's value. */
export interface CopyLeaseFields {
  readonly id: string;
  readonly holder: string;
  readonly ttlMs: number;
  readonly deadline: number;
  readonly grantedAt: number;
  readonly session: boolean;
  /** Number of the actor whose heartbeat keeps it alive. */
  readonly owner: number;
}

export interface EntryFields {
  readonly namespace: Namespace;
  readonly lease: number;
  readonly cell: number;
  readonly dotActor: number;
  readonly dotSeq: number;
  readonly bornActor: number;
  readonly bornSeq: number;
  readonly hlc: number;
}

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

export class State {
  readonly limits: CoreLimits;
  readonly actors: Actors;
  readonly slab: Slab;
  readonly leases: LeaseTable;
  readonly entries: EntryTable;
  readonly namespaces: Namespaces;
  /** Present when a ledger is connected. */
  readonly ledger: LedgerColumns | undefined;
  readonly tombstones: Tombstones;
  /** Explicit leases by id. */
  readonly leaseOrder: OrderedIndex<string>;
  readonly wheel: TimingWheel;
  readonly facts: FactWriter;
  readonly clock = new HybridClock();
  /** The key of the command under way. */
  readonly probe: KeyProbe;
  /** A key looked up on the way of another command. */
  readonly sideProbe: KeyProbe;
  readonly #chainProbe: KeyProbe;

  /** Instant of the step under way. */
  now: number;
  /** Wall clock minus timeline. */
  wallOffsetMs = 0;
  /** What fell due before this instant fell due while the process was down. */
  resumedAt = 0;
  /** Rows by their state, process-wide; explicit and implicit leases together. */
  liveLeases = 0;
  evictions = 0;
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

  /** Ended leases with entries still to be ended, oldest first from `drainFrom`. */
  readonly draining: number[] = [];
  drainFrom = 0;
  /** Remembered endings, oldest first. */
  #endedFirst = 0;
  #endedLast = 0;
  endedCount = 0;
  #endedBytes = 0;

  /** Ended leases of the snapshot being read. */
  readonly restoredEnded: number[] = [];

  /** Leases renewed in this group: one fact each, told when the group closes. */
  readonly renewed: number[] = [];

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
      options.ledger !== undefined, startNow,
    );
    this.wheel = new TimingWheel(leaseRows, startNow);
    this.facts = new FactWriter(this.actors, this.leases, this.entries);
    this.probe = new KeyProbe(options.hashSeed);
    this.sideProbe = new KeyProbe(options.hashSeed);
    this.#chainProbe = new KeyProbe(options.hashSeed);
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

  /* ---- leases -------------------------------------------------------------------------- */

  /** 0 when there is no row or no room for the details. */
  allocateLease(fields: LeaseFields): number {
    const { leases } = this;
    const { explicit, namespace } = fields;
    let detail = 0;
    if (explicit !== undefined) {
      detail = leases.writeDetail(
        explicit.id, explicit.holder, explicit.labels, explicit.lifetimeEnd,
      );
      if (detail === 0) return 0;
    }
    let slot = leases.slots.take();
    if (slot === 0 && this.#endedFirst !== 0 && this.undo === undefined) {
      this.#forgetOldest();
      slot = leases.slots.take();
    }
    if (slot === 0) {
      if (detail !== 0) this.slab.free(detail, false);
      return 0;
    }
    this.#markCaptured(leases.captured, slot);
    leases.state[slot] = LIVE;
    leases.namespace[slot] = namespace.number;
    leases.deadline[slot] = fields.deadline;
    leases.ttlMs[slot] = fields.ttlMs;
    leases.grantedAt[slot] = fields.grantedAt;
    leases.touchedAt[slot] = fields.grantedAt;
    leases.renewals[slot] = 0;
    leases.entryHead[slot] = 0;
    leases.entryCount[slot] = 0;
    leases.detail[slot] = detail;
    leases.originActor[slot] = fields.originActor;
    leases.originSeq[slot] = fields.originSeq;
    leases.endReason[slot] = 0;
    leases.renewalPending[slot] = 0;
    this.actors.retain(fields.originActor);
    leases.addToIndex(slot);
    if (explicit !== undefined) this.#list(slot, explicit.earlier);
    this.wheel.schedule(slot, fields.deadline);
    this.liveLeases++;
    namespace.leases++;
    namespace.bytes += leases.detailBytes(slot);
    this.undo?.push(() => {
      this.liveLeases--;
      namespace.leases--;
      namespace.bytes -= leases.detailBytes(slot);
      this.wheel.cancel(slot);
      this.#freeLease(slot);
    });
    return slot;
  }

  /** A row that stands for another sidecar's lease; 0 when there is no room for it. */
  allocateCopyLease(namespace: Namespace, copy: CopyLeaseFields): number {
    const { leases } = this;
    const detail = leases.writeDetail(copy.id, copy.holder, {}, 0);
    if (detail === 0) return 0;
    const slot = leases.slots.take();
    if (slot === 0) {
      this.slab.free(detail, false);
      return 0;
    }
    this.#markCaptured(leases.captured, slot);
    leases.state[slot] = COPIED;
    leases.namespace[slot] = namespace.number;
    leases.deadline[slot] = copy.deadline;
    leases.ttlMs[slot] = copy.ttlMs;
    leases.grantedAt[slot] = copy.grantedAt;
    leases.session[slot] = copy.session ? 1 : 0;
    leases.entryHead[slot] = 0;
    leases.entryCount[slot] = 0;
    leases.detail[slot] = detail;
    leases.leafOf[slot] = 0;
    leases.originActor[slot] = copy.owner;
    leases.originSeq[slot] = 0;
    this.actors.retain(copy.owner);
    return slot;
  }

  /** Forgets a copy; its owner's value is not touched by that. */
  dropCopy(entry: number): void {
    const lease = this.entries.lease[entry]!;
    this.removeEntry(entry);
    this.later(() => this.freeCopyLease(lease));
  }

  freeCopyLease(lease: number): void {
    const { leases } = this;
    this.slab.free(leases.detail[lease]!, this.namespaceOfLease(lease).contract.sensitive);
    this.actors.release(leases.originActor[lease]!);
    leases.state[lease] = FREE;
    leases.slots.give(lease);
  }

  /** Puts an explicit lease into the order of ids, unless a newer one of its id is there. */
  #list(lease: number, earlier: number): void {
    if (earlier !== 0 && this.leases.leafOf[earlier] !== 0) {
      if (this.leases.isNewer(earlier, lease)) return;
      this.leaseOrder.remove(earlier);
    }
    this.leaseOrder.insert(lease);
  }

  /** Whether `allocateLease` would find a row. */
  hasLeaseRow(): boolean {
    if (this.leases.slots.available > 0) return true;
    return this.#endedFirst !== 0 && this.undo === undefined;
  }

  #freeLease(slot: number): void {
    const { leases } = this;
    leases.index.remove(slot);
    if (leases.leafOf[slot] !== 0) this.leaseOrder.remove(slot);
    const detail = leases.detail[slot]!;
    if (detail !== 0) this.slab.free(detail, this.namespaceOfLease(slot).contract.sensitive);
    this.actors.release(leases.originActor[slot]!);
    leases.state[slot] = FREE;
    leases.slots.give(slot);
  }

  /** Lazy re-arm: the wheel looks at the deadline when the old one comes. */
  renewLease(lease: number, deadline: number, renewedAt: number, renewals: number): void {
    const { leases } = this;
    this.captureLease(lease);
    if (this.undo !== undefined) {
      const before = [
        leases.deadline[lease]!, leases.touchedAt[lease]!, leases.renewals[lease]!,
        leases.renewalPending[lease]!,
      ] as const;
      this.undo.push(() => {
        leases.deadline[lease] = before[0];
        // The undone end of a lease hung it up again where this renewal would have had it.
        if (this.wheel.isScheduled(lease)) this.wheel.schedule(lease, before[0]);
        leases.touchedAt[lease] = before[1];
        leases.renewals[lease] = before[2];
        if (before[3] === 0 && leases.renewalPending[lease] === 1) {
          leases.renewalPending[lease] = 0;
          this.renewed.splice(this.renewed.lastIndexOf(lease), 1);
        }
      });
    }
    leases.deadline[lease] = deadline;
    leases.touchedAt[lease] = renewedAt;
    leases.renewals[lease] = renewals;
  }

  /** Remembers that this renewal is to be told, once, when the group closes. */
  noteRenewal(lease: number): void {
    if (this.leases.renewalPending[lease] === 1) return;
    this.leases.renewalPending[lease] = 1;
    this.renewed.push(lease);
  }

  /** false: no room for the new holder's name; nothing changed. */
  transferLease(lease: number, holder: string): boolean {
    const { leases } = this;
    const namespace = this.namespaceOfLease(lease);
    const detail = leases.writeDetail(
      leases.id(lease), holder, leases.labels(lease),
      leases.lifetimeEnd(lease, namespace.contract.ttl.maxLifetimeMs),
    );
    if (detail === 0) return false;
    this.captureLease(lease);
    const old = leases.detail[lease]!;
    namespace.bytes -= leases.detailBytes(lease);
    leases.detail[lease] = detail;
    namespace.bytes += leases.detailBytes(lease);
    this.slab.free(old, namespace.contract.sensitive);
    return true;
  }

  /**
   * Marks a live lease as ended: nothing under it is visible any more. Its entries' endings are
   * the caller's to record, at once or from `draining`.
   */
  endLease(lease: number, reason: EndReason, endedAt: number): void {
    const { leases } = this;
    this.captureLease(lease);
    const namespace = this.namespaceOfLease(lease);
    const wasScheduled = this.wheel.isScheduled(lease);
    if (wasScheduled) this.wheel.cancel(lease);
    if (this.undo !== undefined) {
      const touchedAt = leases.touchedAt[lease]!;
      this.undo.push(() => {
        leases.state[lease] = LIVE;
        leases.touchedAt[lease] = touchedAt;
        leases.endReason[lease] = 0;
        this.liveLeases++;
        namespace.leases++;
        namespace.bytes += leases.detailBytes(lease);
        if (wasScheduled) this.wheel.schedule(lease, leases.deadline[lease]!);
      });
    }
    this.wanted.delete(lease);
    leases.state[lease] = DRAINING;
    leases.touchedAt[lease] = endedAt;
    leases.endReason[lease] = END_REASONS.indexOf(reason);
    this.liveLeases--;
    namespace.leases--;
    namespace.bytes -= leases.detailBytes(lease);
    if (leases.entryCount[lease] === 0) this.later(() => this.settleLease(lease));
  }

  /** A snapshot's ended lease: memory, or waiting for the entries that follow it. */
  endRestored(lease: number, reason: EndReason, endedAt: number): void {
    this.leases.entryCount[lease]!++;
    this.endLease(lease, reason, endedAt);
    this.leases.entryCount[lease]!--;
    this.restoredEnded.push(lease);
  }

  /** The snapshot has been read: ended leases are remembered, oldest first, or drained. */
  settleRestored(): void {
    const { leases } = this;
    this.restoredEnded.sort((left, right) => leases.touchedAt[left]! - leases.touchedAt[right]!);
    for (const lease of this.restoredEnded) {
      if (leases.entryCount[lease]! > 0) this.draining.push(lease);
      else this.settleLease(lease);
    }
    this.restoredEnded.length = 0;
  }

  /** An ended lease without entries becomes memory, the oldest of which may have to go. */
  settleLease(lease: number): void {
    const { leases } = this;
    if (leases.state[lease] !== DRAINING || leases.entryCount[lease] !== 0) return;
    this.captureLease(lease);
    leases.state[lease] = ENDED;
    leases.endedNext[lease] = 0;
    if (this.#endedLast === 0) this.#endedFirst = lease;
    else leases.endedNext[this.#endedLast] = lease;
    this.#endedLast = lease;
    this.endedCount++;
    this.#endedBytes += leases.detailBytes(lease);
    const bytesMax = this.limits.endedMemory.entries * ENDED_DETAIL_BYTES;
    while (this.endedCount > this.limits.endedMemory.entries || this.#endedBytes > bytesMax) {
      this.#forgetOldest();
    }
  }

  #forgetOldest(): void {
    const { leases } = this;
    const lease = this.#endedFirst;
    this.captureLease(lease);
    this.#endedFirst = leases.endedNext[lease]!;
    if (this.#endedFirst === 0) this.#endedLast = 0;
    this.endedCount--;
    this.#endedBytes -= leases.detailBytes(lease);
    this.#freeLease(lease);
  }

  /** Forgets endings older than the memory's age; returns how many, at most `budget`. */
  forgetEnded(budget: number): number {
    let forgotten = 0;
    while (forgotten < budget && this.endedForgetAt() <= this.now) {
      this.#forgetOldest();
      forgotten++;
    }
    return forgotten;
  }

  /** When the oldest remembered ending is to be forgotten. */
  endedForgetAt(): number {
    if (this.#endedFirst === 0) return Number.POSITIVE_INFINITY;
    return this.leases.touchedAt[this.#endedFirst]! + this.limits.endedMemory.ttlMs;
  }

  /* ---- entries ------------------------------------------------------------------------- */

  /**
   * Adds a value to a key: the first (`head` 0), under the head as one more sibling, or on top of
   * it. The probe must hold the key. Returns the row, 0 when there is none left.
   */
  addEntry(fields: EntryFields, head: number, onTop: boolean): number {
    const { entries } = this;
    const { namespace } = fields;
    const slot = entries.slots.take();
    if (slot === 0) return 0;
    this.#markCaptured(entries.captured, slot);
    entries.namespace[slot] = namespace.number;
    entries.cell[slot] = fields.cell;
    entries.dotActor[slot] = fields.dotActor;
    entries.dotSeq[slot] = fields.dotSeq;
    entries.bornActor[slot] = fields.bornActor;
    entries.bornSeq[slot] = fields.bornSeq;
    entries.hlc[slot] = fields.hlc;
    entries.link[slot] = 0;
    entries.leafOf[slot] = 0;
    this.ledger?.begin(slot, this.probe.bytes, this.probe.length);
    this.actors.retain(fields.dotActor);
    this.actors.retain(fields.bornActor);
    if (head === 0) {
      entries.index.insert(slot, this.probe.hash);
      namespace.order.insert(slot);
    } else if (onTop) {
      this.#replaceHead(namespace, head, slot);
      entries.link[slot] = head;
    } else {
      let last = head;
      while (entries.link[last] !== 0) last = entries.link[last]!;
      entries.link[last] = slot;
    }
    this.#linkToLease(slot, fields.lease);
    this.#count(slot, 1);
    this.undo?.push(() => {
      this.#unlink(slot);
      this.#releaseEntry(slot);
    });
    return slot;
  }

  /** Moves the last row of a chain up to where its age belongs: newest first. */
  placeByAge(head: number, row: number): void {
    const { entries } = this;
    let before = head;
    while (entries.link[before] !== row) before = entries.link[before]!;
    entries.link[before] = 0;
    let place = head;
    while (entries.link[place] !== 0 && entries.hlc[entries.link[place]!]! > entries.hlc[row]!) {
      place = entries.link[place]!;
    }
    entries.link[row] = entries.link[place]!;
    entries.link[place] = row;
  }

  #replaceHead(namespace: Namespace, head: number, by: number): void {
    this.entries.index.replace(head, by);
    namespace.order.remove(head);
    namespace.order.insert(by);
  }

  /** A later write of the same run takes the value's place; lease and `born` stay. */
  overwriteEntry(entry: number, cell: number, dotActor: number, dotSeq: number, hlc: number): void {
    const { entries } = this;
    this.captureEntry(entry);
    const namespace = this.namespaceOfEntry(entry);
    const old = {
      cell: entries.cell[entry]!,
      dotActor: entries.dotActor[entry]!,
      dotSeq: entries.dotSeq[entry]!,
      hlc: entries.hlc[entry]!,
    };
    namespace.bytes += entries.chargedBytes(cell) - entries.chargedBytes(old.cell);
    entries.cell[entry] = cell;
    entries.dotActor[entry] = dotActor;
    entries.dotSeq[entry] = dotSeq;
    entries.hlc[entry] = hlc;
    this.ledger?.touch(entry);
    this.actors.retain(dotActor);
    this.undo?.push(() => {
      this.ledger?.touch(entry);
      namespace.bytes += entries.chargedBytes(old.cell) - entries.chargedBytes(cell);
      entries.cell[entry] = old.cell;
      entries.dotActor[entry] = old.dotActor;
      entries.dotSeq[entry] = old.dotSeq;
      entries.hlc[entry] = old.hlc;
      this.freeCell(cell, namespace);
      this.actors.release(dotActor);
    });
    this.later(() => {
      this.freeCell(old.cell, namespace);
      this.actors.release(old.dotActor);
    });
  }

  /** Another run takes the row over, under another lease: the same as removing and adding. */
  replaceEntry(entry: number, fields: EntryFields): void {
    const { entries, actors } = this;
    const old = {
      lease: entries.lease[entry]!,
      bornActor: entries.bornActor[entry]!,
      bornSeq: entries.bornSeq[entry]!,
    };
    this.overwriteEntry(entry, fields.cell, fields.dotActor, fields.dotSeq, fields.hlc);
    this.#unlinkFromLease(entry);
    this.#linkToLease(entry, fields.lease);
    entries.bornActor[entry] = fields.bornActor;
    entries.bornSeq[entry] = fields.bornSeq;
    actors.retain(fields.bornActor);
    this.undo?.push(() => {
      this.#unlinkFromLease(entry);
      this.#linkToLease(entry, old.lease);
      entries.bornActor[entry] = old.bornActor;
      entries.bornSeq[entry] = old.bornSeq;
      actors.release(fields.bornActor);
    });
    this.later(() => actors.release(old.bornActor));
  }

  /** The value stays, its version does not: a value under another came back to the top. */
  restampEntry(entry: number, dotActor: number, dotSeq: number, hlc: number): void {
    const { entries } = this;
    this.captureEntry(entry);
    const old = {
      dotActor: entries.dotActor[entry]!,
      dotSeq: entries.dotSeq[entry]!,
      hlc: entries.hlc[entry]!,
    };
    entries.dotActor[entry] = dotActor;
    entries.dotSeq[entry] = dotSeq;
    entries.hlc[entry] = hlc;
    this.actors.retain(dotActor);
    this.undo?.push(() => {
      entries.dotActor[entry] = old.dotActor;
      entries.dotSeq[entry] = old.dotSeq;
      entries.hlc[entry] = old.hlc;
      this.actors.release(dotActor);
    });
    this.later(() => this.actors.release(old.dotActor));
  }

  /** Takes a value away. Ending its lease, where that was implicit, is the caller's. */
  removeEntry(entry: number): void {
    this.captureEntry(entry);
    const { entries } = this;
    const lease = entries.lease[entry]!;
    const position = this.#unlink(entry);
    const isLast = this.leases.state[lease] === DRAINING && this.leases.entryCount[lease] === 0;
    if (this.undo === undefined) {
      this.#releaseEntry(entry);
      if (isLast) this.settleLease(lease);
      return;
    }
    this.undo.push(() => this.#relink(entry, position));
    this.#deferred.push(() => this.#releaseEntry(entry));
    if (isLast) this.#deferred.push(() => this.settleLease(lease));
  }

  /** The row before this one in its key's chain; 0 for a head. */
  #before(entry: number): number {
    const { entries } = this;
    if (entries.leafOf[entry] !== 0) return 0;
    const namespace = entries.namespace[entry]!;
    this.#chainProbe.set(namespace, entries.keyText(entry));
    let row = entries.find(namespace, this.#chainProbe);
    while (entries.link[row] !== entry) {
      row = entries.link[row]!;
      if (row === 0) throw new Error(`Entry chain broken: row ${entry} is not in it`);
    }
    return row;
  }

  #unlink(entry: number): number {
    const { entries } = this;
    const namespace = this.namespaceOfEntry(entry);
    const before = this.#before(entry);
    if (before !== 0) {
      entries.link[before] = entries.link[entry]!;
    } else if (entries.link[entry] !== 0) {
      this.#replaceHead(namespace, entry, entries.link[entry]!);
    } else {
      entries.index.remove(entry);
      namespace.order.remove(entry);
    }
    this.#count(entry, -1);
    this.#unlinkFromLease(entry);
    return before;
  }

  /** Rows come and go: what they hold is counted, and the ledger's lists follow. */
  #count(entry: number, change: 1 | -1): void {
    const namespace = this.namespaceOfEntry(entry);
    const bytes = this.entries.chargedBytes(this.entries.cell[entry]!) * change;
    if (this.isCopy(entry)) {
      this.copies += change;
      this.copyBytes += bytes;
    } else {
      namespace.entries += change;
      namespace.bytes += bytes;
    }
    if (this.ledger === undefined || !namespace.reconciles) return;
    if (change === 1) this.ledger.link(entry, namespace.number);
    else this.ledger.unlink(entry, namespace.number);
  }

  #relink(entry: number, before: number): void {
    const { entries } = this;
    const namespace = this.namespaceOfEntry(entry);
    if (before !== 0) {
      entries.link[before] = entry;
    } else if (entries.link[entry] !== 0) {
      this.#replaceHead(namespace, entries.link[entry]!, entry);
    } else {
      this.#chainProbe.set(namespace.number, entries.keyText(entry));
      entries.index.insert(entry, this.#chainProbe.hash);
      namespace.order.insert(entry);
    }
    this.#linkToLease(entry, entries.lease[entry]!);
    this.#count(entry, 1);
  }

  #linkToLease(entry: number, lease: number): void {
    const { entries, leases } = this;
    const head = leases.entryHead[lease]!;
    entries.lease[entry] = lease;
    entries.leasePrevious[entry] = 0;
    entries.leaseNext[entry] = head;
    if (head !== 0) entries.leasePrevious[head] = entry;
    leases.entryHead[lease] = entry;
    leases.entryCount[lease]!++;
  }

  #unlinkFromLease(entry: number): void {
    const { entries, leases } = this;
    const lease = entries.lease[entry]!;
    const next = entries.leaseNext[entry]!;
    const previous = entries.leasePrevious[entry]!;
    if (previous === 0) leases.entryHead[lease] = next;
    else entries.leaseNext[previous] = next;
    if (next !== 0) entries.leasePrevious[next] = previous;
    leases.entryCount[lease]!--;
  }

  #releaseEntry(entry: number): void {
    const { entries } = this;
    this.freeCell(entries.cell[entry]!, this.namespaceOfEntry(entry));
    this.actors.release(entries.dotActor[entry]!);
    this.actors.release(entries.bornActor[entry]!);
    entries.cell[entry] = 0;
    entries.slots.give(entry);
  }

  /** Gives a cell back, with what its context refers to. */
  freeCell(cell: number, namespace: Namespace): void {
    for (const dot of this.entries.contextOfCell(cell)) this.actors.release(dot.actor);
    this.slab.free(cell, namespace.contract.sensitive);
  }

  /** Writes the cell of a value for the key in the probe; 0 when the slab has no room. */
  writeCell(contentType: string, context: readonly NumberedDot[], value: Uint8Array): number {
    const cell = this.entries.writeCell(
      this.probe.bytes, 0, this.probe.length, contentType, context, value,
    );
    for (const dot of context) this.actors.retain(dot.actor);
    if (cell === 0) for (const dot of context) this.actors.release(dot.actor);
    return cell;
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
      if (namespace.reconciles) writer.ledgerContacted(namespace);
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
  #markCaptured(column: Uint8Array, slot: number): void {
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
