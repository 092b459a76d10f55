/**
 * Facts: what the core says happened. A fact is written once, as a compact CBOR array, and those
 * bytes serve everybody: the journal stores them, the feed numbers them, watchers and the outbox
 * decode them when they need to. This file names the kinds and their decoded shapes;
 * `fact-writer.ts` and `fact-reader.ts` are the way there and back.
 *
 * `at` is the instant on the process timeline; `wallMs` the wall clock's at that moment, so an
 * event made from a fact is a pure function of the fact: wall(x) = x + (wallMs − at).
 */
import type { EndReason } from './command.ts';

/** One write: the run that made it and its number there. */
export interface Dot {
  readonly actor: string;
  readonly seq: number;
}

interface FactOf<K extends string> {
  readonly kind: K;
  readonly at: number;
  readonly wallMs: number;
  readonly namespace: string;
  /** The lease's id, implicit ones too. */
  readonly lease: string;
  readonly holder: string;
  /** Of the request that granted the lease, and of the one that caused this; W3C text. */
  readonly traceparent?: string;
  readonly actingTraceparent?: string;
}

export interface LeaseGranted extends FactOf<'lease.granted'> {
  readonly origin: Dot;
  readonly ttlMs: number;
  readonly deadline: number;
  /** No renewal goes past this instant. */
  readonly lifetimeEnd: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Handed over by another sidecar (`lease.adopted`). */
  readonly adopted?: boolean;
}
export interface LeaseRenewed extends FactOf<'lease.renewed'> {
  readonly ttlMs: number;
  readonly deadline: number;
  readonly renewedAt: number;
  readonly renewals: number;
  readonly implicit: boolean;
}
export interface LeaseTransferred extends FactOf<'lease.transferred'> {
  readonly previousHolder: string;
}
export interface LeaseEnded extends FactOf<'lease.ended'> {
  readonly reason: EndReason;
  readonly cause: string | undefined;
  readonly origin: Dot;
  readonly deadline: number;
  /** How many entries go with it; each has its own ending. */
  readonly entries: number;
}

interface EntryFact<K extends string> extends FactOf<K> {
  readonly key: string;
  readonly dot: Dot;
  /** First dot of the unbroken run of overwrites under one lease: the identity of the grant. */
  readonly born: Dot;
  readonly contentType: string;
  readonly size: number;
  readonly deadline: number;
  readonly implicit: boolean;
}
export interface EntryWritten extends EntryFact<'entry.written'> {
  /** true: the key held nothing before (`entry.created`), else `entry.updated`. */
  readonly created: boolean;
  readonly hlc: number;
  /** What the writer had seen, beyond the dot itself. */
  readonly context: readonly Dot[];
  readonly ttlMs: number;
  readonly grantedAt: number;
  readonly previousEtag: string | undefined;
  readonly previousLease: string | undefined;
  /** Empty in the feed when the namespace does not publish values; `size` still tells. */
  readonly value: Uint8Array;
}
export interface EntryReverted extends EntryFact<'entry.reverted'> {
  readonly hlc: number;
  readonly previousEtag: string | undefined;
  readonly previousLease: string | undefined;
}
export interface EntryEnded extends EntryFact<'entry.ended'> {
  readonly reason: EndReason;
  readonly cause: string | undefined;
  /** It was held by another sidecar, which is silent: told here in its place. */
  readonly elsewhere?: boolean;
  /** It left a tombstone: the ledger must be told. */
  readonly buried?: boolean;
}
/** Another sidecar's value was ended here; its owner tells the ending, so this is no event. */
export interface EntryBuried extends EntryFact<'entry.buried'> {
  readonly reason: EndReason;
  /** What goes with it, beyond the dot itself. */
  readonly context: readonly Dot[];
}

/** Concurrent values met; `etag`s of the values that stay and the one the policy hides. */
export interface EntryConflict extends EntryFact<'entry.conflict'> {
  readonly policy: string;
  readonly siblings: number;
}

/** What a sidecar compares its memory with. */
export type Counterpart = 'ledger' | 'journal';

/**
 * The ledger and this sidecar differed in a partition, or its journal and its memory in a namespace, and
 * were put right; of no lease.
 */
export interface ReconcileRepaired extends FactOf<'reconcile.repaired'>, Repairs {
  /** Of the ledger's; 0 for the journal. */
  readonly partition: number;
  readonly against: Counterpart;
}

/** Values told again, taken in, and ended, because the other side differed. */
export interface Repairs {
  readonly pushed: number;
  readonly pulled: number;
  readonly ended: number;
}

/** How full the fullest bounded thing is; levels and sources as the contract names them. */
export interface PressureReading {
  readonly level: string;
  readonly previous: string;
  readonly source: string;
  readonly fill: number;
}

/** Of no namespace and no lease, like `source.closed`. */
export interface PressureChanged extends FactOf<'pressure.changed'>, PressureReading {}

/** The last numbers of a run in the two streams of the bus; 0: it told nothing there. */
export interface LastSequences {
  readonly endings: number;
  readonly events: number;
}

/** A run is over: nothing more comes from it. */
export interface SourceClosed extends FactOf<'source.closed'> {
  readonly actor: string;
  readonly lastSequence: LastSequences;
}

export type Fact =
  | LeaseGranted
  | LeaseRenewed
  | LeaseTransferred
  | LeaseEnded
  | EntryWritten
  | EntryReverted
  | EntryEnded
  | EntryConflict
  | EntryBuried
  | ReconcileRepaired
  | PressureChanged
  | SourceClosed;
