/**
 * The endings that the bus has not acknowledged, and the room kept free for those still to come.
 * Whatever is granted reserves the room of its ending in the same step; the ending moves from what
 * is reserved to what is pending, which leaves the sum as it was, and only the acknowledgement frees
 * it (PROTOCOL §5.5). So an ending is never refused, however long the bus is away: what is refused,
 * in time, are grants.
 *
 * Given up: exactness. What is reserved is the most an ending of these names can weigh.
 */
import type { Namespace } from './namespaces.ts';

/**
 * The most an ending weighs beyond its names: two instants, two dots, deadline, size, reason, cause,
 * the traces of two requests, and the heads of them all.
 */
const LEASE_ENDING_BYTES = 136;
const ENTRY_ENDING_BYTES = 176;
/** `i-`, an actor, and a number. */
export const IMPLICIT_ID_BYTES = 35;

export interface OwedLimits {
  /** Endings reserved and pending together. */
  readonly endings: number;
  readonly endingBytes: number;
}

export class Owed {
  readonly limits: OwedLimits;
  /** What the endings of everything that lives would weigh. */
  reservedBytes = 0;
  /** Endings not acknowledged, and what they weigh. */
  pending = 0;
  pendingBytes = 0;
  /** Of them those of leases and those of entries. */
  leases = 0;
  entries = 0;

  constructor(limits: OwedLimits) {
    this.limits = limits;
  }

  /** An ending was told. */
  add(namespace: Namespace, isLease: boolean, bytes: number): void {
    this.#count(namespace, isLease, 1);
    this.pendingBytes += bytes;
  }

  /** It is acknowledged, or was taken back with its batch. */
  settle(namespace: Namespace, isLease: boolean, bytes: number): void {
    this.#count(namespace, isLease, -1);
    this.pendingBytes -= bytes;
  }

  #count(namespace: Namespace, isLease: boolean, change: 1 | -1): void {
    this.pending += change;
    if (isLease) {
      this.leases += change;
      namespace.owedLeases += change;
    } else {
      this.entries += change;
      namespace.owedEntries += change;
    }
  }

  /** Room for endings that nobody reserved: those of silent owners elsewhere. */
  get hasPlenty(): boolean {
    const { endings, endingBytes } = this.limits;
    return this.pending < endings / 2 && this.pendingBytes < endingBytes / 2;
  }

  /** Whether `endings` more, of `bytes` in all, would still have their room. */
  hasRoom(living: number, endings: number, bytes: number): boolean {
    return (
      living + this.pending + endings <= this.limits.endings &&
      this.reservedBytes + this.pendingBytes + bytes <= this.limits.endingBytes
    );
  }
}

/** What an explicit lease reserves for its own ending; `names`: the bytes of id and holder. */
export function leaseReserve(namespace: Namespace, names: number): number {
  return LEASE_ENDING_BYTES + namespace.encodedName.length + names;
}

/** What an entry reserves, beside the names of its lease; `names`: of key and content type. */
export function entryReserve(namespace: Namespace, names: number): number {
  return ENTRY_ENDING_BYTES + namespace.encodedName.length + names;
}
