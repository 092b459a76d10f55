/**
 * The ledger as reconciliation sees it: six operations, each atomic on one partition of one
 * namespace. `specification/` defines what they do, as functions on a plain value; the adapters
 * (`embedded/`, `redis/`) must not be told apart from it.
 *
 * Nothing here mints a version. The ledger joins what it is given, so that losing its data costs
 * re-pushing, never correctness (PROTOCOL §2.4, theorem 3). All instants are milliseconds of the
 * ledger's clock, which never goes back within a partition.
 */
import type { ConflictPolicy } from '../core/contract.ts';
import type { CoveredActor, Ending, LedgerRecord, Sibling } from './record.ts';

/** One partition of one namespace. */
export interface PartitionName {
  readonly namespace: string;
  readonly partition: number;
}

/** Who asks: one run of one sidecar, and the earlier runs whose writes it keeps alive. */
export interface Caller {
  readonly actor: string;
  /** Runs whose journal this one continues (§3.5 rule 5): theirs are its own. */
  readonly predecessors: readonly string[];
  /** The highest epoch it has seen anywhere. */
  readonly epoch: number;
}

/** What a namespace lays down for its records; the same at every sidecar. Milliseconds. */
export interface Terms {
  readonly policy: ConflictPolicy;
  readonly autonomyMs: number;
  /** Silence after which others may end an owner's values: autonomy·(1+2ρ) + σ + ε. */
  readonly silenceMs: number;
  /** ε: how far past a deadline somebody else than the owner must be. */
  readonly slackMs: number;
  /** How long what a third party ended is remembered: autonomy + slack + longest TTL + ε. */
  readonly horizonMs: number;
  /** A write stamped further ahead than this is refused. */
  readonly maxSkewMs: number;
  /** The change log keeps at least this many entries. */
  readonly logEntries: number;
}

/** Where in a partition's history a reader stands. A new reader begins with `NO_CURSOR`. */
export interface Cursor {
  readonly epoch: number;
  readonly seq: number;
  /** 16 hexadecimal digits over everything logged so far: tells a lost history from a longer one. */
  readonly chain: string;
}
export const NO_CHAIN = '0000000000000000';
export const NO_CURSOR: Cursor = { epoch: 0, seq: 0, chain: NO_CHAIN };

/** Every answer carries these. */
export interface LedgerState {
  readonly now: number;
  readonly epoch: number;
  /** Nobody is called silent for what was before this. */
  readonly epochStartedAt: number;
  readonly tail: Cursor;
}

/** A sum of fingerprints: count, and two u32 added mod 2^32. */
export interface Digest {
  readonly count: number;
  readonly high: number;
  readonly low: number;
}
export const NO_DIGEST: Digest = { count: 0, high: 0, low: 0 };

/* ---- join ------------------------------------------------------------------------------ */

export interface JoinRequest {
  readonly actor: string;
  /** Random, of this process: two processes that claim one actor differ in it. */
  readonly instance: string;
  /** The sidecar's display name. */
  readonly name: string;
  readonly partitions: number;
  readonly buckets: number;
  /** Record versions it can read. */
  readonly versionMin: number;
  readonly versionMax: number;
}
export type JoinReply =
  | {
      readonly status: 'joined';
      readonly now: number;
      /** Every member can read it; records are to be written in it. */
      readonly version: number;
      /** Names of the other members seen lately. */
      readonly members: readonly string[];
    }
  /** The actor is in use by another process: take another one. */
  | { readonly status: 'actor-clash' }
  /** The ledger was laid out with other numbers. */
  | { readonly status: 'layout'; readonly partitions: number; readonly buckets: number }
  /** Members read only versions that this one does not. */
  | { readonly status: 'version'; readonly versionMin: number; readonly versionMax: number };

/* ---- push ------------------------------------------------------------------------------ */

/** A record as its pusher has it: its own values, and the context that came with them. */
export interface PushedRecord {
  readonly id: string;
  readonly bucket: number;
  readonly siblings: readonly Sibling[];
  readonly context: readonly CoveredActor[];
  /** Runs it has ended: its own as told, others' not. */
  readonly ends: readonly Ending[];
}
export interface PushRequest {
  readonly caller: Caller;
  readonly terms: Terms;
  /** Numbers the caller's batches in this partition from 1; the same bytes keep their number. */
  readonly batch: number;
  readonly records: readonly PushedRecord[];
  /** Record version to store. */
  readonly version: number;
  /** The caller took a new actor after an isolation: it is not called stale. */
  readonly rejoining: boolean;
}
export type PushCode =
  /** The ledger holds now what was pushed, and nothing else beside it. */
  | 'applied'
  /** It did so already. */
  | 'duplicate'
  /** Applied; concurrent values of others are there too. */
  | 'joined'
  /** Some pushed value is no longer wanted: covered, ended, or lost to the policy. */
  | 'closed'
  /** A value past its deadline that the ledger never saw: encode again (§3.5 rule 3). */
  | 'expired'
  /** `firstWins`: another value was there first; nothing of this record was applied. */
  | 'held'
  /** Stamped too far ahead of the ledger's clock; nothing of this record was applied. */
  | 'clock-ahead'
  /** One dot, two values: nothing of this record was applied. Somebody broke the rules. */
  | 'duplicate-dot'
  /** The stored record is of a version that the ledger's script does not read. */
  | 'unreadable';
export interface PushResult {
  readonly code: PushCode;
  /** The record as it is now; present for joined, closed, expired and held. */
  readonly record?: LedgerRecord;
}
export interface PushReply extends LedgerState {
  /** `stale`: silent for too long; nothing was applied, see `Terms.silenceMs`. */
  readonly status: 'ok' | 'stale';
  /** In the order of the request; empty when stale. */
  readonly results: readonly PushResult[];
}

/* ---- pull ------------------------------------------------------------------------------ */

export interface PullRequest {
  readonly caller: Caller;
  readonly cursor: Cursor;
  /** Log entries at most; 0 reads none. */
  readonly limit: number;
  /** Whether records come along, or only the ids that changed. */
  readonly records: boolean;
  /** Records wanted whatever the log says: read-through, repair. */
  readonly ids: readonly string[];
}
export interface PulledRecord {
  readonly id: string;
  /** Absent: the ledger holds nothing of it (or only ids were asked for). */
  readonly record?: LedgerRecord;
}
export interface PullReply extends LedgerState {
  /** `gap`: the log begins later; `diverged`: this is another history. Both: compare digests. */
  readonly status: 'ok' | 'gap' | 'diverged';
  /** What changed after the cursor, each id once, oldest last change first. */
  readonly changes: readonly PulledRecord[];
  /** Where the changes end; the tail when nothing is left. */
  readonly cursor: Cursor;
  readonly wanted: readonly PulledRecord[];
  /** When each owner was last heard of in this partition. */
  readonly owners: readonly { readonly actor: string; readonly seen: number }[];
}

/* ---- diff ------------------------------------------------------------------------------ */

export interface DiffRequest {
  readonly caller: Caller;
  /** Digests by bucket, to compare; the reply names those that differ. */
  readonly cells?: readonly Digest[];
  /** Lists the values in these buckets… */
  readonly buckets?: readonly number[];
  /** …or of these actors. */
  readonly actors?: readonly string[];
  /** Opaque, from the last page; '' begins. */
  readonly after: string;
  /** Records looked at for one page, about. */
  readonly limit: number;
}
export interface DiffItem {
  readonly id: string;
  readonly dots: readonly {
    readonly actor: string;
    readonly seq: number;
    readonly hashHigh: number;
    readonly hashLow: number;
  }[];
}
export interface DiffReply extends LedgerState {
  /** Of all live values. */
  readonly root: Digest;
  /** Buckets whose cell differs. */
  readonly differing: readonly number[];
  readonly items: readonly DiffItem[];
  /** Where the next page begins; '' at the end. */
  readonly next: string;
}

/* ---- beat ------------------------------------------------------------------------------ */

export interface BeatRequest {
  readonly caller: Caller;
  readonly terms: Terms;
  readonly cursor: Cursor;
  /** Of the caller's and each predecessor's values; absent: not compared, trusting the cursor. */
  readonly owned?: readonly ({ readonly actor: string } & Digest)[];
  /** The last batch that was answered. */
  readonly batch: number;
  /** It goes: its values are nobody's, and may be adopted or swept at their deadlines. */
  readonly retire?: boolean;
}
export interface BeatReply extends LedgerState {
  /**
   * The cursor is at this history's tail (nothing happened unseen); behind it on the same history;
   * or on another one, or one whose log no longer reaches back to it.
   */
  readonly history: 'current' | 'behind' | 'lost';
  /** Actors whose digests were equal (or, without digests, all when `current`): now seen alive. */
  readonly vouched: readonly string[];
  readonly owned: readonly ({ readonly actor: string } & Digest)[];
  readonly root: Digest;
  /** The partition's parts no longer add up: somebody else has changed it, or it was evicted. */
  readonly corrupt: boolean;
  /** The ledger has not kept the last batch it answered. */
  readonly forgotBatch: boolean;
  readonly records: number;
  readonly tombstones: number;
}

/* ---- sweep ----------------------------------------------------------------------------- */

export interface SweepRequest {
  readonly caller: Caller;
  readonly terms: Terms;
  /** `own`: the caller's fixed values past their deadline. `orphans`: those of the silent. */
  readonly scope: 'own' | 'orphans';
  /** Records looked at, at most. */
  readonly limit: number;
  /**
   * `own`: the ledger's time when it was asked for, as far as the caller knows. A request that is
   * late finds values past their deadline that the caller has renewed meanwhile: those stay.
   */
  readonly asOf?: number;
  /** `orphans`: count, and change nothing (the flag `sweep: shadow`). */
  readonly dryRun: boolean;
}
export interface SweepReply extends LedgerState {
  /** Runs that the caller has ended for a silent owner, or must publish in its place. */
  readonly ended: readonly { readonly id: string; readonly ending: Ending }[];
  /** What went of the caller's and its predecessors' values: count and sum, by actor. */
  readonly removed: readonly ({ readonly actor: string } & Digest)[];
  /** Tombstones that came to their horizon. */
  readonly forgotten: number;
  /** More is due. */
  readonly more: boolean;
}

/* ---- the port -------------------------------------------------------------------------- */

export type LedgerFault =
  /** No connection, or it broke off. */
  | 'unavailable'
  /** No answer in time: it may have happened or not. */
  | 'timeout'
  /** No memory left there. */
  | 'full'
  | 'read-only'
  /** Refused by configuration: wrong password, missing permission, eviction allowed. */
  | 'misconfigured'
  /** The answer made no sense. */
  | 'nonsense';

/** An operation that got no proper answer. Asking again with the same bytes is always safe. */
export class LedgerError extends Error {
  override readonly name = 'LedgerError';
  readonly fault: LedgerFault;
  /** What the server itself calls it, where it answered with an error. */
  readonly statusCode: string | undefined;

  constructor(
    fault: LedgerFault,
    message: string,
    options?: ErrorOptions & { readonly statusCode?: string | undefined },
  ) {
    super(message, options);
    this.fault = fault;
    this.statusCode = options?.statusCode;
  }
}

/** How far a push must have got before it counts (`ledgerAck`). */
export type LedgerAck = 'applied' | 'replicated' | 'fsynced';

/** Every method may reject with `LedgerError`. */
export interface Ledger {
  join(request: JoinRequest): Promise<JoinReply>;
  push(at: PartitionName, request: PushRequest, ack?: LedgerAck): Promise<PushReply>;
  pull(at: PartitionName, request: PullRequest): Promise<PullReply>;
  diff(at: PartitionName, request: DiffRequest): Promise<DiffReply>;
  beat(at: PartitionName, request: BeatRequest): Promise<BeatReply>;
  sweep(at: PartitionName, request: SweepRequest): Promise<SweepReply>;
  /** Bytes sent and received so far. */
  readonly traffic: { readonly sent: number; readonly received: number };
  close(): Promise<void>;
}
