/**
 * Facts become bytes here. From columns to bytes without an object in between, because a burst of
 * endings has about a microsecond for each. `fact-format.ts` says what the bytes are.
 */
import { actorBytes, type Actors } from './actors.ts';
import { CborWriter } from './cbor.ts';
import {
  CELL_HEADER_BYTES, DEFAULT_CONTENT_TYPE, type EntryTable, keyLengthAt, type NumberedDot, valueLengthAt,
} from './entry-table.ts';
import {
  RECORD_HEADER_BYTES, END_REASONS, LEASE_GRANTED, LEASE_RENEWED, LEASE_TRANSFERRED, LEASE_ENDED,
  ENTRY_WRITTEN, ENTRY_REVERTED, ENTRY_ENDED, ENTRY_CONFLICT, LEASE_RESTATED, ENTRY_RESTATED,
  ENTRY_BURIED, CONTACT_RESTATED, TOMBSTONE_RESTATED, RECONCILE_REPAIRED, PRESSURE_CHANGED,
  SOURCE_CLOSED, TRACED, TRACE_FIELDS,
} from './fact-format.ts';
import type { Counterpart, Dot, LastSequences, PressureReading, Repairs } from './fact.ts';
import type { LeaseTable } from './lease-table.ts';
import type { Namespace } from './namespaces.ts';
import type { Owed } from './owed.ts';
import { bitOf, ENDINGS_STREAM, EVENTS_STREAM, NO_STREAM } from './told.ts';
import type { BuriedRun, Tombstone } from './tombstones.ts';

const NO_TRACE = new Uint8Array(0);
const EXPIRED = END_REASONS.indexOf('expired');

const TOLD_GRANTED = bitOf('lease.granted');
const TOLD_RENEWED = bitOf('lease.renewed');
const TOLD_TRANSFERRED = bitOf('lease.transferred');
const TOLD_ADOPTED = bitOf('lease.adopted');
const TOLD_CREATED = bitOf('entry.created');
const TOLD_UPDATED = bitOf('entry.updated');
const TOLD_REVERTED = bitOf('entry.reverted');
const TOLD_CONFLICT = bitOf('entry.conflict');
const TOLD_REPAIRED = bitOf('reconcile.repaired');

/** What a write adds to its row when it becomes a fact. */
export interface WriteDetails {
  readonly created: boolean;
  readonly previousEtag: string | undefined;
  readonly previousLease: string | undefined;
}

export class FactWriter extends CborWriter {
  readonly #actors: Actors;
  readonly #leases: LeaseTable;
  readonly #entries: EntryTable;
  readonly #owed: Owed | undefined;
  /** Where each record (header, then fact) begins; `starts[count]` is the end of the last. */
  readonly starts: number[] = [0];
  /** Whether each is of a namespace whose facts are journalled. */
  readonly journalled: boolean[] = [];
  /** Where the value's byte string begins in each, 0 for none or when the feed keeps it. */
  readonly valueAt: number[] = [];
  /** By which stream of the bus each is told; see told.ts. */
  readonly streams: number[] = [];
  /** Of endings: whose namespace has the room back when they are acknowledged, and of which kind. */
  readonly namespaces: Namespace[] = [];
  readonly ofLease: boolean[] = [];
  /** Of endings, for who counts them: a place in `END_REASONS`, and milliseconds; NaN where none. */
  readonly reasons: number[] = [];
  readonly lateness: number[] = [];
  readonly lifetimes: number[] = [];
  count = 0;
  /** Some value among them stays out of the feed. */
  leavesValuesOut = false;
  /** The clock of the step under way. */
  at = 0;
  wallMs = 0;
  /** The trace of the request whose step this is; undefined: it brought none, or there is no request. */
  acting: Uint8Array | undefined;

  constructor(actors: Actors, leases: LeaseTable, entries: EntryTable, owed?: Owed) {
    super();
    this.#actors = actors;
    this.#leases = leases;
    this.#entries = entries;
    this.#owed = owed;
  }

  /** Forgets everything, after the facts have been handed on. */
  reset(): void {
    this.#shorten(0);
  }

  /** Takes back all facts after the first `count`. */
  truncate(count: number): void {
    for (let index = count; index < this.count; index++) {
      if (this.streams[index] !== ENDINGS_STREAM) continue;
      this.#owed!.settle(this.namespaces[index]!, this.ofLease[index]!, this.bytesOf(index));
    }
    this.#shorten(count);
  }

  /** What a fact weighs, without its record's header. */
  bytesOf(index: number): number {
    return this.starts[index + 1]! - this.starts[index]! - RECORD_HEADER_BYTES;
  }

  #shorten(count: number): void {
    if (count === 0) this.leavesValuesOut = false;
    this.count = count;
    this.end = this.starts[count]!;
    this.journalled.length = count;
    this.valueAt.length = count;
    this.streams.length = count;
    this.namespaces.length = count;
    this.ofLease.length = count;
    this.reasons.length = count;
    this.lateness.length = count;
    this.lifetimes.length = count;
  }

  #begin(kind: number, fields: number, namespace: Namespace, lease: number): void {
    const leases = this.#leases;
    const granting = leases.trace(lease);
    const traced = granting !== undefined || this.acting !== undefined;
    this.ensure(RECORD_HEADER_BYTES);
    this.end += RECORD_HEADER_BYTES;
    this.array(traced ? fields + TRACE_FIELDS : fields);
    this.unsigned(traced ? kind + TRACED : kind);
    this.double(this.at);
    this.double(this.wallMs);
    this.raw(namespace.encodedName, 0, namespace.encodedName.length);
    if (leases.isImplicit(lease)) {
      const prefix = this.#actors.implicitIdPrefix(leases.originActor[lease]!);
      this.prefixedNumber(prefix, leases.originSeq[lease]!);
      this.text('');
    } else {
      this.text(leases.id(lease));
      this.text(leases.holder(lease));
    }
    if (traced) {
      this.#trace(granting);
      this.#trace(this.acting);
    }
  }

  #trace(trace: Uint8Array | undefined): void {
    this.byteString(trace ?? NO_TRACE, 0, trace?.length ?? 0);
  }

  /** A fact of no lease, or of one that is not held here. */
  #beginAside(
    kind: number,
    fields: number,
    namespace: Namespace,
    lease = '',
    holder = '',
    granting?: Uint8Array,
  ): void {
    this.ensure(RECORD_HEADER_BYTES);
    this.end += RECORD_HEADER_BYTES;
    this.array(granting === undefined ? fields : fields + TRACE_FIELDS);
    this.unsigned(granting === undefined ? kind : kind + TRACED);
    this.double(this.at);
    this.double(this.wallMs);
    this.raw(namespace.encodedName, 0, namespace.encodedName.length);
    this.text(lease);
    this.text(holder);
    if (granting === undefined) return;
    this.#trace(granting);
    this.#trace(undefined);
  }

  #textDot(dot: Dot): void {
    const actor = actorBytes(dot.actor);
    this.byteString(actor, 0, actor.length);
    this.unsigned(dot.seq);
  }

  #run(run: BuriedRun): void {
    this.#textDot(run.dot);
    this.#textDot(run.born);
    this.text(run.contentType === DEFAULT_CONTENT_TYPE ? '' : run.contentType);
    this.unsigned(run.size);
    this.double(run.deadline);
  }

  /** `told`: its bit, for an event that the namespace chooses to tell or not. */
  #finish(namespace: Namespace, told = 0, valueAt = 0): void {
    const stream = (namespace.told & told) === 0 ? NO_STREAM : EVENTS_STREAM;
    this.#close(namespace, stream, valueAt);
  }

  #finishEnding(namespace: Namespace, ofLease: boolean, reason: number): void {
    this.namespaces[this.count] = namespace;
    this.ofLease[this.count] = ofLease;
    this.reasons[this.count] = reason;
    this.#close(namespace, this.#owed === undefined ? NO_STREAM : ENDINGS_STREAM, 0);
    this.#owed?.add(namespace, ofLease, this.bytesOf(this.count - 1));
  }

  /** How late the ending written last is, and what has come to its end with it. */
  #measureEnding(lease: number, cause: string | undefined, endsLease: boolean): void {
    const leases = this.#leases;
    const last = this.count - 1;
    // What fell due while the process was down could not be in time.
    const isTimed = this.reasons[last] === EXPIRED && cause !== 'downtime';
    this.lateness[last] = isTimed ? this.at - leases.deadline[lease]! : Number.NaN;
    this.lifetimes[last] = endsLease ? this.at - leases.grantedAt[lease]! : Number.NaN;
  }

  /** Nobody chooses: it concerns the replica as a whole. */
  #finishOfReplica(namespace: Namespace): void {
    this.#close(namespace, this.#owed === undefined ? NO_STREAM : EVENTS_STREAM, 0);
  }

  #close(namespace: Namespace, stream: number, valueAt: number): void {
    this.journalled[this.count] = namespace.contract.durability !== 'memory';
    this.valueAt[this.count] = valueAt;
    this.streams[this.count] = stream;
    if (valueAt !== 0) this.leavesValuesOut = true;
    this.starts[++this.count] = this.end;
  }

  #dot(actor: number, seq: number): void {
    const encoded = this.#actors.encoded(actor);
    this.raw(encoded, 0, encoded.length);
    this.unsigned(seq);
  }

  #context(context: readonly NumberedDot[]): void {
    this.array(context.length * 2);
    for (const dot of context) this.#dot(dot.actor, dot.seq);
  }

  #reason(lease: number): void {
    this.unsigned(this.#leases.endReason[lease]!);
  }

  leaseGranted(namespace: Namespace, lease: number, adopted = false): void {
    const leases = this.#leases;
    this.#begin(LEASE_GRANTED, 13, namespace, lease);
    this.#dot(leases.originActor[lease]!, leases.originSeq[lease]!);
    this.unsigned(leases.ttlMs[lease]!);
    this.double(leases.deadline[lease]!);
    this.double(leases.lifetimeEnd(lease, namespace.contract.ttl.maxLifetimeMs));
    this.text(JSON.stringify(leases.labels(lease)));
    this.boolean(adopted);
    this.#finish(namespace, adopted ? TOLD_ADOPTED : TOLD_GRANTED);
  }

  /** Whether the bus is told of renewals of this lease. */
  tellsRenewal(namespace: Namespace, lease: number): boolean {
    return (namespace.told & TOLD_RENEWED) !== 0 && !this.#leases.isImplicit(lease);
  }

  /** `told`: the bus has room for it; otherwise a later one is told. */
  leaseRenewed(namespace: Namespace, lease: number, told = true): void {
    const leases = this.#leases;
    this.#begin(LEASE_RENEWED, 11, namespace, lease);
    this.unsigned(leases.ttlMs[lease]!);
    this.double(leases.deadline[lease]!);
    this.double(leases.touchedAt[lease]!);
    this.unsigned(leases.renewals[lease]!);
    this.boolean(leases.isImplicit(lease));
    this.#finish(namespace, told && !leases.isImplicit(lease) ? TOLD_RENEWED : 0);
  }

  leaseTransferred(namespace: Namespace, lease: number, previousHolder: string): void {
    this.#begin(LEASE_TRANSFERRED, 7, namespace, lease);
    this.text(previousHolder);
    this.#finish(namespace, TOLD_TRANSFERRED);
  }

  /** The row must carry its reason already. */
  leaseEnded(namespace: Namespace, lease: number, cause: string | undefined): void {
    const leases = this.#leases;
    this.#begin(LEASE_ENDED, 12, namespace, lease);
    this.#reason(lease);
    this.optionalText(cause);
    this.#dot(leases.originActor[lease]!, leases.originSeq[lease]!);
    this.double(leases.deadline[lease]!);
    this.unsigned(leases.entryCount[lease]!);
    this.#finishEnding(namespace, true, leases.endReason[lease]!);
    this.#measureEnding(lease, cause, true);
  }

  #beginEntry(kind: number, fields: number, namespace: Namespace, entry: number): void {
    const entries = this.#entries;
    const lease = entries.lease[entry]!;
    this.#begin(kind, fields + 9, namespace, lease);
    const ref = entries.cell[entry]!;
    const chunk = entries.slab.chunkOf(ref);
    const offset = entries.slab.offsetOf(ref);
    const keyStart = offset + CELL_HEADER_BYTES;
    const keyEnd = keyStart + keyLengthAt(chunk, offset);
    this.textBytes(chunk, keyStart, keyEnd);
    this.#dot(entries.dotActor[entry]!, entries.dotSeq[entry]!);
    this.#dot(entries.bornActor[entry]!, entries.bornSeq[entry]!);
    this.textBytes(chunk, keyEnd, keyEnd + chunk[offset + 2]!);
    this.unsigned(valueLengthAt(chunk, offset));
    this.double(this.#leases.deadline[lease]!);
    this.boolean(this.#leases.isImplicit(lease));
  }

  /** The row must be as written. */
  entryWritten(namespace: Namespace, entry: number, details: WriteDetails): void {
    const entries = this.#entries;
    const lease = entries.lease[entry]!;
    this.#beginEntry(ENTRY_WRITTEN, 14, namespace, entry);
    this.boolean(details.created);
    this.double(entries.hlc[entry]!);
    this.#context(entries.context(entry));
    this.unsigned(this.#leases.ttlMs[lease]!);
    this.double(this.#leases.grantedAt[lease]!);
    this.optionalText(details.previousEtag);
    this.optionalText(details.previousLease);
    const valueAt = this.end;
    this.#value(entry);
    this.#finish(
      namespace,
      details.created ? TOLD_CREATED : TOLD_UPDATED,
      namespace.contract.events.values === 'none' ? valueAt : 0,
    );
  }

  entryReverted(namespace: Namespace, entry: number, details: WriteDetails): void {
    this.#beginEntry(ENTRY_REVERTED, 9, namespace, entry);
    this.double(this.#entries.hlc[entry]!);
    this.optionalText(details.previousEtag);
    this.optionalText(details.previousLease);
    this.#finish(namespace, TOLD_REVERTED);
  }

  /** `buried`: the ledger must be told. */
  entryEnded(
    namespace: Namespace,
    entry: number,
    reason: number,
    cause: string | undefined,
    buried: boolean,
  ): void {
    this.#beginEntry(ENTRY_ENDED, 10, namespace, entry);
    this.unsigned(reason);
    this.optionalText(cause);
    this.boolean(false);
    this.boolean(buried);
    this.#finishEnding(namespace, false, reason);
    const lease = this.#entries.lease[entry]!;
    this.#measureEnding(lease, cause, this.#leases.isImplicit(lease));
  }

  /** The ending of a run held elsewhere, by an owner that cannot tell it any more. */
  orphanEnded(namespace: Namespace, key: string, run: BuriedRun): void {
    this.#beginAside(ENTRY_ENDED, 19, namespace, run.lease, run.holder, run.trace);
    this.text(key);
    this.#run(run);
    this.boolean(false);
    this.unsigned(END_REASONS.indexOf(run.reason));
    this.optionalText(undefined);
    this.boolean(true);
    this.boolean(false);
    this.#finishEnding(namespace, false, END_REASONS.indexOf(run.reason));
  }

  /** The row is a copy. */
  entryBuried(namespace: Namespace, entry: number, reason: number): void {
    this.#beginEntry(ENTRY_BURIED, 8, namespace, entry);
    this.unsigned(reason);
    this.#context(this.#entries.context(entry));
    this.#finish(namespace);
  }

  reconcileRepaired(
    namespace: Namespace,
    partition: number,
    repairs: Repairs,
    against: Counterpart = 'ledger',
  ): void {
    this.#beginAside(RECONCILE_REPAIRED, 11, namespace);
    this.unsigned(partition);
    this.unsigned(repairs.pushed);
    this.unsigned(repairs.pulled);
    this.unsigned(repairs.ended);
    this.text(against);
    this.#finish(namespace, TOLD_REPAIRED);
  }

  /** `nobody`: the namespace without a name. */
  pressureChanged(nobody: Namespace, pressure: PressureReading): void {
    this.#beginAside(PRESSURE_CHANGED, 10, nobody);
    this.text(pressure.level);
    this.text(pressure.previous);
    this.text(pressure.source);
    this.double(pressure.fill);
    this.#finishOfReplica(nobody);
  }

  sourceClosed(nobody: Namespace, actor: string, last: LastSequences): void {
    this.#beginAside(SOURCE_CLOSED, 9, nobody);
    this.text(actor);
    this.unsigned(last.endings);
    this.unsigned(last.events);
    this.#finishOfReplica(nobody);
  }

  contactRestated(namespace: Namespace): void {
    this.#beginAside(CONTACT_RESTATED, 7, namespace);
    this.double(namespace.contactAt);
    this.#finish(namespace);
  }

  tombstoneRestated(namespace: Namespace, tombstone: Tombstone): void {
    this.#beginAside(TOMBSTONE_RESTATED, 10, namespace);
    this.text(tombstone.key);
    this.array(tombstone.context.size * 2);
    for (const [actor, seq] of tombstone.context) this.#textDot({ actor, seq });
    this.array(tombstone.runs.length);
    for (const run of tombstone.runs) {
      this.array(11);
      this.text(run.lease);
      this.text(run.holder);
      this.#run(run);
      this.unsigned(END_REASONS.indexOf(run.reason));
      this.boolean(run.told);
    }
    this.double(tombstone.until);
    this.#finish(namespace);
  }

  entryConflict(namespace: Namespace, entry: number, siblings: number): void {
    this.#beginEntry(ENTRY_CONFLICT, 8, namespace, entry);
    this.text(namespace.contract.conflict);
    this.unsigned(siblings);
    this.#finish(namespace, TOLD_CONFLICT);
  }

  leaseRestated(namespace: Namespace, lease: number, live: boolean): void {
    const leases = this.#leases;
    this.#begin(LEASE_RESTATED, 18, namespace, lease);
    this.boolean(leases.isImplicit(lease));
    this.boolean(!live);
    this.#reason(lease);
    this.#dot(leases.originActor[lease]!, leases.originSeq[lease]!);
    this.unsigned(leases.ttlMs[lease]!);
    this.double(leases.deadline[lease]!);
    this.double(leases.grantedAt[lease]!);
    this.double(leases.touchedAt[lease]!);
    this.unsigned(leases.renewals[lease]!);
    this.double(leases.lifetimeEnd(lease, namespace.contract.ttl.maxLifetimeMs));
    this.text(JSON.stringify(leases.labels(lease)));
    this.#finish(namespace);
  }

  entryRestated(namespace: Namespace, entry: number): void {
    const entries = this.#entries;
    this.#beginEntry(ENTRY_RESTATED, 11, namespace, entry);
    this.double(entries.hlc[entry]!);
    this.#context(entries.context(entry));
    this.#value(entry);
    const lease = entries.lease[entry]!;
    this.#dot(this.#leases.originActor[lease]!, this.#leases.originSeq[lease]!);
    this.#finish(namespace);
  }

  #value(entry: number): void {
    const entries = this.#entries;
    const ref = entries.cell[entry]!;
    const at = entries.valueStart(ref);
    this.byteString(entries.slab.chunkOf(ref), at, at + entries.valueLength(ref));
  }
}
