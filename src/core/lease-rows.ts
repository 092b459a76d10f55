/**
 * Every way a row of the lease table can change. Shared by live commands and by recovery, so that
 * replaying the facts leads to the same state by the same code.
 */
import type { EndReason } from './command.ts';
import { END_REASONS } from './fact-format.ts';
import { COPIED, DRAINING, ENDED, FREE, LIVE } from './lease-table.ts';
import type { Namespace } from './namespaces.ts';
import { IMPLICIT_ID_BYTES, leaseReserve } from './owed.ts';
import { ENDED_DETAIL_BYTES, Tables } from './tables.ts';

export interface LeaseFields {
  readonly namespace: Namespace;
  readonly originActor: number;
  readonly originSeq: number;
  readonly ttlMs: number;
  readonly deadline: number;
  readonly grantedAt: number;
  /** Of the request that granted it. */
  readonly trace: Uint8Array | undefined;
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
  readonly trace?: Uint8Array | undefined;
}

export class LeaseRows extends Tables {
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
  /** Renewed leases that the bus has yet to be told of, when it has room: only the last one counts. */
  readonly heldRenewals = new Set<number>();
  /** Live leases with an ending of their own; counted where there is a bus. */
  explicitLeases = 0;

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
    this.markCaptured(leases.captured, slot);
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
    leases.setTrace(slot, fields.trace);
    this.actors.retain(fields.originActor);
    leases.addToIndex(slot);
    if (explicit !== undefined) this.#list(slot, explicit.earlier);
    this.wheel.schedule(slot, fields.deadline);
    this.liveLeases++;
    namespace.leases++;
    namespace.bytes += leases.detailBytes(slot);
    this.#reserveEnding(slot, 1);
    this.undo?.push(() => {
      this.#reserveEnding(slot, -1);
      this.liveLeases--;
      namespace.leases--;
      namespace.bytes -= leases.detailBytes(slot);
      this.wheel.cancel(slot);
      this.#freeLease(slot);
    });
    return slot;
  }

  /** The room of a lease's own ending; an implicit one has none. */
  #reserveEnding(lease: number, change: 1 | -1): void {
    const { owed, leases } = this;
    if (owed === undefined || leases.isImplicit(lease)) return;
    owed.reservedBytes +=
      change * leaseReserve(this.namespaceOfLease(lease), leases.nameBytes(lease));
    this.explicitLeases += change;
  }

  /** What each ending of its entries carries of a lease: id and holder. */
  protected endingShare(lease: number): number {
    return this.leases.isImplicit(lease) ? IMPLICIT_ID_BYTES : this.leases.nameBytes(lease);
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
    this.markCaptured(leases.captured, slot);
    leases.state[slot] = COPIED;
    leases.namespace[slot] = namespace.number;
    leases.deadline[slot] = copy.deadline;
    leases.ttlMs[slot] = copy.ttlMs;
    leases.grantedAt[slot] = copy.grantedAt;
    leases.session[slot] = copy.session ? 1 : 0;
    leases.setTrace(slot, copy.trace);
    leases.entryHead[slot] = 0;
    leases.entryCount[slot] = 0;
    leases.detail[slot] = detail;
    leases.leafOf[slot] = 0;
    leases.originActor[slot] = copy.owner;
    leases.originSeq[slot] = 0;
    this.actors.retain(copy.owner);
    return slot;
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

  /** Whether the endings of the lease and of all under it have room for another holder's name. */
  canEndUnder(lease: number, holder: string): boolean {
    if (this.owed === undefined) return true;
    const longer = this.leases.holderGrowth(lease, holder);
    return longer <= 0 || this.owed.hasRoom(0, 0, (1 + this.leases.entryCount[lease]!) * longer);
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
    const namesBefore = leases.nameBytes(lease);
    leases.detail[lease] = detail;
    namespace.bytes += leases.detailBytes(lease);
    if (this.owed !== undefined) {
      const endings = 1 + leases.entryCount[lease]!;
      this.owed.reservedBytes += endings * (leases.nameBytes(lease) - namesBefore);
    }
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
        this.#reserveEnding(lease, 1);
        if (wasScheduled) this.wheel.schedule(lease, leases.deadline[lease]!);
      });
    }
    this.wanted.delete(lease);
    this.heldRenewals.delete(lease);
    leases.state[lease] = DRAINING;
    leases.touchedAt[lease] = endedAt;
    leases.endReason[lease] = END_REASONS.indexOf(reason);
    this.liveLeases--;
    namespace.leases--;
    namespace.bytes -= leases.detailBytes(lease);
    this.#reserveEnding(lease, -1);
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
}
