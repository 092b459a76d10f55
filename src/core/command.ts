/**
 * What may be asked of the core, and what it answers. Every mutation and every read is one of
 * these; `Core.step(command, now)` answers with the reply type named beside it, or a `Refusal`.
 *
 * Instants (`…At`, `deadline`) are milliseconds on the process timeline (see `engine/clock.ts`):
 * fractional, monotonic, close to the wall clock but never stepped. Durations end in `Ms`.
 */
import type { Bearer } from './bearer.ts';
import type { Refusal } from './refusal.ts';

export type EndReason =
  | 'released'
  | 'expired'
  | 'revoked'
  | 'superseded'
  | 'deleted'
  | 'evicted';

/* ---- leases ---------------------------------------------------------------------------- */

/** Who asks, where there are tokens. */
export interface Asked {
  readonly bearer?: Bearer;
}

/** The trace of the request that asks (trace.ts): what it grants and ends remembers it. */
interface Traced extends Asked {
  readonly trace?: Uint8Array;
}

export interface GrantCommand extends Traced {
  readonly op: 'grant';
  readonly namespace: string;
  readonly holder: string;
  /** Client-chosen; absent: the core mints one that contains the actor. */
  readonly id?: string;
  readonly ttlMs?: number;
  readonly maxLifetimeMs?: number;
  readonly labels?: Readonly<Record<string, string>>;
}
export interface RenewCommand extends Traced {
  readonly op: 'renew';
  readonly id: string;
  readonly ttlMs?: number;
}
export interface RenewManyCommand extends Traced {
  readonly op: 'renew-many';
  readonly ids: readonly string[];
}
export interface TransferCommand extends Traced {
  readonly op: 'transfer';
  readonly id: string;
  readonly holder: string;
}
export interface ReleaseCommand extends Traced {
  readonly op: 'release';
  readonly id: string;
  /** `revoked` when an operator or a drain ends it; `released` otherwise. */
  readonly reason?: 'released' | 'revoked';
  readonly cause?: string;
}
export interface GetLeaseCommand extends Asked {
  readonly op: 'get-lease';
  readonly id: string;
}
export interface ListLeasesCommand extends Asked {
  readonly op: 'list-leases';
  readonly namespace?: string;
  readonly holder?: string;
  readonly state?: 'live' | 'ended';
  readonly implicit?: boolean;
  readonly limit: number;
  /** Only ids after this one. */
  readonly after?: string;
}

export interface LeaseView {
  readonly id: string;
  readonly namespace: string;
  readonly holder: string;
  readonly state: 'live' | 'ended';
  readonly ttlMs: number;
  /** Floored; 0 may still be live. */
  readonly remainingMs: number;
  readonly safeForMs: number;
  readonly grantedAt: number;
  readonly renewedAt: number;
  readonly expiresAt: number;
  readonly renewals: number;
  readonly entries: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly implicit: boolean;
  /** It was given longer than it asks for, because the sidecar is under pressure. */
  readonly stretched?: true;
  readonly reason?: EndReason;
  readonly endedAt?: number;
}
export interface GrantReply {
  readonly lease: LeaseView;
  /** false: the same id and holder held it already; nothing was renewed. */
  readonly created: boolean;
  /** It was handed over by another sidecar, and goes on here. */
  readonly adopted?: true;
}
export interface RenewReply {
  readonly lease: LeaseView;
  /** true when `maxLifetimeMs` shortened what was asked for. */
  readonly capped: boolean;
}
export interface RenewManyReply {
  readonly results: readonly { readonly id: string; readonly reply: RenewReply | Refusal }[];
}
export interface LeaseReply {
  readonly lease: LeaseView;
}
export interface LeasePage {
  readonly leases: readonly LeaseView[];
  /** Present when more may follow: pass it as `after`. */
  readonly last?: string;
}
export interface Done {
  readonly done: true;
}

/* ---- entries --------------------------------------------------------------------------- */

/** Conditions on the current version, as RFC 9110 §13 has them; etags without quotes. */
export interface Conditions {
  /** Any of these must be current; `'*'`: anything must be there. */
  readonly ifMatch?: readonly string[] | '*';
  /** `'*'`: nothing may be there; a list: none of these may be current. */
  readonly ifNoneMatch?: readonly string[] | '*';
}
export interface PutCommand extends Conditions, Traced {
  readonly op: 'put';
  readonly namespace: string;
  readonly key: string;
  readonly value: Uint8Array;
  readonly contentType: string;
  readonly lease?: string;
  readonly ttlMs?: number;
  /** Opaque, from an earlier read: what the writer had seen. */
  readonly context?: string;
}
export interface GetCommand extends Traced {
  readonly op: 'get';
  readonly namespace: string;
  readonly key: string;
  /** `ledger`: what the ledger holds now, or a refusal; absent: what is held here suffices. */
  readonly consistency?: 'ledger';
}
export interface DeleteCommand extends Conditions, Traced {
  readonly op: 'delete';
  readonly namespace: string;
  readonly key: string;
  readonly context?: string;
}
export interface IncrementCommand extends Traced {
  readonly op: 'increment';
  readonly namespace: string;
  readonly key: string;
  readonly by: number;
  readonly lease?: string;
  readonly ttlMs?: number;
}
export interface ListEntriesCommand extends Asked {
  readonly op: 'list-entries';
  readonly namespace: string;
  readonly prefix: string;
  readonly limit: number;
  readonly after?: string;
  readonly values: boolean;
}

/** One of the values an entry holds; nearly every entry holds exactly one. */
export interface SiblingView {
  readonly value: Uint8Array;
  readonly contentType: string;
  readonly etag: string;
  readonly lease: string;
  readonly remainingMs: number;
  readonly actor: string;
}
export interface EntryView {
  readonly key: string;
  readonly etag: string;
  readonly contentType: string;
  readonly lease: string;
  readonly remainingMs: number;
  readonly value?: Uint8Array;
}
export interface PutReply {
  readonly created: boolean;
  readonly etag: string;
  readonly lease: string;
  readonly remainingMs: number;
  /** Where concurrent values are kept: what the next write of this writer should name. */
  readonly context?: string;
}
export interface GetReply {
  readonly etag: string;
  readonly contentType: string;
  readonly lease: string;
  readonly remainingMs: number;
  readonly context: string;
  /** A copy; the caller may keep it. */
  readonly value: Uint8Array;
  /** Held under a lease of this sidecar; copied from another's; or just asked of the ledger. */
  readonly source: 'local' | 'mirror' | 'ledger';
  /** Present only when concurrent values conflict and the policy shows them: at least two. */
  readonly siblings?: readonly SiblingView[];
}
export interface DeleteReply {
  readonly existed: boolean;
}
export interface IncrementReply {
  readonly value: number;
  readonly etag: string;
  readonly lease: string;
  readonly remainingMs: number;
  readonly created: boolean;
}
export interface EntryPage {
  readonly entries: readonly EntryView[];
  readonly last?: string;
}

/* ---- batch ----------------------------------------------------------------------------- */

/** What the edge has refused: it stands in its place among the others and changes nothing. */
export interface RefusedOperation {
  readonly op: 'refused';
  readonly refusal: Refusal;
}
export type AskedOperation =
  | PutCommand
  | GetCommand
  | DeleteCommand
  | RenewCommand
  | IncrementCommand;
export type BatchOperation = AskedOperation | RefusedOperation;

export interface BatchCommand extends Traced {
  readonly op: 'batch';
  /** All or nothing within this sidecar. */
  readonly atomic: boolean;
  readonly operations: readonly BatchOperation[];
}
export type BatchResult = PutReply | GetReply | DeleteReply | RenewReply | IncrementReply | Refusal;
export interface BatchReply {
  /** How many operations took effect (a read that found its entry counts). */
  readonly applied: number;
  readonly results: readonly BatchResult[];
}

/* ---- all of them ----------------------------------------------------------------------- */

export interface ReplyOf {
  grant: GrantReply;
  renew: RenewReply;
  'renew-many': RenewManyReply;
  transfer: LeaseReply;
  release: Done;
  'get-lease': LeaseReply;
  'list-leases': LeasePage;
  put: PutReply;
  get: GetReply;
  delete: DeleteReply;
  increment: IncrementReply;
  'list-entries': EntryPage;
  batch: BatchReply;
}
export type Command =
  | GrantCommand
  | RenewCommand
  | RenewManyCommand
  | TransferCommand
  | ReleaseCommand
  | GetLeaseCommand
  | ListLeasesCommand
  | PutCommand
  | GetCommand
  | DeleteCommand
  | IncrementCommand
  | ListEntriesCommand
  | BatchCommand;

export type Reply<C extends Command = Command> = ReplyOf[C['op']] | Refusal;
