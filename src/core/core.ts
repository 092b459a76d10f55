/**
 * The core: decides, never acts. `step` takes a command and the time, changes the state and
 * answers; `tick` ends what is due, a bounded piece at a time. Both leave facts, as bytes, in
 * `facts`, which the engine hands on before anyone hears the answer. No I/O, no timers, no clock,
 * no randomness: the same inputs lead to the same bytes, which is what the simulator lives on.
 */
import { batch } from './batch.ts';
import type { Command, Reply, ReplyOf } from './command.ts';
import type { CoreOptions } from './contract.ts';
import { increment } from './counters.ts';
import { drainEntries, endLease, expireLease } from './endings.ts';
import { get, put, remove } from './entries.ts';
import type { Fact, LastSequences, PressureReading } from './fact.ts';
import type { Restated } from './fact-format.ts';
import { decodeFact } from './fact-reader.ts';
import { FactWriter } from './fact-writer.ts';
import { getLease, grant, release, renew, renewMany, transfer } from './leases.ts';
import { LIVE } from './lease-table.ts';
import { PERHAPS_SEEN } from './ledger-columns.ts';
import { listEntries, listLeases } from './listing.ts';
import type { Refusal } from './refusal.ts';
import { namespaceOf, restoreFact } from './restore.ts';
import { State } from './state.ts';

export interface CoreUsage {
  readonly leases: number;
  readonly entries: number;
  readonly endedRemembered: number;
  readonly evictions: number;
  readonly evictionsWithheld: number;
  readonly copies: number;
  readonly tombstones: number;
  readonly slabHeldBytes: number;
  readonly slabUsedBytes: number;
  readonly namespaces: readonly {
    readonly name: string;
    readonly leases: number;
    readonly entries: number;
    readonly bytes: number;
    /** Endings of its leases and entries that the bus has not acknowledged. */
    readonly owedLeases: number;
    readonly owedEntries: number;
  }[];
}

export class Core {
  /** For the invariants' checker and for tests; everything else goes through the methods. */
  readonly state: State;
  #snapshotWriter: FactWriter | undefined;

  constructor(options: CoreOptions, startNow: number) {
    this.state = new State(options, startNow);
  }

  /** This run, as it is known now: an isolation makes it go on as another one. */
  get actor(): string {
    return this.state.actors.text(this.state.actors.self);
  }

  /** The facts of the steps since `facts.reset()`. */
  get facts(): FactWriter {
    return this.state.facts;
  }

  /** Executes one command at timeline instant `now`; its facts join `facts`. */
  step<C extends Command>(command: C, now: number): Reply<C>;
  step(command: Command, now: number): ReplyOf[Command['op']] | Refusal {
    const { state } = this;
    state.enter(now);
    state.facts.acting = 'trace' in command ? command.trace : undefined;
    switch (command.op) {
      case 'get':
        return get(state, command);
      case 'put':
        return put(state, command);
      case 'renew':
        return renew(state, command);
      case 'increment':
        return increment(state, command);
      case 'delete':
        return remove(state, command);
      case 'grant':
        return grant(state, command);
      case 'release':
        return release(state, command);
      case 'renew-many':
        return renewMany(state, command);
      case 'transfer':
        return transfer(state, command);
      case 'get-lease':
        return getLease(state, command);
      case 'list-leases':
        return listLeases(state, command);
      case 'list-entries':
        return listEntries(state, command);
      case 'batch':
        return batch(state, command);
    }
  }

  /**
   * Ends what is due at `now`, in units of about one ending, at most `budget`. Returns true when
   * it stopped for the budget: call again soon.
   */
  tick(now: number, budget: number): boolean {
    const { state } = this;
    state.enter(now);
    state.facts.acting = undefined;
    let left = budget - drainEntries(state, budget);
    if (left > 0) left -= state.wheel.advance(state.now, left, this.#due);
    if (left > 0) left -= state.forgetEnded(left);
    return left <= 0 || state.drainFrom < state.draining.length;
  }

  readonly #due = (lease: number): number => {
    const { state } = this;
    const deadline = state.leases.deadline[lease]!;
    if (deadline > state.now) return deadline;
    expireLease(state, lease);
    return 0;
  };

  /** Timeline instant at which `tick` has something to do; infinite when nothing is waiting. */
  nextTick(): number {
    const { state } = this;
    if (state.drainFrom < state.draining.length || state.wheel.lagging) return state.now;
    return Math.min(state.wheel.nextMs(), state.endedForgetAt());
  }

  /**
   * Writes one fact for each lease renewed since the last call. Call it before a group closes.
   * Beyond the `room` there is for them on their way to the bus, only that they were renewed is kept;
   * see `retellRenewals`.
   */
  tellRenewals(room = Number.POSITIVE_INFINITY): void {
    const { state } = this;
    state.facts.acting = undefined;
    let left = room;
    for (const lease of state.renewed) {
      // Ended since: its ending says more.
      if (state.leases.state[lease] !== LIVE || state.leases.renewalPending[lease] === 0) continue;
      state.leases.renewalPending[lease] = 0;
      const namespace = state.namespaceOfLease(lease);
      const isTold = state.facts.tellsRenewal(namespace, lease);
      if (isTold && left > 0) state.heldRenewals.delete(lease);
      else if (isTold) state.heldRenewals.add(lease);
      state.facts.leaseRenewed(namespace, lease, left > 0);
      if (isTold) left--;
    }
    state.renewed.length = 0;
  }

  /** Tells up to `max` renewals that found no room on their way to the bus: the last of each lease. */
  retellRenewals(max: number): void {
    const { state } = this;
    let left = max;
    for (const lease of state.heldRenewals) {
      if (left-- === 0) return;
      state.heldRenewals.delete(lease);
      state.facts.leaseRenewed(state.namespaceOfLease(lease), lease);
    }
  }

  /* ---- the bus ------------------------------------------------------------------------- */

  /** An ending was acknowledged: the room it held is free. */
  settleEnding(namespace: string, ofLease: boolean, bytes: number): void {
    const found = this.state.namespaces.find(namespace);
    if (found !== undefined) this.state.owed?.settle(found, ofLease, bytes);
  }

  /** An ending that an earlier run told is still to be acknowledged. */
  oweEnding(namespace: string, ofLease: boolean, bytes: number): void {
    this.state.owed?.add(namespaceOf(this.state, namespace), ofLease, bytes);
  }

  tellPressure(now: number, pressure: PressureReading): void {
    this.state.enter(now);
    this.state.facts.pressureChanged(this.state.namespaces.none, pressure);
  }

  /** A run of this sidecar, this one or an earlier one, tells nothing more. */
  tellSourceClosed(now: number, actor: string, last: LastSequences): void {
    this.state.enter(now);
    this.state.facts.sourceClosed(this.state.namespaces.none, actor, last);
  }

  /** TTLs that nobody asked for are longer while the level is high (`stretchUnderPressure`). */
  setStretching(stretching: boolean): void {
    this.state.stretching = stretching;
  }

  /** Wall clock minus timeline, for what is shown and for the hybrid clock. */
  setWallOffset(offsetMs: number): void {
    this.state.wallOffsetMs = offsetMs;
  }

  /* ---- the ledger ---------------------------------------------------------------------- */

  /** One step on behalf of reconciliation; its facts join `facts`. */
  reconcile<T>(now: number, step: (state: State) => T): T {
    this.state.enter(now);
    this.state.facts.acting = undefined;
    return step(this.state);
  }

  /**
   * Hands the last contacts with the ledger to `take`, as records that restate them: a restarted
   * run must not promise more than this one could (PROTOCOL §3.5 rule 4).
   */
  restateContacts(take: (bytes: Uint8Array, start: number, end: number) => void): void {
    const { state } = this;
    const writer = new FactWriter(state.actors, state.leases, state.entries);
    for (const namespace of state.namespaces.all()) {
      if (namespace.reconciles) writer.contactRestated(namespace);
    }
    for (let index = 0; index < writer.count; index++) {
      take(writer.bytes, writer.starts[index]!, writer.starts[index + 1]!);
    }
  }

  /* ---- recovery ------------------------------------------------------------------------ */

  /**
   * Applies the fact of one record of the journal, and answers it. Throws on bytes that are none,
   * or that do not fit what came before.
   */
  restore(bytes: Uint8Array, start = 0, end = bytes.length): Fact | Restated {
    const fact = decodeFact(bytes, start, end);
    // Ended memory is bounded by age too; recovery must not outgrow it.
    if ('at' in fact && fact.at > this.state.now) this.state.now = fact.at;
    restoreFact(this.state, fact);
    return fact;
  }

  /** The snapshot's part of the journal has been read. */
  snapshotRestored(): void {
    this.state.settleRestored();
  }

  /**
   * Recovery is over; time goes on at `now`. What fell due before has `cause: downtime`. What
   * belongs to namespaces that are no longer configured is revoked; its facts join `facts`.
   */
  resume(now: number): void {
    const { state } = this;
    state.settleRestored();
    state.enter(now);
    state.resumedAt = state.now;
    this.#findPredecessors();
    for (const namespace of state.namespaces.unconfigured) {
      for (let lease = 1; lease <= state.leases.slots.highest; lease++) {
        const same = state.leases.namespace[lease] === namespace.number;
        if (same && state.leases.state[lease] === LIVE) {
          endLease(state, lease, 'revoked', 'namespace-removed');
        }
      }
    }
  }

  /** The journal was written by this run too. */
  continues(actor: string): void {
    const { state } = this;
    if (state.ledger !== undefined && actor !== state.actors.text(state.actors.self)) {
      state.predecessors.add(actor);
    }
  }

  /** Runs whose values are held from here on (PROTOCOL §3.5 rule 5). */
  #findPredecessors(): void {
    const { state } = this;
    const { entries, actors } = state;
    if (state.ledger === undefined) return;
    for (let row = 1; row <= entries.slots.highest; row++) {
      if (entries.cell[row] === 0 || !state.namespaceOfEntry(row).reconciles) continue;
      // Whether they were pushed, the journal does not say.
      state.ledger.confirmed[row] = PERHAPS_SEEN;
      if (entries.dotActor[row] === actors.self) continue;
      state.predecessors.add(actors.text(entries.dotActor[row]!));
    }
  }

  /* ---- snapshots ----------------------------------------------------------------------- */

  /**
   * Starts a snapshot of the state as it is now. Take its records with `snapshotNext` until it
   * answers true; steps in between do not disturb it.
   */
  beginSnapshot(): void {
    const { state } = this;
    this.#snapshotWriter = new FactWriter(state.actors, state.leases, state.entries);
    this.#snapshotWriter.at = state.now;
    this.#snapshotWriter.wallMs = state.now + state.wallOffsetMs;
    state.beginSnapshot(this.#snapshotWriter);
  }

  /** Hands up to about `budget` rows, and those changed since, to `take`; true at the end. */
  snapshotNext(
    budget: number,
    take: (bytes: Uint8Array, start: number, end: number) => void,
  ): boolean {
    const writer = this.#snapshotWriter;
    if (writer === undefined) throw new Error('No snapshot is under way');
    const done = this.state.captureNext(budget);
    for (let index = 0; index < writer.count; index++) {
      take(writer.bytes, writer.starts[index]!, writer.starts[index + 1]!);
    }
    writer.reset();
    if (done) this.#snapshotWriter = undefined;
    return done;
  }

  abandonSnapshot(): void {
    this.state.abandonSnapshot();
    this.#snapshotWriter = undefined;
  }

  /** The flag `eviction`; `shadow` counts what it would have done. */
  setEvicting(evicting: 'off' | 'shadow' | 'on'): void {
    this.state.evicting = evicting;
  }

  usage(): CoreUsage {
    const { state } = this;
    return {
      leases: state.liveLeases,
      entries: state.entries.slots.used - state.copies,
      endedRemembered: state.endedCount,
      evictions: state.evictions,
      evictionsWithheld: state.evictionsWithheld,
      copies: state.copies,
      tombstones: state.tombstones.size,
      slabHeldBytes: state.slab.heldBytes,
      slabUsedBytes: state.slab.usedBytes,
      namespaces: state.namespaces.all().map((namespace) => ({
        name: namespace.contract.name,
        leases: namespace.leases,
        entries: namespace.entries,
        bytes: namespace.bytes,
        owedLeases: namespace.owedLeases,
        owedEntries: namespace.owedEntries,
      })),
    };
  }
}
