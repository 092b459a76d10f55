/**
 * What a checker is, and what of the world it may look at. Checkers judge by what can be seen from
 * outside, and share nothing with the code they judge: what they need of it is said again here.
 */
import type { History } from '../history/history.ts';
import type { WatchedEvent } from '../neighbours/watched.ts';

export class Violation extends Error {
  override readonly name = 'Violation';
  readonly invariant: string;
  readonly detail: string;
  /** What shows it, in order of time. */
  readonly evidence: readonly string[];

  constructor(invariant: string, detail: string, evidence: readonly string[] = []) {
    super(`${invariant}: ${detail}`);
    this.invariant = invariant;
    this.detail = detail;
    this.evidence = evidence;
  }
}

/** Both throw a `Violation`. */
export interface Checker {
  readonly invariant: string;
  /** After every event of the kernel. Costs what there is new to see, and next to nothing else. */
  afterEvent?(): void;
  /** At the end: everything is healed, everybody has had time, and nobody asks anything. */
  atRest?(): void;
}

export interface CheckedNamespace {
  readonly name: string;
  readonly conflict: 'lww' | 'siblings' | 'ownerWins' | 'firstWins' | 'counter';
  readonly durability: 'memory' | 'journal' | 'fsync' | 'ledger';
  readonly class: 'shared' | 'local';
  readonly mirror: 'none' | 'all';
  readonly onExpire: 'delete' | 'revert';
  readonly onDrain: 'keep' | 'handover' | 'release';
  readonly sliding: boolean;
  readonly sensitive: boolean;
  readonly autonomyMs: number;
  readonly maxTtlMs: number;
  /** Whether its events carry values. */
  readonly values: 'none' | 'hash' | 'full';
  /** Which events are told, as noun.verb, beside the endings. */
  readonly publish: 'all' | readonly string[];
  /** Of one sidecar, the largest it had in this run of the world. */
  readonly capacity: { readonly leases: number; readonly entries: number; readonly evicts: boolean };
}

/** What a sidecar answered. */
export interface Seen {
  /** True time of the answer. */
  readonly atMs: number;
  readonly status: number;
  /** By name, in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** A value's text, or a decoded JSON document. */
  readonly document?: unknown;
}

export interface CheckedSidecar {
  /** As in `Operation.sidecar`, in incidents and in the source of its events. */
  readonly name: string;
  readonly running: boolean;
  /** Of its process, counted up with every start. */
  readonly run: number;
  readonly clock: {
    /** As its machine has it now. */
    monotonicMs(): number;
    /** How fast that runs against true time; 0 while the machine is suspended. */
    readonly rate: number;
    /** Of the wall clock, against true time. */
    readonly wallOffsetMs: number;
  };
  /** True time, in all, for which its loop was paused, suspended or held up. */
  readonly heldUpMs: number;
  /** What it answered to a GET of the path when everything was over; undefined: nothing. */
  lookUp(path: string): Seen | undefined;
}

export interface RawDot {
  readonly actor: string;
  readonly seq: number;
}
export interface RawSibling {
  readonly dot: RawDot;
  readonly born: RawDot;
  readonly hlc: number;
  readonly deadline: number;
  readonly session: boolean;
  readonly hashHigh: number;
  readonly hashLow: number;
  readonly label: Uint8Array;
  readonly value: Uint8Array;
}
export interface RawRecord {
  readonly siblings: readonly RawSibling[];
  readonly context: readonly RawDot[];
  readonly bucket: number;
}
export interface RawDigest {
  readonly count: number;
  readonly high: number;
  readonly low: number;
}
export interface RawPartition {
  readonly epoch: number;
  readonly seq: number;
  readonly chain: string;
  readonly live: number;
  readonly tombstones: number;
  readonly root: RawDigest;
  readonly records: ReadonlyMap<string, RawRecord>;
  readonly cells: readonly (RawDigest | undefined)[];
  readonly log: readonly { readonly seq: number; readonly id: string; readonly chain: string }[];
  readonly owners: ReadonlyMap<string, { readonly owned: RawDigest }>;
}
/** A partition after an operation. A restored or emptied one is another object. */
export interface TouchedPartition {
  readonly namespace: string;
  readonly partition: number;
  readonly raw: RawPartition;
}

export interface CheckedLedger {
  /** The world calls it after every operation that reached the ledger, within the event. */
  onOperation(tap: (touched: TouchedPartition) => void): void;
  partitions(): Iterable<TouchedPartition>;
  /** Of its clock, against true time. */
  readonly clockOffsetMs: number;
}

export interface CheckedBus {
  /** The ids of the endings that their stream holds now. */
  endings(): ReadonlySet<string>;
  /** When that stream was created; undefined: there is none. */
  readonly endingsCreated: string | undefined;
}

export interface CheckedWorld {
  /** True time. */
  readonly nowMs: number;
  readonly history: History;
  readonly namespaces: readonly CheckedNamespace[];
  readonly sidecars: readonly CheckedSidecar[];
  readonly ledger: CheckedLedger;
  readonly bus: CheckedBus;
  /** What clients that follow events have seen, each in its order. */
  readonly watched: readonly (readonly WatchedEvent[])[];
  /** For how long an answer to an Idempotency-Key is remembered at least. */
  readonly idempotencyMs: number;
}
