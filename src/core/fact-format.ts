/**
 * The format of facts: each is one CBOR array `[kind, at, wallMs, namespace, lease, holder, …]`, with
 * the traces of two requests after the holder where there are any. The order of the fields is that in
 * which `fact-writer.ts` writes them; new fields only ever join at the end.
 */
import type { EndReason } from './command.ts';
import type { Dot } from './fact.ts';
import type { BuriedRun } from './tombstones.ts';

/**
 * Bytes before each fact that are the engine's: what kind of record it is, and its numbers in the
 * feed and in the outbox. Left free here, so that fact and numbers become one record without a copy.
 */
export const RECORD_HEADER_BYTES = 16;

/** The order is part of the format. */
export const END_REASONS: readonly EndReason[] = [
  'released', 'expired', 'revoked', 'superseded', 'deleted', 'evicted',
];

export const LEASE_GRANTED = 1;
export const LEASE_RENEWED = 2;
export const LEASE_TRANSFERRED = 3;
export const LEASE_ENDED = 4;
export const ENTRY_WRITTEN = 5;
export const ENTRY_REVERTED = 6;
export const ENTRY_ENDED = 7;
export const ENTRY_CONFLICT = 8;
export const LEASE_RESTATED = 9;
export const ENTRY_RESTATED = 10;
export const ENTRY_BURIED = 11;
export const CONTACT_RESTATED = 12;
export const TOMBSTONE_RESTATED = 13;
export const RECONCILE_REPAIRED = 14;
export const PRESSURE_CHANGED = 15;
export const SOURCE_CLOSED = 16;

/** Added to the kind of a fact that carries the traces of two requests after its holder. */
export const TRACED = 64;
export const TRACE_FIELDS = 2;

/** A lease as a snapshot holds it. */
export interface LeaseRestated {
  readonly kind: 'lease.restated';
  readonly namespace: string;
  readonly lease: string;
  readonly holder: string;
  readonly implicit: boolean;
  readonly ended: boolean;
  readonly reason: EndReason;
  readonly origin: Dot;
  readonly ttlMs: number;
  readonly deadline: number;
  readonly grantedAt: number;
  readonly touchedAt: number;
  readonly renewals: number;
  readonly lifetimeEnd: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly traceparent?: string;
}
/** A value as a snapshot holds it. */
export interface EntryRestated {
  readonly kind: 'entry.restated';
  readonly namespace: string;
  readonly lease: string;
  readonly key: string;
  readonly dot: Dot;
  readonly born: Dot;
  readonly hlc: number;
  readonly context: readonly Dot[];
  readonly contentType: string;
  /** Whether its lease came with it. */
  readonly implicit: boolean;
  readonly value: Uint8Array;
  /** Of its lease: an ended one, with entries still to be ended, may share its id with a live one. */
  readonly origin: Dot;
}
/** A tombstone as a snapshot holds it. */
export interface TombstoneRestated {
  readonly kind: 'tombstone.restated';
  readonly namespace: string;
  readonly key: string;
  readonly context: readonly Dot[];
  readonly runs: readonly BuriedRun[];
  readonly until: number;
}
/** When everything of ours in the namespace was last vouched for at the ledger. */
export interface ContactRestated {
  readonly kind: 'contact.restated';
  readonly namespace: string;
  readonly contactAt: number;
}
/** What is not news: state as it is, in a snapshot or between facts. */
export type Restated = LeaseRestated | EntryRestated | TombstoneRestated | ContactRestated;
