/**
 * This sidecar's own state, as reconciliation needs it. Each method is one step of the core: facts
 * go to journal and feed like those of any command, and nothing here waits.
 *
 * Instants of the ledger become instants of the timeline by `offsetMs` (ledger minus timeline). A
 * deadline sent to the ledger is never earlier there than here.
 */
import type { HandedOver } from '../core/adoption.ts';
import type { GrantReply } from '../core/command.ts';
import type { NamespaceContract } from '../core/contract.ts';
import type { Dot, Repairs } from '../core/fact.ts';
import type { Refusal } from '../core/refusal.ts';
import type { Digest, PushedRecord } from '../ledger/ledger.ts';
import type { Ending, LedgerRecord } from '../ledger/record.ts';

/** Which copies of others' values to keep after a merge. */
export type Keep =
  /** All: this sidecar follows the change log. */
  | 'all'
  /** Only those beside a value of its own. */
  | 'beside-own'
  /** All, until `release` of the key: a read-through. */
  | 'once';

export interface MergeOutcome {
  /** Own values that were found ended, superseded or lost to a policy. */
  readonly ended: number;
  /** Own values the ledger lacks: their key is changed again and must be pushed. */
  readonly missing: number;
  /** Others' values taken in, moved or dropped. */
  readonly copied: number;
}

export interface PartitionDigests {
  /** Of own values, by actor; those ended at their final deadline count until the ledger swept. */
  readonly owned: ReadonlyMap<string, Digest>;
  /** Of all values, own and copied. */
  readonly root: Digest;
  /** By bucket, when asked for. */
  readonly cells: readonly Digest[];
}

export interface Replica {
  readonly actor: string;
  /** Runs before this one whose values it holds. */
  readonly predecessors: readonly string[];
  /** Contracts of the namespaces that reconcile: class shared, those made on demand too. */
  namespaces(): readonly NamespaceContract[];

  /** Visits keys changed since the last call, each once. */
  takeChanged(visit: (namespace: string, id: string) => void): void;
  /** What the ledger must know of the key now; undefined: nothing. From here on it counts as unchanged. */
  recordToPush(namespace: string, id: string, offsetMs: number): PushedRecord | undefined;
  /** The push did not happen as it stands: the key is changed again. */
  changedAgain(namespace: string, id: string): void;
  /** The ledger holds what was pushed: tombstones begin to age, deadlines are known. */
  confirm(namespace: string, pushed: PushedRecord): void;
  /** The ledger has refused what was pushed for good: these values end here (`firstWins`). */
  withdraw(namespace: string, pushed: PushedRecord): void;
  /** Joins what the ledger holds (undefined: nothing) into the local state. */
  merge(
    namespace: string, id: string, record: LedgerRecord | undefined, offsetMs: number, keep: Keep,
  ): MergeOutcome;
  /** Forgets copies of others' values of this key, unless they stand beside an own one. */
  release(namespace: string, id: string): void;
  /** Own value, copy, or tombstone of the key. */
  holds(namespace: string, id: string): boolean;
  /** Own value or copy of the key. */
  holdsValue(namespace: string, id: string): boolean;

  /** undefined while some key of the partition is changed and not yet taken or confirmed. */
  digests(namespace: string, partition: number, withCells: boolean): PartitionDigests | undefined;
  /** The digests were equal: the ledger holds every value of the partition as it is here. */
  verified(namespace: string, partition: number): void;
  /** Every key held in a partition, once for each of its values and its tombstone. */
  forEachHeld(
    namespace: string, partition: number, visit: (id: string, own: boolean) => void,
  ): void;
  /** Something of its own is held in the partition, or waits there to be swept. */
  ownsIn(namespace: string, partition: number): boolean;
  /** How many own values in the partition ended at their final deadline, unswept by the ledger. */
  unswept(namespace: string, partition: number): number;
  /** The ledger's own-scope sweep took these away. */
  swept(
    namespace: string, partition: number, removed: readonly ({ readonly actor: string } & Digest)[],
  ): void;

  /** Tells that a partition differed from the ledger and was put right. */
  tellRepaired(namespace: string, partition: number, repairs: Repairs): void;
  /**
   * Whether endings of silent owners may be told here: nobody reserved room for them, so they are
   * taken on only while there is plenty.
   */
  readonly takesOrphans: boolean;
  /** Publishes the ending of a run whose owner is silent. */
  tellOrphan(namespace: string, id: string, ending: Ending, offsetMs: number): void;
  /** Whether the end of a value has been told here, or will be: it is held, or was, as far as the journal goes. */
  tellsItself(
    namespace: string, id: string, value: { readonly dot: Dot; readonly label: Uint8Array },
  ): boolean;
  /** Every value of its own was vouched for by a request sent at this timeline instant. */
  contact(namespace: string, sentAt: number): void;
  /** When an owner was last heard of, timeline instant: its session values live on with it. */
  heard(actor: string, seenAt: number): void;
  /**
   * Goes on as another run (after an isolation): values the ledger may not have are written again
   * under the new actor with the old context; the others stay, as a predecessor's.
   */
  reincarnate(actor: string): void;
  /**
   * Values of a predecessor in the partition are written again under this actor: the ledger holds
   * values of that run which are not held here, so it cannot be vouched for as a whole (§3.5 rule
   * 5). How many.
   */
  restamp(namespace: string, partition: number, actor: string): number;
  /** Live leases of namespaces with `onDrain: handover`, with their keys. */
  leasesToHandOver(visit: (contract: NamespaceContract, lease: HandedOver) => void): void;
  /** Goes on with a lease that was handed over. */
  adopt(
    namespace: string,
    lease: HandedOver,
    records: ReadonlyMap<string, LedgerRecord>,
    offsetMs: number,
  ): GrantReply | Refusal;
  /** The next write's number and stamp. */
  mint(): { readonly dot: Dot; readonly hlc: number };
  /** Tombstones confirmed before this timeline instant are forgotten. */
  forgetTombstones(confirmedBefore: number): void;
}
