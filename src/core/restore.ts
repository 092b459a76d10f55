/**
 * From facts back to state. Facts are replayed by the same primitives that made them; a fact that
 * does not fit the state before it is a broken journal, and says so, rather than being skipped.
 */
import { bury, leaveTombstone } from './endings.ts';
import type {
  EntryBuried, EntryEnded, EntryReverted, EntryWritten, Fact, LeaseGranted,
} from './fact.ts';
import type { EntryRestated, LeaseRestated, Restated, TombstoneRestated } from './fact-format.ts';
import type { NumberedDot } from './entry-table.ts';
import type { Dot } from './fact.ts';
import type { Namespace } from './namespaces.ts';
import type { State } from './state.ts';
import { cover } from './tombstones.ts';
import { parseTraceparent } from './trace.ts';

/** The journal says something that cannot follow from what it said before. */
export class RestoreError extends Error {
  override readonly name = 'RestoreError';
}

const IMPLICIT_ORIGIN = /^i-([0-9a-f]{16})-([0-9]+)$/;

/** Applies one fact. Throws `RestoreError` when it cannot follow from the state so far. */
export function restoreFact(state: State, fact: Fact | Restated): void {
  // Of the replica, not of what it holds.
  if (fact.kind === 'pressure.changed' || fact.kind === 'source.closed') return;
  const namespace = namespaceOf(state, fact.namespace);
  switch (fact.kind) {
    case 'lease.granted':
      return restoreGrant(state, namespace, fact);
    case 'lease.renewed': {
      const lease = findLease(state, fact.lease, fact.kind);
      return state.renewLease(lease, fact.deadline, fact.renewedAt, fact.renewals);
    }
    case 'lease.transferred':
      if (!state.transferLease(findLease(state, fact.lease, fact.kind), fact.holder)) {
        throw new RestoreError(`Cannot restore lease "${fact.lease}": no room for its holder`);
      }
      return;
    case 'lease.ended': {
      const lease = findLease(state, fact.lease, fact.kind);
      moveDeadline(state, lease, fact.deadline);
      state.endLease(lease, fact.reason, fact.at);
      if (state.leases.entryCount[lease]! > 0) state.draining.push(lease);
      return;
    }
    case 'entry.written':
      return restoreWrite(state, namespace, fact);
    case 'entry.reverted':
      return restoreRevert(state, namespace, fact);
    case 'entry.ended':
      return restoreEnding(state, namespace, fact);
    case 'entry.conflict':
    case 'reconcile.repaired':
      return;
    case 'entry.buried':
      return restoreBuried(state, namespace, fact);
    case 'lease.restated':
      return restoreLease(state, namespace, fact);
    case 'entry.restated':
      return restoreEntry(state, namespace, fact);
    case 'contact.restated':
      namespace.contactAt = fact.contactAt;
      return;
    case 'tombstone.restated':
      return restoreTombstone(state, namespace, fact);
  }
}

/** The namespace, brought into being where a journal names it. */
export function namespaceOf(state: State, name: string): Namespace {
  const known = state.namespaces.obtain(name);
  if (known !== undefined) {
    state.namespaces.adopt(known);
    return known;
  }
  return state.namespaces.adoptUnconfigured(name);
}

function findLease(state: State, id: string, kind: string): number {
  const lease = state.leases.find(id);
  if (lease === 0) throw new RestoreError(`Cannot restore "${kind}": lease "${id}" is not there`);
  return lease;
}

function restoreGrant(state: State, namespace: Namespace, fact: LeaseGranted): void {
  const lease = state.allocateLease({
    namespace,
    originActor: state.actors.number(fact.origin.actor),
    originSeq: fact.origin.seq,
    ttlMs: fact.ttlMs,
    deadline: fact.deadline,
    grantedAt: fact.at,
    trace: traceOf(fact),
    explicit: explicitFields(state, fact),
  });
  if (lease === 0) throw new RestoreError(`Cannot restore lease "${fact.lease}": no room for it`);
}

function explicitFields(state: State, fact: LeaseGranted | LeaseRestated) {
  const { lease: id, holder, labels, lifetimeEnd } = fact;
  return { id, holder, labels, lifetimeEnd, earlier: state.leases.find(id) };
}

function restoreLease(state: State, namespace: Namespace, fact: LeaseRestated): void {
  const common = {
    namespace,
    originActor: state.actors.number(fact.origin.actor),
    originSeq: fact.origin.seq,
    ttlMs: fact.ttlMs,
    deadline: fact.deadline,
    grantedAt: fact.grantedAt,
    trace: traceOf(fact),
  };
  const lease = state.allocateLease(
    fact.implicit ? common : { ...common, explicit: explicitFields(state, fact) },
  );
  if (lease === 0) throw new RestoreError(`Cannot restore lease "${fact.lease}": no room for it`);
  if (fact.ended) {
    state.endRestored(lease, fact.reason, fact.touchedAt);
    return;
  }
  state.renewLease(lease, fact.deadline, fact.touchedAt, fact.renewals);
}

function traceOf(fact: { readonly traceparent?: string }): Uint8Array | undefined {
  return fact.traceparent === undefined ? undefined : parseTraceparent(fact.traceparent);
}

function numbered(state: State, context: readonly Dot[]): NumberedDot[] {
  return context.map((dot) => ({ actor: state.actors.number(dot.actor), seq: dot.seq }));
}

/** The row of this run of overwrites, 0 for none; the probe holds the key. */
function findRun(state: State, namespace: Namespace, born: Dot): number {
  const { entries } = state;
  const actor = state.actors.find(born.actor);
  let row = entries.find(namespace.number, state.probe);
  while (row !== 0 && !(entries.bornActor[row] === actor && entries.bornSeq[row] === born.seq)) {
    row = entries.link[row]!;
  }
  return row;
}

function implicitLease(state: State, namespace: Namespace, fact: EntryWritten): number {
  const origin = IMPLICIT_ORIGIN.exec(fact.lease);
  if (origin === null) throw new RestoreError(`Cannot restore lease "${fact.lease}": strange id`);
  return state.allocateLease({
    namespace,
    originActor: state.actors.number(origin[1]!),
    originSeq: Number(origin[2]),
    ttlMs: fact.ttlMs,
    deadline: fact.deadline,
    grantedAt: fact.grantedAt,
    trace: traceOf(fact),
  });
}

function restoreWrite(state: State, namespace: Namespace, fact: EntryWritten): void {
  state.clock.witness(fact.hlc);
  state.probe.set(namespace.number, fact.key);
  const run = findRun(state, namespace, fact.born);
  const cell = state.writeCell(fact.contentType, numbered(state, fact.context), fact.value);
  if (cell === 0) throw new RestoreError(`Cannot restore "${fact.key}": no room for its value`);
  const dotActor = state.actors.number(fact.dot.actor);
  if (run !== 0) {
    state.overwriteEntry(run, cell, dotActor, fact.dot.seq, fact.hlc);
    return;
  }
  let lease = state.leases.find(fact.lease);
  if (lease === 0 && fact.implicit) lease = implicitLease(state, namespace, fact);
  if (lease === 0) {
    throw new RestoreError(`Cannot restore "${fact.key}": its lease "${fact.lease}" is not there`);
  }
  addRun(state, namespace, fact, lease, cell, dotActor);
}

function addRun(
  state: State,
  namespace: Namespace,
  fact: EntryWritten | EntryRestated,
  lease: number,
  cell: number,
  dotActor: number,
): void {
  const { entries } = state;
  const head = entries.find(namespace.number, state.probe);
  const reverts = namespace.contract.onExpire === 'revert';
  const onTop = reverts && head !== 0 && entries.hlc[head]! < fact.hlc;
  const row = state.addEntry(
    {
      namespace, lease, cell, dotActor,
      dotSeq: fact.dot.seq,
      bornActor: state.actors.number(fact.born.actor),
      bornSeq: fact.born.seq,
      hlc: fact.hlc,
    },
    head,
    onTop,
  );
  if (row === 0) throw new RestoreError(`Cannot restore "${fact.key}": no row for it`);
  if (reverts && !onTop && head !== 0) state.placeByAge(head, row);
}

function restoreEntry(state: State, namespace: Namespace, fact: EntryRestated): void {
  state.clock.witness(fact.hlc);
  state.probe.set(namespace.number, fact.key);
  const { actor, seq } = fact.origin;
  const lease = state.leases.findGrant(fact.lease, state.actors.find(actor), seq);
  if (lease === 0) {
    throw new RestoreError(`Cannot restore "${fact.key}": its lease "${fact.lease}" is not there`);
  }
  const cell = state.writeCell(fact.contentType, numbered(state, fact.context), fact.value);
  if (cell === 0) throw new RestoreError(`Cannot restore "${fact.key}": no room for its value`);
  addRun(state, namespace, fact, lease, cell, state.actors.number(fact.dot.actor));
}

function restoreRevert(state: State, namespace: Namespace, fact: EntryReverted): void {
  state.clock.witness(fact.hlc);
  state.probe.set(namespace.number, fact.key);
  const row = findRun(state, namespace, fact.born);
  if (row === 0) throw new RestoreError(`Cannot restore "${fact.key}": nothing to revert to`);
  state.restampEntry(row, state.actors.number(fact.dot.actor), fact.dot.seq, fact.hlc);
}

/** Ended here, held elsewhere: nothing of it was in the journal but this. */
function restoreBuried(state: State, namespace: Namespace, fact: EntryBuried): void {
  const { key, dot, born, reason, deadline, lease, holder, contentType, size } = fact;
  state.probe.set(namespace.number, key);
  const row = findRun(state, namespace, born);
  if (row !== 0) {
    // Adopted by another sidecar: it went on there.
    const home = state.entries.lease[row]!;
    state.removeEntry(row);
    const { leases } = state;
    const over = leases.isImplicit(home) && leases.entryCount[home] === 0;
    if (over && leases.isLiveRow(home)) state.endLease(home, reason, fact.at);
    return;
  }
  if (!namespace.reconciles) return;
  bury(state, namespace.number, key, [...fact.context, dot], {
    dot, born, reason, deadline, lease, holder, contentType, size,
    trace: traceOf(fact),
    told: false,
  });
}

function restoreTombstone(state: State, namespace: Namespace, fact: TombstoneRestated): void {
  if (!namespace.reconciles) return;
  const tombstone = state.openTombstone(namespace.number, fact.key);
  for (const { actor, seq } of fact.context) cover(tombstone.context, actor, seq);
  tombstone.runs.push(...fact.runs);
  tombstone.until = Math.max(tombstone.until, fact.until);
}

function restoreEnding(state: State, namespace: Namespace, fact: EntryEnded): void {
  if (fact.elsewhere === true) return;
  state.probe.set(namespace.number, fact.key);
  const row = findRun(state, namespace, fact.born);
  if (row === 0) throw new RestoreError(`Cannot restore the end of "${fact.key}": it is not there`);
  const { leases } = state;
  const lease = state.entries.lease[row]!;
  if (namespace.reconciles && fact.buried === true) leaveTombstone(state, row, fact.reason);
  state.removeEntry(row);
  const implicitGone = leases.isImplicit(lease) && leases.entryCount[lease] === 0;
  if (!implicitGone || !leases.isLiveRow(lease)) return;
  moveDeadline(state, lease, fact.deadline);
  state.endLease(lease, fact.reason, fact.at);
}

/** A renewal in the same group as the ending was not told; the ending says where it had led. */
function moveDeadline(state: State, lease: number, deadline: number): void {
  const { leases } = state;
  if (leases.deadline[lease] === deadline) return;
  state.renewLease(lease, deadline, leases.touchedAt[lease]!, leases.renewals[lease]!);
}
