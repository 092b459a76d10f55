/**
 * Writing a value: which earlier values the write covers, which lease it is under, what it costs,
 * and then one dot. PUT and increment both end here. The table "which lease an entry is under" of
 * the contract is `targetLease`; the version rules are those of dotted version vectors
 * (PROTOCOL §2.4): a write replaces exactly what its writer had seen.
 */
import type { Bearer } from './bearer.ts';
import { capacityRefusal, type Demand, makeRoom } from './capacity.ts';
import { type Context, contextOfDot, contextText, covers, dotText } from './dot.ts';
import { endEntry, tellSuperseded } from './endings.ts';
import {
  CONTEXT_DOTS_MAX, contextWithText, DEFAULT_CONTENT_TYPE, type NumberedDot,
} from './entry-table.ts';
import type { Dot } from './fact.ts';
import { liveLease, ttlRefusal } from './leases.ts';
import type { Namespace } from './namespaces.ts';
import { IMPLICIT_ID_BYTES } from './owed.ts';
import { type Refusal, refuse } from './refusal.ts';
import type { State } from './state.ts';

/** Which of a key's live values the write replaces; the others stay beside it. */
export interface Coverage {
  readonly covered: readonly number[];
  readonly beside: readonly number[];
}

export interface ValueWrite {
  readonly namespace: Namespace;
  readonly key: string;
  readonly value: Uint8Array;
  readonly contentType: string;
  readonly lease: string | undefined;
  readonly ttlMs: number | undefined;
  readonly bearer: Bearer | undefined;
  /** What the writer had seen, where it said so. */
  readonly context: Context | undefined;
  /** Live rows of the key, newest first; the probe holds the key and its endings are settled. */
  readonly rows: readonly number[];
  readonly coverage: Coverage;
  /** The writer named what it had seen, and it was not all that is here. */
  readonly stale: boolean;
}

export interface Written {
  readonly row: number;
  readonly created: boolean;
}

/**
 * The live values of the key in the probe, the newest first; settle the key before. Their order
 * comes from their versions, not from the rows, so that it is the same after a restart.
 */
export function rowsOf(state: State, namespace: Namespace, head: number): number[] {
  const rows: number[] = [];
  if (head === 0) return rows;
  if (namespace.contract.onExpire === 'revert') {
    rows.push(head);
    return rows;
  }
  for (let row = head; row !== 0; row = state.entries.link[row]!) {
    // A copy past its deadline is not ended here, and not shown either.
    if (!state.isCopy(row) || state.isEntryLive(row)) rows.push(row);
  }
  if (rows.length > 1) rows.sort((left, right) => firstBy(namespace, state, left, right));
  return rows;
}

/**
 * Of the live values, those a reader is shown: all where concurrent values are kept, else the one
 * that the policy prefers. The others stay until the ledger has decided (PROTOCOL §3.5 rule 2).
 */
export function shownOf(namespace: Namespace, rows: readonly number[]): readonly number[] {
  const { conflict } = namespace.contract;
  if (rows.length < 2 || conflict === 'siblings' || conflict === 'counter') return rows;
  return rows.slice(0, 1);
}

/** `ownerWins` prefers the younger lease, then as the others: the newer write. */
function firstBy(namespace: Namespace, state: State, left: number, right: number): number {
  if (namespace.contract.conflict === 'ownerWins') {
    const difference = rankOf(state, right) - rankOf(state, left);
    if (difference !== 0) return difference;
  }
  return newestFirst(state, left, right);
}

/** When the lease was granted, wall clock: what `ownerWins` decides by. */
export function rankOf(state: State, row: number): number {
  return Math.floor(state.leases.grantedAt[state.entries.lease[row]!]! + state.wallOffsetMs);
}

function newestFirst(state: State, left: number, right: number): number {
  const { entries, actors } = state;
  const difference = entries.hlc[right]! - entries.hlc[left]!;
  if (difference !== 0) return difference;
  const leftActor = actors.text(entries.dotActor[left]!);
  const rightActor = actors.text(entries.dotActor[right]!);
  if (leftActor !== rightActor) return leftActor < rightActor ? 1 : -1;
  return entries.dotSeq[right]! - entries.dotSeq[left]!;
}

export function etagOfRow(state: State, row: number): string {
  const { entries } = state;
  return dotText(state.actors.text(entries.dotActor[row]!), entries.dotSeq[row]!);
}

/** The version of the key: the dots of all the values it shows. */
export function etagOf(state: State, rows: readonly number[]): string {
  if (rows.length === 1) return etagOfRow(state, rows[0]!);
  return rows.map((row) => etagOfRow(state, row)).sort().join('+');
}

/** What a reader of these values has seen, as the opaque token it may send back. */
export function contextOf(state: State, rows: readonly number[]): string {
  const { entries, actors } = state;
  if (rows.length === 1) {
    const row = rows[0]!;
    const actor = actors.text(entries.dotActor[row]!);
    const seq = entries.dotSeq[row]!;
    const earlier = entries.context(row);
    if (earlier.length === 0) return contextOfDot(entries.hlc[row]!, actor, seq);
    const seen: Dot[] = contextWithText(earlier, actors);
    seen.push({ actor, seq });
    return contextText(entries.hlc[row]!, seen);
  }
  let hlc = 0;
  const highest = new Map<string, number>();
  const see = (actor: string, seq: number) => {
    if (seq > (highest.get(actor) ?? 0)) highest.set(actor, seq);
  };
  for (const row of rows) {
    hlc = Math.max(hlc, entries.hlc[row]!);
    for (const dot of contextWithText(entries.context(row), actors)) see(dot.actor, dot.seq);
    see(actors.text(entries.dotActor[row]!), entries.dotSeq[row]!);
  }
  return contextText(hlc, [...highest].map(([actor, seq]) => ({ actor, seq })));
}

export function isCovered(state: State, row: number, seen: readonly Dot[]): boolean {
  const { entries, actors } = state;
  return covers(seen, actors.text(entries.dotActor[row]!), entries.dotSeq[row]!);
}

/** What the new dot covers: everything its covered rows covered, and what the writer names. */
function mergedContext(
  state: State,
  covered: readonly number[],
  context: Context | undefined,
): readonly NumberedDot[] {
  const { entries, actors } = state;
  const self = actors.self;
  const single = covered.length === 1 ? covered[0]! : 0;
  if (context === undefined && (single === 0 ? covered.length === 0 : entries.dotActor[single] === self)) {
    return single === 0 ? [] : entries.context(single);
  }
  const highest = new Map<number, number>();
  const see = (actor: number, seq: number) => {
    // This run's own earlier writes are covered by the new dot itself.
    if (actor !== self && seq > (highest.get(actor) ?? 0)) highest.set(actor, seq);
  };
  for (const row of covered) {
    for (const dot of entries.context(row)) see(dot.actor, dot.seq);
    see(entries.dotActor[row]!, entries.dotSeq[row]!);
  }
  for (const dot of context?.seen ?? []) see(actors.number(dot.actor), dot.seq);
  return [...highest].slice(0, CONTEXT_DOTS_MAX).map(([actor, seq]) => ({ actor, seq }));
}

/** A row of an explicit lease, or the TTL of a fresh implicit one. */
interface Target {
  readonly lease: number;
  readonly freshTtlMs: number;
}

function targetLease(state: State, write: ValueWrite): Target | Refusal {
  const { namespace, coverage } = write;
  if (write.lease !== undefined && write.ttlMs !== undefined) {
    return refuse(
      'invalid-request',
      `Cannot write "${write.key}": give a lease or a TTL, not both`,
    );
  }
  if (write.lease !== undefined) {
    const lease = liveLease(state, write.lease, 'write under', write.bearer);
    if (typeof lease !== 'number') return lease;
    const owner = state.namespaceOfLease(lease);
    if (owner.number !== namespace.number || owner.contract.name !== namespace.contract.name) {
      return refuse(
        'namespace-mismatch',
        `Cannot write "${write.key}" in "${namespace.contract.name}" under lease ` +
          `"${write.lease}": it belongs to "${owner.contract.name}"`,
      );
    }
    return { lease, freshTtlMs: 0 };
  }
  if (write.ttlMs !== undefined) {
    const outside = ttlRefusal(namespace, write.ttlMs);
    return outside ?? { lease: 0, freshTtlMs: write.ttlMs };
  }
  // Where the values it replaces are, else where the newest is; never under another sidecar's lease.
  const own = (row: number) => !state.isCopy(row);
  const home = coverage.covered.find(own) ?? write.rows.find(own);
  if (home !== undefined) return { lease: state.entries.lease[home]!, freshTtlMs: 0 };
  return { lease: 0, freshTtlMs: namespace.contract.ttl.defaultMs };
}

/** Under `ownerWins` and `firstWins` a live entry is its lease holder's: nobody else moves it. */
function heldByAnother(state: State, write: ValueWrite, target: Target): Refusal | undefined {
  const { conflict } = write.namespace.contract;
  if (conflict !== 'ownerWins' && conflict !== 'firstWins') return undefined;
  const holder = target.lease === 0 ? '' : state.leases.holder(target.lease);
  for (const row of write.rows) {
    const lease = state.entries.lease[row]!;
    if (lease === target.lease) continue;
    const owner = state.leases.holder(lease);
    // A nameless holder elsewhere is somebody else.
    if (owner === holder && (holder !== '' || !state.isCopy(row))) continue;
    return refuse(
      'entry-held',
      `Cannot write "${write.key}": it is held under lease "${state.leases.id(lease)}"`,
      { remainingMs: state.remainingMs(lease) },
    );
  }
  return undefined;
}

export function writeValue(state: State, write: ValueWrite): Written | Refusal {
  const { entries, leases, actors } = state;
  const { namespace, coverage } = write;
  const target = targetLease(state, write);
  if ('refused' in target) return target;
  const held = heldByAnother(state, write, target);
  if (held !== undefined) return held;

  const reverts = namespace.contract.onExpire === 'revert';
  const survivor =
    target.lease === 0
      ? 0
      : (coverage.covered.find((row) => entries.lease[row] === target.lease) ?? 0);
  const copies = coverage.covered.filter((row) => state.isCopy(row));
  const superseded = reverts
    ? []
    : coverage.covered.filter((row) => row !== survivor && !copies.includes(row));

  const contentType = write.contentType === DEFAULT_CONTENT_TYPE ? '' : write.contentType;
  const bytes = state.probe.length + contentType.length + write.value.length;
  const names = bytes - write.value.length;
  const demand = demandOf(state, superseded, survivor, target, bytes, names);
  const full = makeRoom(state, namespace, demand, write.rows);
  if (full !== undefined) return full;
  // Leases that an atomic batch has ended, or that still drain, keep their rows for the time being.
  if (target.lease === 0 && !state.hasLeaseRow()) {
    return capacityRefusal(namespace, 'leases');
  }

  const context = mergedContext(state, coverage.covered, write.context);
  const cell = state.writeCell(write.contentType, context, write.value);
  if (cell === 0) return capacityRefusal(namespace, 'memory');
  state.namespaces.adopt(namespace);

  if (write.context !== undefined) state.clock.witness(write.context.hlc);
  const created = write.rows.length === 0;
  const previousEtag = created ? undefined : etagOf(state, shownOf(namespace, write.rows));
  const sequence = state.nextSequence();
  const hlc = state.mintHlc();

  let row = survivor;
  let previousLease: string | undefined;
  const replaced = coverage.covered[0];
  if (survivor === 0 && replaced !== undefined) {
    previousLease = leases.id(entries.lease[replaced]!);
  }
  // Their owners hear from the ledger that they have been written over, and tell it.
  for (const copy of copies) state.dropCopy(copy);
  if (survivor !== 0) {
    for (const other of superseded) supersede(state, other);
    state.overwriteEntry(survivor, cell, actors.self, sequence, hlc);
  } else {
    // The first row that gives way is written anew: the key keeps its place in the indexes.
    const reused = superseded[0] ?? 0;
    for (const other of superseded) if (other !== reused) supersede(state, other);
    if (reused !== 0) tellSuperseded(state, reused);
    let lease = target.lease;
    if (lease === 0) {
      lease = state.allocateLease({
        namespace,
        originActor: actors.self,
        originSeq: sequence,
        ttlMs: target.freshTtlMs,
        deadline: state.now + target.freshTtlMs,
        grantedAt: state.now,
        trace: state.facts.acting,
      });
      if (lease === 0) throw new Error('Lease rows used up although capacity was checked');
    }
    const fields = {
      namespace, lease, cell, hlc,
      dotActor: actors.self, dotSeq: sequence, bornActor: actors.self, bornSeq: sequence,
    };
    if (reused === 0) {
      row = state.addEntry(fields, entries.find(namespace.number, state.probe), reverts);
    } else {
      const oldLease = entries.lease[reused]!;
      state.replaceEntry(reused, fields);
      endAbandoned(state, oldLease);
      row = reused;
    }
    if (row === 0) throw new Error('Entry rows used up although capacity was checked');
  }
  if (namespace.contract.capacity.eviction === 'leastRecentlyUsed') touch(state, row);
  if (namespace.reconciles) state.noteChanged(row);
  state.facts.entryWritten(namespace, row, { created, previousEtag, previousLease });
  noteConflict(state, write, row);
  if (reverts) dropDeepest(state, namespace);
  return { row, created };
}

function demandOf(
  state: State,
  superseded: readonly number[],
  survivor: number,
  target: Target,
  bytes: number,
  names: number,
): Demand {
  const { entries, leases } = state;
  const cell = survivor === 0 ? 0 : entries.cell[survivor]!;
  let freedBytes = survivor === 0 ? 0 : entries.chargedBytes(cell);
  let freedLeases = 0;
  for (const row of superseded) {
    freedBytes += entries.chargedBytes(entries.cell[row]!);
    const lease = entries.lease[row]!;
    if (leases.isImplicit(lease) && leases.entryCount[lease] === 1) freedLeases++;
  }
  return {
    leases: (target.lease === 0 ? 1 : 0) - freedLeases,
    entries: (survivor === 0 ? 1 : 0) - superseded.length,
    bytes: bytes - freedBytes,
    // A run that gives way to this one is told, and its row goes on.
    endings: survivor === 0 ? superseded.length : 0,
    growth: survivor === 0 ? 0 : names - entries.nameBytes(cell),
    names: names + (target.lease === 0 ? IMPLICIT_ID_BYTES : leases.nameBytes(target.lease)),
  };
}

/** A later write under another lease took this one's place: its run ends. */
function supersede(state: State, row: number): void {
  const lease = state.entries.lease[row]!;
  endEntry(state, row, 'superseded');
  endAbandoned(state, lease);
}

/** An implicit lease ends with its entry. */
function endAbandoned(state: State, lease: number): void {
  if (state.leases.isImplicit(lease) && state.leases.entryCount[lease] === 0) {
    state.endLease(lease, 'superseded', state.now);
  }
}

/** Concurrent values met: the policy keeps them side by side, or hides one; either is told. */
function noteConflict(state: State, write: ValueWrite, row: number): void {
  const { namespace, coverage } = write;
  const policy = namespace.contract.conflict;
  if (policy === 'siblings' && coverage.beside.length > 0) {
    state.facts.entryConflict(namespace, row, coverage.beside.length + 1);
  } else if (write.stale && policy !== 'counter') {
    state.facts.entryConflict(namespace, row, 2);
  }
}

/** Values under one another are bounded; the deepest gives way. */
function dropDeepest(state: State, namespace: Namespace): void {
  const head = state.entries.find(namespace.number, state.probe);
  let depth = 1;
  let row = head;
  while (state.entries.link[row] !== 0) {
    row = state.entries.link[row]!;
    depth++;
  }
  if (depth > state.limits.siblings) supersede(state, row);
}

export function touch(state: State, row: number): void {
  state.entries.usedAt[row] = Math.floor(state.now / 100) >>> 0;
}
