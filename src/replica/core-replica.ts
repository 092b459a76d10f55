/**
 * Reconciliation's view of the core: each call is one step of the single writer, whose facts go to
 * journal and feed like those of any command. Here the core's plain values become records of the
 * ledger, and its timeline the ledger's clock.
 */
import { adopt, type HandedOver, leasesToHandOver } from '../core/adoption.ts';
import type { GrantReply } from '../core/command.ts';
import type { NamespaceContract } from '../core/contract.ts';
import { releaseCopies } from '../core/endings.ts';
import { dotText } from '../core/dot.ts';
import type { Dot, Repairs } from '../core/fact.ts';
import {
  confirm, confirmPartition, type HeldValue, ownRecord, partitionSums, rehash,
} from '../core/ledger-view.ts';
import { isKnown, type LedgerKey, merge, type Merged, withdraw } from '../core/merge.ts';
import type { Namespace } from '../core/namespaces.ts';
import type { Refusal } from '../core/refusal.ts';
import { restampPartition, restampUnconfirmed } from '../core/restamp.ts';
import type { State } from '../core/state.ts';
import type { BuriedRun } from '../core/tombstones.ts';
import { decodeLabel, encodeLabel, fingerprint } from '../ledger/label.ts';
import type { Digest, PushedRecord } from '../ledger/ledger.ts';
import {
  compareDots, type CoveredActor, type Ending, type LedgerRecord, type Sibling,
} from '../ledger/record.ts';
import type { Keep, MergeOutcome, PartitionDigests, Replica } from '../reconcile/replica.ts';

/** The engine, as far as this needs it. */
export interface ReplicaHost {
  /** Runs a step of the core now; what it tells is handed on. */
  apply<T>(step: (state: State) => T): T;
  /** Keeps the last contacts with the ledger in the journal. */
  restateContacts(): void;
  /** The run goes on as another one; called before anything is written as it. */
  becomes(actor: string): void;
}

/** Runs whose last sign of life is remembered. */
const OWNERS_MAX = 10_000;
/** How much newer a contact must be to be journalled again: a restart may find it older, so safer. */
const CONTACT_STEP_MS = 5000;
/** Ends told for others that are remembered. */
const ORPHANS_MAX = 10_000;
const NOTHING_HELD: LedgerKey = { values: [], context: [], ends: [] };
const NOTHING: Merged = { ended: 0, missing: 0, copied: 0 };

export class CoreReplica implements Replica {
  readonly #state: State;
  readonly #host: ReplicaHost;
  #restatedAt = Number.NEGATIVE_INFINITY;
  /** Runs before this one of this very process: nothing of theirs is forgotten. */
  readonly #ownRuns = new Set<string>();
  /** Runs of silent owners whose end was told here, oldest first. */
  readonly #orphansTold = new Set<string>();

  constructor(state: State, host: ReplicaHost) {
    this.#state = state;
    this.#host = host;
  }

  #step<T>(step: (state: State) => T): T {
    return this.#host.apply(step);
  }

  get actor(): string {
    return this.#state.actors.text(this.#state.actors.self);
  }

  get predecessors(): readonly string[] {
    return [...this.#state.predecessors];
  }

  namespaces(): readonly NamespaceContract[] {
    return this.#state.namespaces
      .all()
      .filter(({ reconciles }) => reconciles)
      .map(({ contract }) => contract);
  }

  #namespace(name: string): Namespace | undefined {
    const namespace = this.#state.namespaces.find(name);
    return namespace?.reconciles === true ? namespace : undefined;
  }

  /** A namespace made on demand is there with the first value of it. */
  #comeIntoBeing(name: string, record: LedgerRecord | undefined): Namespace | undefined {
    if (record === undefined || record.siblings.length === 0) return undefined;
    const { namespaces } = this.#state;
    const draft = namespaces.obtain(name);
    if (draft === undefined || !draft.reconciles) return undefined;
    namespaces.adopt(draft);
    return draft;
  }

  takeChanged(visit: (namespace: string, id: string) => void): void {
    const state = this.#state;
    const ledger = state.ledger!;
    const rows = state.changedRows;
    const tombstones = state.changedTombstones;
    state.changedRows = [];
    state.changedTombstones = [];
    for (const row of rows) {
      // Gone since, or another key's row by now, which then is in the list itself.
      if (ledger.changed[row] === 0 || state.entries.cell[row] === 0) continue;
      ledger.changed[row] = 0;
      visit(state.namespaceOfEntry(row).contract.name, state.entries.keyText(row));
    }
    for (const tombstone of tombstones) {
      tombstone.changed = false;
      visit(state.namespaces.at(tombstone.namespace).contract.name, tombstone.key);
    }
  }

  recordToPush(namespace: string, id: string, offsetMs: number): PushedRecord | undefined {
    const found = this.#namespace(namespace);
    if (found === undefined) return undefined;
    return this.#step((state) => {
      const own = ownRecord(state, found, id);
      if (own === undefined) return undefined;
      const siblings = own.values
        .map((value): Sibling => {
          if (state.ledger!.hashed[value.row] === 0) rehash(state, value.row, fingerprint);
          return siblingOf(value, offsetMs, {
            high: state.ledger!.hashHigh[value.row]!,
            low: state.ledger!.hashLow[value.row]!,
          });
        })
        .sort((left, right) => compareDots(left.dot, right.dot));
      const ends = (own.tombstone?.runs ?? [])
        .map((run) => endingOf(run, offsetMs, this.actor))
        .sort((left, right) => compareDots(left.born, right.born));
      const ours = new Set([this.actor, ...state.predecessors]);
      const until = own.until === 0 ? 0 : Math.ceil(own.until + offsetMs);
      const context = contextOf(own.context, (actor) => (ours.has(actor) ? until : 0));
      return { id, bucket: own.bucket, siblings, context, ends };
    });
  }

  changedAgain(namespace: string, id: string): void {
    const found = this.#namespace(namespace);
    if (found === undefined) return;
    const state = this.#state;
    state.sideProbe.set(found.number, id);
    let row = state.entries.find(found.number, state.sideProbe);
    for (; row !== 0; row = state.entries.link[row]!) {
      if (!state.isCopy(row)) state.noteChanged(row);
    }
    if (state.tombstones.find(found.number, id) !== undefined) {
      state.openTombstone(found.number, id);
    }
  }

  confirm(namespace: string, pushed: PushedRecord): void {
    const found = this.#namespace(namespace);
    if (found === undefined) return;
    const context = new Map(pushed.context.map(({ actor, seq }) => [actor, seq]));
    this.#step((state) => {
      confirm(state, found, pushed.id, {
        values: pushed.siblings, context, runs: pushed.ends.length,
      });
    });
  }

  withdraw(namespace: string, pushed: PushedRecord): void {
    const found = this.#namespace(namespace);
    if (found === undefined) return;
    const dots = pushed.siblings.map(({ dot }) => dot);
    this.#step((state) => withdraw(state, found, pushed.id, dots));
  }

  merge(
    namespace: string,
    id: string,
    record: LedgerRecord | undefined,
    offsetMs: number,
    keep: Keep,
  ): MergeOutcome {
    const found = this.#namespace(namespace) ?? this.#comeIntoBeing(namespace, record);
    if (found === undefined) return NOTHING;
    const held = record === undefined ? NOTHING_HELD : ledgerKey(record, offsetMs);
    return this.#step((state) => merge(state, found, id, held, keep));
  }

  release(namespace: string, id: string): void {
    const found = this.#namespace(namespace);
    if (found === undefined || found.contract.mirror === 'all') return;
    this.#step((state) => releaseCopies(state, found, id));
  }

  holds(namespace: string, id: string): boolean {
    const found = this.#namespace(namespace);
    if (found === undefined) return false;
    const state = this.#state;
    state.sideProbe.set(found.number, id);
    return (
      state.entries.find(found.number, state.sideProbe) !== 0 ||
      state.tombstones.find(found.number, id) !== undefined
    );
  }

  holdsValue(namespace: string, id: string): boolean {
    const found = this.#namespace(namespace);
    if (found === undefined) return false;
    const state = this.#state;
    state.sideProbe.set(found.number, id);
    return state.entries.find(found.number, state.sideProbe) !== 0;
  }

  digests(
    namespace: string,
    partition: number,
    withCells: boolean,
  ): PartitionDigests | undefined {
    const found = this.#namespace(namespace);
    if (found === undefined) return undefined;
    return partitionSums(this.#state, found, partition, withCells, fingerprint);
  }

  verified(namespace: string, partition: number): void {
    const found = this.#namespace(namespace);
    if (found !== undefined) confirmPartition(this.#state, found, partition);
  }

  forEachHeld(namespace: string, partition: number, visit: (id: string, own: boolean) => void): void {
    const found = this.#namespace(namespace);
    const { ledger, entries } = this.#state;
    if (found === undefined || ledger === undefined) return;
    let row = ledger.first(found.number, partition);
    while (row !== 0) {
      const next = ledger.next[row]!;
      visit(entries.keyText(row), !this.#state.isCopy(row));
      row = next;
    }
    for (const tombstone of this.#state.tombstones.values()) {
      if (tombstone.namespace !== found.number) continue;
      if (ledger.placementOfKey(tombstone.key).partition === partition) visit(tombstone.key, false);
    }
  }

  ownsIn(namespace: string, partition: number): boolean {
    const found = this.#namespace(namespace);
    const { ledger } = this.#state;
    if (found === undefined || ledger === undefined) return false;
    let row = ledger.first(found.number, partition);
    while (row !== 0 && this.#state.isCopy(row)) row = ledger.next[row]!;
    return row !== 0 || found.unswept.count(partition) > 0;
  }

  unswept(namespace: string, partition: number): number {
    return this.#namespace(namespace)?.unswept.count(partition) ?? 0;
  }

  swept(
    namespace: string,
    partition: number,
    removed: readonly ({ readonly actor: string } & Digest)[],
  ): void {
    const unswept = this.#namespace(namespace)?.unswept;
    for (const { actor, count, high, low } of removed) {
      unswept?.add(partition, actor, -count, -high, -low);
    }
  }

  tellRepaired(namespace: string, partition: number, repairs: Repairs): void {
    const found = this.#namespace(namespace);
    if (found === undefined) return;
    this.#step((state) => state.facts.reconcileRepaired(found, partition, repairs));
  }

  get takesOrphans(): boolean {
    return this.#state.owed?.hasPlenty ?? true;
  }

  tellOrphan(namespace: string, id: string, ending: Ending, offsetMs: number): void {
    const found = this.#namespace(namespace);
    // What stands beside the entries (a lease handed over) has no ending of its own.
    if (found === undefined || id.startsWith('\u0000')) return;
    const { lease, holder, contentType, size, trace } = decodeLabel(ending.label);
    const { dot, born, reason } = ending;
    // The ledger may say it late, in other words, or again.
    if (this.tellsItself(namespace, id, ending)) return;
    if (this.#toldBefore(dotText(born.actor, born.seq))) return;
    const run: BuriedRun = {
      dot, born, reason, lease, holder, contentType, size, trace,
      deadline: ending.deadline - offsetMs,
      told: true,
    };
    this.#step((state) => state.facts.orphanEnded(found, id, run));
  }

  /** For a silent owner; what it was is not known here, so that it is remembered apart. */
  #toldBefore(run: string): boolean {
    if (this.#orphansTold.has(run)) return true;
    if (this.#orphansTold.size >= ORPHANS_MAX) {
      this.#orphansTold.delete(this.#orphansTold.values().next().value!);
    }
    this.#orphansTold.add(run);
    return false;
  }

  tellsItself(
    namespace: string, id: string, { dot, label }: { readonly dot: Dot; readonly label: Uint8Array },
  ): boolean {
    const found = this.#namespace(namespace);
    if (found === undefined) return false;
    if (dot.actor === this.actor || this.#ownRuns.has(dot.actor)) return true;
    const { leases, predecessors } = this.#state;
    if (leases.remembersImplicit(decodeLabel(label).lease)) return true;
    // What covers another's write here may be what ended it, and its owner's to tell.
    return predecessors.has(dot.actor) && isKnown(this.#state, found, id, dot);
  }

  contact(namespace: string, sentAt: number): void {
    const found = this.#namespace(namespace);
    if (found === undefined || sentAt <= found.contactAt) return;
    found.contactAt = sentAt;
    if (sentAt - this.#restatedAt < CONTACT_STEP_MS) return;
    this.#restatedAt = sentAt;
    this.#host.restateContacts();
  }

  heard(actor: string, seenAt: number): void {
    const { heardAt } = this.#state;
    if (seenAt <= (heardAt.get(actor) ?? Number.NEGATIVE_INFINITY)) return;
    // The longest unheard comes first, and goes first.
    heardAt.delete(actor);
    heardAt.set(actor, seenAt);
    if (heardAt.size > OWNERS_MAX) heardAt.delete(heardAt.keys().next().value!);
  }

  reincarnate(actor: string): void {
    this.#ownRuns.add(this.actor);
    this.#host.becomes(actor);
    this.#step((state) => {
      state.predecessors.add(this.actor);
      state.actors.become(actor);
      for (const namespace of state.namespaces.all()) {
        if (namespace.reconciles) restampUnconfirmed(state, namespace);
      }
    });
  }

  restamp(namespace: string, partition: number, actor: string): number {
    const found = this.#namespace(namespace);
    if (found === undefined) return 0;
    return this.#step((state) => restampPartition(state, found, partition, actor));
  }

  leasesToHandOver(visit: (contract: NamespaceContract, lease: HandedOver) => void): void {
    this.#step((state) => {
      leasesToHandOver(state, ({ contract }, lease) => visit(contract, lease));
    });
  }

  adopt(
    namespace: string,
    lease: HandedOver,
    records: ReadonlyMap<string, LedgerRecord>,
    offsetMs: number,
  ): GrantReply | Refusal {
    const found = this.#namespace(namespace);
    if (found === undefined) throw new Error(`Namespace "${namespace}" does not reconcile`);
    const held = new Map(
      [...records].map(([key, record]) => [key, ledgerKey(record, offsetMs)] as const),
    );
    return this.#step((state) => adopt(state, found, lease, held));
  }

  mint(): { readonly dot: Dot; readonly hlc: number } {
    return this.#step((state) => ({
      dot: { actor: this.actor, seq: state.nextSequence() },
      hlc: state.mintHlc(),
    }));
  }

  forgetTombstones(confirmedBefore: number): void {
    this.#state.tombstones.forget(confirmedBefore);
  }

}

function siblingOf(
  value: HeldValue,
  offsetMs: number,
  hash: { readonly high: number; readonly low: number },
): Sibling {
  const { lease, holder, contentType, trace } = value;
  return {
    dot: value.dot,
    born: value.born,
    hlc: value.hlc,
    rank: value.rank,
    // Never earlier there than here.
    deadline: Math.ceil(value.deadline + offsetMs),
    ttlMs: value.ttlMs,
    session: value.session,
    hashHigh: hash.high,
    hashLow: hash.low,
    label: encodeLabel({ lease, holder, contentType, size: value.value.length, trace }),
    value: value.value,
  };
}

function ledgerKey({ siblings, context, ends }: LedgerRecord, offsetMs: number): LedgerKey {
  return { context, ends, values: siblings.map((sibling) => heldValue(sibling, offsetMs)) };
}

function heldValue(sibling: Sibling, offsetMs: number): HeldValue {
  const { lease, holder, contentType, trace } = decodeLabel(sibling.label);
  return {
    dot: sibling.dot,
    born: sibling.born,
    hlc: sibling.hlc,
    rank: sibling.rank,
    deadline: sibling.deadline - offsetMs,
    ttlMs: sibling.ttlMs,
    session: sibling.session,
    lease, holder, contentType, trace,
    value: sibling.value,
  };
}

function endingOf(run: BuriedRun, offsetMs: number, by: string): Ending {
  const { dot, born, reason, told, lease, holder, contentType, size, trace } = run;
  return {
    dot, born, reason, told, by,
    conflict: false,
    deadline: Math.ceil(run.deadline + offsetMs),
    until: 0,
    label: encodeLabel({ lease, holder, contentType, size, trace }),
  };
}

function contextOf(
  context: ReadonlyMap<string, number>,
  until: (actor: string) => number,
): CoveredActor[] {
  return [...context]
    .map(([actor, seq]) => ({ actor, seq, until: until(actor) }))
    .sort((left, right) => (left.actor < right.actor ? -1 : 1));
}
