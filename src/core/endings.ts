/**
 * How things end. Every grant ends in exactly one fact, written in the same step as the change;
 * this file is the only place that writes endings.
 */
import type { EndReason } from './command.ts';
import { dotText } from './dot.ts';
import { contextWithText } from './entry-table.ts';
import type { Dot } from './fact.ts';
import { END_REASONS } from './fact-format.ts';
import { DRAINING, LIVE } from './lease-table.ts';
import { CONFIRMED } from './ledger-columns.ts';
import type { Namespace } from './namespaces.ts';
import type { State } from './state.ts';
import { type BuriedRun, cover } from './tombstones.ts';

/**
 * Entries whose endings are recorded in the same step as their lease's. A lease with more hands
 * them to the sweep, so that releasing a lease of 100 000 entries stops nobody; they are invisible
 * at once all the same.
 */
const INLINE_ENTRIES = 32;

/** Ends a live lease with all that is under it. */
export function endLease(state: State, lease: number, reason: EndReason, cause?: string): void {
  const { leases } = state;
  if (leases.isImplicit(lease)) {
    state.endLease(lease, reason, state.now);
    while (leases.entryHead[lease] !== 0) endEntry(state, leases.entryHead[lease]!, reason, cause);
    return;
  }
  state.endLease(lease, reason, state.now);
  state.facts.leaseEnded(state.namespaceOfLease(lease), lease, cause);
  if (leases.entryCount[lease]! > INLINE_ENTRIES) {
    state.draining.push(lease);
    return;
  }
  while (leases.entryHead[lease] !== 0) endWithLease(state, leases.entryHead[lease]!);
}

/** Ends a lease whose deadline has come. */
export function expireLease(state: State, lease: number): void {
  endLease(state, lease, 'expired', causeOfExpiry(state, lease));
}

function causeOfExpiry(state: State, lease: number): string | undefined {
  return state.leases.deadline[lease]! <= state.resumedAt ? 'downtime' : undefined;
}

/**
 * Records the end of an entry whose explicit lease has ended, at once or later. It has the lease's
 * reason; of causes only the downtime, which the deadline tells: the lease's own ending tells the
 * others, and they are not kept for entries that are ended after a restart.
 */
function endWithLease(state: State, entry: number): void {
  const lease = state.entries.lease[entry]!;
  const reason = END_REASONS[state.leases.endReason[lease]!]!;
  endEntry(state, entry, reason, reason === 'expired' ? causeOfExpiry(state, lease) : undefined);
}

/** Records the end of one value and takes it away; under `revert`, what lay below comes back. */
export function endEntry(state: State, entry: number, reason: EndReason, cause?: string): void {
  const { entries, facts } = state;
  const namespace = state.namespaceOfEntry(entry);
  const buried = namespace.reconciles && isToBeTold(state, entry, reason);
  facts.entryEnded(namespace, entry, END_REASONS.indexOf(reason), cause, buried);
  const isHead = entries.leafOf[entry] !== 0;
  const below = entries.link[entry]!;
  if (buried) leaveTombstone(state, entry, reason);
  else if (namespace.reconciles && reason === 'expired') awaitSweep(state, entry);
  const reverts = namespace.contract.onExpire === 'revert' && isHead && below !== 0;
  if (!reverts || reason === 'deleted' || reason === 'superseded') {
    const lonely = !isHead || below !== 0 ? copiesLeftAlone(state, namespace, entry) : [];
    state.removeEntry(entry);
    for (const copy of lonely) state.dropCopy(copy);
    return;
  }
  const previousEtag = dotText(state.actors.text(entries.dotActor[entry]!), entries.dotSeq[entry]!);
  const previousLease = state.leases.id(entries.lease[entry]!);
  state.removeEntry(entry);
  // What lies below may have come to its own end, unseen until now; then it ends in turn, and
  // what lies below that is looked at.
  if (!state.isEntryLive(below)) {
    endRow(state, below);
    return;
  }
  state.restampEntry(below, state.actors.self, state.nextSequence(), state.mintHlc());
  facts.entryReverted(namespace, below, { created: false, previousEtag, previousLease });
}

/**
 * The copies of a key that would be left without an own value. Nobody keeps those up to date,
 * unless the namespace follows the change log.
 */
function copiesLeftAlone(state: State, namespace: Namespace, entry: number): number[] {
  if (!namespace.reconciles || namespace.contract.mirror === 'all') return [];
  const { entries, sideProbe } = state;
  sideProbe.set(namespace.number, entries.keyText(entry));
  const copies: number[] = [];
  for (let row = entries.find(namespace.number, sideProbe); row !== 0; row = entries.link[row]!) {
    if (row === entry) continue;
    if (!state.isCopy(row)) return [];
    copies.push(row);
  }
  return copies;
}

/** Forgets the copies of a key, unless they stand beside an own value. */
export function releaseCopies(state: State, namespace: Namespace, key: string): void {
  const { entries, sideProbe } = state;
  sideProbe.set(namespace.number, key);
  const copies: number[] = [];
  for (let row = entries.find(namespace.number, sideProbe); row !== 0; row = entries.link[row]!) {
    if (!state.isCopy(row)) return;
    copies.push(row);
  }
  for (const copy of copies) state.dropCopy(copy);
}

/**
 * Whether the ledger must be told of an own value's end. A value that it holds as it is here, with
 * a deadline that was final, is swept there without being told; one that was written over is
 * covered by the write.
 */
function isToBeTold(state: State, entry: number, reason: EndReason): boolean {
  if (reason === 'superseded') return false;
  const isFinal = reason === 'expired' && state.leases.isImplicit(state.entries.lease[entry]!);
  return !isFinal || state.ledger!.confirmed[entry] !== CONFIRMED;
}

/** Until the sweep has come by, the ledger counts the value. */
function awaitSweep(state: State, entry: number): void {
  const ledger = state.ledger!;
  const actor = state.actors.text(state.entries.dotActor[entry]!);
  state.namespaceOfEntry(entry).unswept.add(
    ledger.partitionOf(entry), actor, 1, ledger.hashHigh[entry]!, ledger.hashLow[entry]!,
  );
}

/** Leaves what the ledger must be told of an own value that ends. */
export function leaveTombstone(state: State, entry: number, reason: EndReason): void {
  const { entries, actors } = state;
  const key = entries.keyText(entry);
  const namespace = entries.namespace[entry]!;
  const covered = [
    ...contextWithText(entries.context(entry), actors),
    { actor: actors.text(entries.dotActor[entry]!), seq: entries.dotSeq[entry]! },
  ];
  // A write of an earlier run may no longer be known there as ours: say that its end was told.
  const inherited = entries.dotActor[entry] !== actors.self;
  const run = inherited ? { ...endedRun(state, entry, reason), told: true } : undefined;
  const lease = entries.lease[entry]!;
  const until = Math.max(state.leases.deadline[lease]!, state.wanted.get(lease) ?? 0);
  state.later(() => {
    const tombstone = state.openTombstone(namespace, key);
    tombstone.until = Math.max(tombstone.until, until);
    for (const { actor, seq } of covered) cover(tombstone.context, actor, seq);
    if (run !== undefined) bury(state, namespace, key, [], run);
  });
}

/**
 * Ends another sidecar's value here. Its owner learns of it from the ledger and tells it; this
 * sidecar only records what the ledger must know.
 */
export function buryCopy(state: State, entry: number, reason: EndReason): void {
  const namespace = state.namespaceOfEntry(entry);
  const run = endedRun(state, entry, reason);
  const key = state.entries.keyText(entry);
  const covered = [...contextWithText(state.entries.context(entry), state.actors), run.dot];
  state.facts.entryBuried(namespace, entry, END_REASONS.indexOf(reason));
  state.dropCopy(entry);
  state.later(() => bury(state, namespace.number, key, covered, run));
}

/** The run of a row, ended for `reason`; not told yet. */
export function endedRun(state: State, entry: number, reason: EndReason): BuriedRun {
  const { entries, leases, actors } = state;
  const lease = entries.lease[entry]!;
  return {
    born: { actor: actors.text(entries.bornActor[entry]!), seq: entries.bornSeq[entry]! },
    dot: { actor: actors.text(entries.dotActor[entry]!), seq: entries.dotSeq[entry]! },
    reason,
    deadline: leases.deadline[lease]!,
    lease: leases.id(lease),
    holder: leases.holder(lease),
    contentType: entries.contentType(entry),
    size: entries.valueLength(entries.cell[entry]!),
    trace: leases.trace(lease)?.slice(),
    told: false,
  };
}

/** Adds a run that was ended here to its key's tombstone. */
export function bury(
  state: State,
  namespace: number,
  key: string,
  covered: readonly Dot[],
  run: BuriedRun,
): void {
  const tombstone = state.openTombstone(namespace, key);
  for (const { actor, seq } of covered) cover(tombstone.context, actor, seq);
  const known = tombstone.runs.findIndex(({ born }) => dotText(born.actor, born.seq) === dotText(run.born.actor, run.born.seq));
  if (known >= 0) tombstone.runs.splice(known, 1);
  tombstone.runs.push(run);
}

/** Records that a value's run ends although its row goes on, under another lease. */
export function tellSuperseded(state: State, entry: number): void {
  const namespace = state.namespaceOfEntry(entry);
  state.facts.entryEnded(namespace, entry, END_REASONS.indexOf('superseded'), undefined, false);
}

/** Ends a value whose lease has come to its deadline or has ended already. */
export function endRow(state: State, entry: number): void {
  const { leases } = state;
  const lease = state.entries.lease[entry]!;
  const cell = state.entries.cell[entry]!;
  if (leases.state[lease] === LIVE) expireLease(state, lease);
  // A long lease leaves its entries to the sweep; this one is wanted now.
  if (state.entries.lease[entry] === lease && state.entries.cell[entry] === cell && cell !== 0) {
    if (leases.state[lease] === DRAINING) endWithLease(state, entry);
  }
}

/**
 * The head of the key in the probe, after the endings that are due on it have been recorded;
 * 0 when nothing is left.
 */
export function settleKey(state: State, namespace: number): number {
  const { entries } = state;
  for (;;) {
    const head = entries.find(namespace, state.probe);
    let row = head;
    while (row !== 0 && (state.isCopy(row) || state.isEntryLive(row))) row = entries.link[row]!;
    if (row === 0) return head;
    endRow(state, row);
  }
}

/** Records the ending of a lease that is due; true when it is live after all. */
export function settleLease(state: State, lease: number): boolean {
  if (state.leases.state[lease] !== LIVE) return false;
  if (state.now < state.leases.deadline[lease]!) return true;
  expireLease(state, lease);
  return false;
}

/** Records endings of entries whose lease has ended; returns the work done, at most `budget`. */
export function drainEntries(state: State, budget: number): number {
  const { leases, draining } = state;
  let done = 0;
  while (done < budget && state.drainFrom < draining.length) {
    const lease = draining[state.drainFrom]!;
    while (done < budget && leases.state[lease] === DRAINING && leases.entryHead[lease] !== 0) {
      endWithLease(state, leases.entryHead[lease]!);
      done++;
    }
    if (leases.state[lease] === DRAINING && leases.entryHead[lease] !== 0) break;
    state.drainFrom++;
  }
  if (state.drainFrom === draining.length) {
    draining.length = 0;
    state.drainFrom = 0;
  }
  return done;
}
