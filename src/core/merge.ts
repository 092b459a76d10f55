/**
 * Joining what the ledger holds of a key into what is held here (dotted version vectors, PROTOCOL
 * §2.4): a value stays unless the other side covers its write without holding it. Own values that
 * are gone there end here; others' values come in as copies, which end nowhere but at their owner.
 */
import type { EndReason } from './command.ts';
import { type NumberedDot, CONTEXT_DOTS_MAX } from './entry-table.ts';
import { bury, endedRun, endEntry, endLease, settleKey } from './endings.ts';
import type { Dot } from './fact.ts';
import { END_REASONS } from './fact-format.ts';
import { LIVE } from './lease-table.ts';
import { CONFIRMED, PERHAPS_SEEN } from './ledger-columns.ts';
import type { HeldValue } from './ledger-view.ts';
import type { Namespace } from './namespaces.ts';
import type { State } from './state.ts';
import type { BuriedRun } from './tombstones.ts';
import { rowsOf } from './write.ts';

/** A key as the ledger has it; instants of the timeline. */
export interface LedgerKey {
  readonly values: readonly HeldValue[];
  readonly context: readonly Dot[];
  readonly ends: readonly {
    readonly born: Dot;
    readonly reason: EndReason;
    /** It lost against a concurrent value by the namespace's policy. */
    readonly conflict: boolean;
    readonly told: boolean;
  }[];
}

export type Keep = 'all' | 'beside-own' | 'once';

export interface Merged {
  ended: number;
  missing: number;
  copied: number;
}

/** Endings by a third party that say that the whole lease is over there. */
const ENDS_ITS_LEASE: readonly EndReason[] = ['expired', 'revoked', 'released'];

export function merge(
  state: State,
  namespace: Namespace,
  key: string,
  ledger: LedgerKey,
  keep: Keep,
): Merged {
  const merged: Merged = { ended: 0, missing: 0, copied: 0 };
  state.probe.set(namespace.number, key);
  const head = settleKey(state, namespace.number);
  const own: number[] = [];
  const copies: number[] = [];
  for (let row = head; row !== 0; row = state.entries.link[row]!) {
    (state.isCopy(row) ? copies : own).push(row);
  }
  const known = knowledge(state, namespace, key, own);
  for (const value of ledger.values) state.clock.witness(value.hlc);

  const gone: number[] = [];
  for (const row of own) {
    const dot = dotOf(state, row);
    if (ledger.values.some((value) => sameDot(value.dot, dot))) {
      if (leaseIsOver(state, row, ledger)) gone.push(row);
      continue;
    }
    if (covers(ledger.context, dot)) gone.push(row);
    else if (state.ledger!.changed[row] === 0) {
      if (state.ledger!.confirmed[row] === CONFIRMED) state.ledger!.confirmed[row] = PERHAPS_SEEN;
      state.noteChanged(row);
      merged.missing++;
    }
  }
  const kept = own.length - gone.length;
  const wanted = ledger.values.filter(
    (value) =>
      !own.some((row) => sameDot(dotOf(state, row), value.dot)) &&
      !coveredBy(known, value.dot) &&
      !disown(state, namespace, key, value),
  );
  const taken = keep === 'beside-own' && kept === 0 ? [] : wanted;
  merged.copied += settleCopies(state, namespace, key, copies, taken, ledger);
  endGone(state, namespace, gone, ledger, merged);
  if (merged.copied > 0 && taken.length > 0) tellConflict(state, namespace, key, own);
  return merged;
}

/** A write of the same run was ended there with its lease (§3.5 S12): so is this one, here. */
function leaseIsOver(state: State, row: number, ledger: LedgerKey): boolean {
  const { entries, actors } = state;
  const born = { actor: actors.text(entries.bornActor[row]!), seq: entries.bornSeq[row]! };
  return ledger.ends.some(
    (ending) => sameDot(ending.born, born) && ENDS_ITS_LEASE.includes(ending.reason),
  );
}

function dotOf(state: State, row: number): Dot {
  const { entries, actors } = state;
  return { actor: actors.text(entries.dotActor[row]!), seq: entries.dotSeq[row]! };
}

function sameDot(left: Dot, right: Dot): boolean {
  return left.seq === right.seq && left.actor === right.actor;
}

function covers(context: readonly Dot[], dot: Dot): boolean {
  return context.some(({ actor, seq }) => actor === dot.actor && seq >= dot.seq);
}

function coveredBy(known: ReadonlyMap<string, number>, dot: Dot): boolean {
  return (known.get(dot.actor) ?? 0) >= dot.seq;
}

/** The writes that own values and the tombstone cover. Copies vouch for nothing. */
function knowledge(
  state: State,
  namespace: Namespace,
  key: string,
  own: readonly number[],
): ReadonlyMap<string, number> {
  const { entries, actors } = state;
  const known = new Map(state.tombstones.find(namespace.number, key)?.context);
  const see = (actor: string, seq: number) => {
    if (seq > (known.get(actor) ?? 0)) known.set(actor, seq);
  };
  for (const row of own) {
    for (const dot of entries.context(row)) see(actors.text(dot.actor), dot.seq);
    see(actors.text(entries.dotActor[row]!), entries.dotSeq[row]!);
  }
  return known;
}

/**
 * The ledger holds a value of our own that is not held here any more (its tombstone was forgotten,
 * and then the ledger lost the end of it): it is told again (§3.5 rule 5). One at its final deadline
 * only waits for the sweep. true: not a copy.
 */
function disown(state: State, namespace: Namespace, key: string, value: HeldValue): boolean {
  const { actors, predecessors, leases } = state;
  const isOwn = value.dot.actor === actors.text(actors.self);
  // A run before this one may have written what its journal has lost: then nobody has told its end.
  if (!isOwn && !(predecessors.has(value.dot.actor) && leases.hasEnded(value.lease))) return false;
  // What is left of an explicit lease that has ended here may be such a write: no copy, and not to be
  // ended before its end is told, by who looks through what it inherits or sweeps.
  if (!isOwn && !leases.remembersImplicit(value.lease)) return true;
  if (!value.session && value.deadline <= state.now) return true;
  bury(state, namespace.number, key, [value.dot], { ...runOf(value), told: true });
  return true;
}

/**
 * Whether a write is held here, or was ended: what becomes of it is told here. The context of a row
 * proves nothing: it is its client's, who may have seen what the journal has lost.
 */
export function isKnown(state: State, namespace: Namespace, key: string, dot: Dot): boolean {
  const ended = state.tombstones.find(namespace.number, key)?.context.get(dot.actor) ?? 0;
  if (ended >= dot.seq) return true;
  state.sideProbe.set(namespace.number, key);
  for (let row = state.entries.find(namespace.number, state.sideProbe); row !== 0; row = state.entries.link[row]!) {
    if (!state.isCopy(row) && sameDot(dotOf(state, row), dot)) return true;
  }
  return false;
}

function runOf(value: HeldValue): BuriedRun {
  const { dot, born, deadline, lease, holder, contentType, trace } = value;
  return {
    dot, born, deadline, lease, holder, contentType, trace,
    reason: 'superseded',
    size: value.value.length,
    told: false,
  };
}

/** Copies become exactly `taken`; how many changed. */
function settleCopies(
  state: State,
  namespace: Namespace,
  key: string,
  copies: readonly number[],
  taken: readonly HeldValue[],
  ledger: LedgerKey,
): number {
  const { entries, leases } = state;
  let changed = 0;
  const present: Dot[] = [];
  for (const row of copies) {
    const dot = dotOf(state, row);
    const value = taken.find((candidate) => sameDot(candidate.dot, dot));
    if (value === undefined) {
      state.dropCopy(row);
      changed++;
      continue;
    }
    present.push(dot);
    const lease = entries.lease[row]!;
    if (value.deadline > leases.deadline[lease]!) leases.deadline[lease] = value.deadline;
  }
  for (const value of taken) {
    if (present.some((dot) => sameDot(dot, value.dot))) continue;
    if (addCopy(state, namespace, key, value, contextBeside(value, ledger))) changed++;
  }
  return changed;
}

/**
 * What a copy says of the past: writes of those actors that have no other live value here. Such a
 * context stays true whichever of the key's copies are forgotten (§3.5 rule 8).
 */
function contextBeside(value: HeldValue, ledger: LedgerKey): Dot[] {
  return ledger.context.filter(
    ({ actor }) =>
      actor !== value.dot.actor && !ledger.values.some(({ dot }) => dot.actor === actor),
  );
}

function addCopy(
  state: State,
  namespace: Namespace,
  key: string,
  value: HeldValue,
  context: readonly Dot[],
): boolean {
  const { actors, limits } = state;
  const bytes = key.length + value.contentType.length + value.value.length;
  if (state.copies >= limits.copies || state.copyBytes + bytes > limits.copyBytes) return false;
  state.probe.set(namespace.number, key);
  const owner = actors.number(value.dot.actor);
  const lease = state.allocateCopyLease(namespace, {
    id: value.lease,
    holder: value.holder,
    ttlMs: value.ttlMs,
    deadline: value.deadline,
    grantedAt: value.rank - state.wallOffsetMs,
    session: value.session,
    owner,
    trace: value.trace,
  });
  if (lease === 0) return false;
  const seen: NumberedDot[] = context
    .slice(0, CONTEXT_DOTS_MAX)
    .map((dot) => ({ actor: actors.number(dot.actor), seq: dot.seq }));
  const cell = state.writeCell(value.contentType, seen, value.value);
  const head = state.entries.find(namespace.number, state.probe);
  const row = cell === 0 ? 0 : state.addEntry(
    {
      namespace, lease, cell,
      dotActor: owner,
      dotSeq: value.dot.seq,
      bornActor: actors.number(value.born.actor),
      bornSeq: value.born.seq,
      hlc: value.hlc,
    },
    head,
    false,
  );
  if (row !== 0) return true;
  if (cell !== 0) state.freeCell(cell, namespace);
  state.freeCopyLease(lease);
  return false;
}

/** Own values that the ledger has without a live write: they are over. */
function endGone(
  state: State,
  namespace: Namespace,
  gone: readonly number[],
  ledger: LedgerKey,
  merged: Merged,
): void {
  const { entries, leases, actors } = state;
  for (const row of gone) {
    // The end of a lease may have taken it along already.
    if (entries.cell[row] === 0) continue;
    const born = { actor: actors.text(entries.bornActor[row]!), seq: entries.bornSeq[row]! };
    const lease = entries.lease[row]!;
    const dot = dotOf(state, row);
    const goesOn = ledger.values.find((value) => sameDot(value.born, born) && !sameDot(value.dot, dot));
    if (goesOn !== undefined) {
      goesOnElsewhere(state, namespace, row, lease, goesOn.dot.actor);
      merged.ended++;
      continue;
    }
    const ending = ledger.ends.find((candidate) => sameDot(candidate.born, born));
    const reason = ending?.reason ?? 'superseded';
    if (ending?.conflict === true) state.facts.entryConflict(namespace, row, 2);
    merged.ended++;
    const whole = ending !== undefined && ENDS_ITS_LEASE.includes(reason);
    if (ending !== undefined) answer(state, namespace, row, reason);
    if (whole && leases.state[lease] === LIVE) {
      endLease(state, lease, reason, 'ledger');
      continue;
    }
    endEntry(state, row, reason);
    endIfImplicit(state, lease, reason);
  }
}

/**
 * Another sidecar has adopted the run: nothing has ended, but here it is over. Or an earlier run of
 * this one wrote it, and its journal has lost that: then the lease is here all the same.
 */
function goesOnElsewhere(
  state: State, namespace: Namespace, row: number, lease: number, writer: string,
): void {
  const { leases } = state;
  state.facts.entryBuried(namespace, row, END_REASONS.indexOf('superseded'));
  state.removeEntry(row);
  if (leases.state[lease] !== LIVE || leases.entryCount[lease] !== 0) return;
  if (state.predecessors.has(writer) && !leases.isImplicit(lease)) return;
  endLease(state, lease, 'superseded', 'adopted');
}

/** Own writes that the ledger has refused for good (`firstWins`): another value was there first. */
export function withdraw(
  state: State,
  namespace: Namespace,
  key: string,
  refused: readonly Dot[],
): number {
  const { entries } = state;
  state.probe.set(namespace.number, key);
  const rows: number[] = [];
  let row = settleKey(state, namespace.number);
  for (; row !== 0; row = entries.link[row]!) {
    if (!state.isCopy(row) && refused.some((dot) => sameDot(dot, dotOf(state, row)))) rows.push(row);
  }
  for (const refusedRow of rows) {
    const lease = entries.lease[refusedRow]!;
    state.facts.entryConflict(namespace, refusedRow, 2);
    endEntry(state, refusedRow, 'superseded');
    endIfImplicit(state, lease, 'superseded');
  }
  return rows.length;
}

function endIfImplicit(state: State, lease: number, reason: EndReason): void {
  const { leases } = state;
  const over = leases.isImplicit(lease) && leases.entryCount[lease] === 0;
  if (over && leases.state[lease] === LIVE) state.endLease(lease, reason, state.now);
}

/** The ledger waits to hear that the owner has told the ending. */
function answer(state: State, namespace: Namespace, row: number, reason: EndReason): void {
  const key = state.entries.keyText(row);
  const run = endedRun(state, row, reason);
  bury(state, namespace.number, key, [run.dot], { ...run, told: true });
}

/** Values of others stand beside an own one now, where the namespace keeps them. */
function tellConflict(
  state: State,
  namespace: Namespace,
  key: string,
  own: readonly number[],
): void {
  if (namespace.contract.conflict !== 'siblings') return;
  const row = own.find((candidate) => state.entries.cell[candidate] !== 0);
  if (row === undefined) return;
  state.probe.set(namespace.number, key);
  const rows = rowsOf(state, namespace, state.entries.find(namespace.number, state.probe));
  if (rows.length > 1) state.facts.entryConflict(namespace, row, rows.length);
}
