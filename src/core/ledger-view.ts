/**
 * What this sidecar holds, as the ledger must know it, and what follows when the ledger has taken
 * it. Values here are plain; the engine turns them into the ledger's records.
 */
import { cover } from './tombstones.ts';
import { contextWithText } from './entry-table.ts';
import { settleKey } from './endings.ts';
import type { Dot } from './fact.ts';
import { CONFIRMED } from './ledger-columns.ts';
import type { Namespace } from './namespaces.ts';
import type { State } from './state.ts';
import type { Tombstone } from './tombstones.ts';
import { rankOf } from './write.ts';

/** One live value, wherever it is held. Instants of the timeline. */
export interface HeldValue {
  readonly dot: Dot;
  readonly born: Dot;
  readonly hlc: number;
  readonly rank: number;
  readonly deadline: number;
  readonly ttlMs: number;
  readonly session: boolean;
  readonly lease: string;
  readonly holder: string;
  readonly contentType: string;
  readonly value: Uint8Array;
  /** Of the request that granted the lease; of an own value, valid within the step. */
  readonly trace?: Uint8Array | undefined;
}

/** Computes the fingerprint of a write; two u32. */
export type Fingerprinter = (
  key: Uint8Array,
  dot: Dot,
  contentType: string,
  value: Uint8Array,
) => { readonly high: number; readonly low: number };

export interface OwnRecord {
  readonly values: readonly (HeldValue & { readonly row: number })[];
  /** By actor, everything this sidecar knows to be over or holds of the key. */
  readonly context: ReadonlyMap<string, number>;
  readonly tombstone: Tombstone | undefined;
  /** The latest deadline of own values of the key, live and ended (§3.5 rule 7). */
  readonly until: number;
  readonly bucket: number;
}

/** Own values of a key with the context they were written in; undefined: nothing to tell. */
export function ownRecord(state: State, namespace: Namespace, key: string): OwnRecord | undefined {
  const { entries, leases, actors } = state;
  state.probe.set(namespace.number, key);
  const head = settleKey(state, namespace.number);
  const tombstone = state.tombstones.find(namespace.number, key);
  const context = new Map<string, number>(tombstone?.context);
  const values: (HeldValue & { row: number })[] = [];
  for (let row = head; row !== 0; row = entries.link[row]!) {
    if (state.isCopy(row)) continue;
    const lease = entries.lease[row]!;
    const dot = { actor: actors.text(entries.dotActor[row]!), seq: entries.dotSeq[row]! };
    for (const seen of contextWithText(entries.context(row), actors)) {
      cover(context, seen.actor, seen.seq);
    }
    cover(context, dot.actor, dot.seq);
    values.push({
      row, dot,
      born: { actor: actors.text(entries.bornActor[row]!), seq: entries.bornSeq[row]! },
      hlc: entries.hlc[row]!,
      rank: rankOf(state, row),
      deadline: Math.max(leases.deadline[lease]!, state.wanted.get(lease) ?? 0),
      ttlMs: leases.ttlMs[lease]!,
      session: !leases.isImplicit(lease),
      lease: leases.id(lease),
      holder: leases.holder(lease),
      contentType: entries.contentType(row),
      value: entries.valueCopy(row),
      trace: leases.trace(lease),
    });
  }
  if (values.length === 0 && tombstone === undefined) return undefined;
  let until = tombstone?.until ?? 0;
  for (const { deadline } of values) until = Math.max(until, deadline);
  return { values, context, tombstone, until, bucket: bucketOf(state, key) };
}

function bucketOf(state: State, key: string): number {
  const { ledger } = state;
  if (ledger === undefined) throw new Error('No ledger is connected');
  return ledger.placementOfKey(key).bucket;
}

/** The ledger holds these writes, up to these deadlines, and what else was told with them. */
export function confirm(
  state: State,
  namespace: Namespace,
  key: string,
  told: {
    readonly values: readonly { readonly dot: Dot; readonly deadline: number }[];
    readonly context: ReadonlyMap<string, number>;
    readonly runs: number;
  },
): void {
  const { entries, actors } = state;
  const ledger = state.ledger!;
  state.probe.set(namespace.number, key);
  const head = entries.find(namespace.number, state.probe);
  for (let row = head; row !== 0; row = entries.link[row]!) {
    if (state.isCopy(row)) continue;
    const actor = actors.text(entries.dotActor[row]!);
    const match = told.values.find(
      ({ dot }) => dot.seq === entries.dotSeq[row] && dot.actor === actor,
    );
    if (match === undefined) continue;
    const lease = entries.lease[row]!;
    if (ledger.changed[row] === 0) ledger.confirmed[row] = CONFIRMED;
    const wanted = state.wanted.get(lease);
    if (wanted !== undefined && match.deadline >= wanted) settleWanted(state, lease, wanted);
  }
  const tombstone = state.tombstones.find(namespace.number, key);
  if (tombstone === undefined || tombstone.changed) return;
  const whole = [...tombstone.context].every(([actor, seq]) => (told.context.get(actor) ?? 0) >= seq);
  if (whole && tombstone.runs.length <= told.runs) tombstone.confirmedAt = state.now;
}

/** A deadline that waited for the ledger: it moves when every entry of the lease is known with it. */
function settleWanted(state: State, lease: number, wanted: number): void {
  const { leases, entries } = state;
  const ledger = state.ledger!;
  for (let row = leases.entryHead[lease]!; row !== 0; row = entries.leaseNext[row]!) {
    if (ledger.confirmed[row] !== CONFIRMED) return;
  }
  state.wanted.delete(lease);
  if (!leases.isLive(lease, state.now)) return;
  state.renewLease(
    lease,
    Math.max(leases.deadline[lease]!, wanted),
    leases.touchedAt[lease]!,
    leases.renewals[lease]!,
  );
  state.noteRenewal(lease);
}

export interface Sum {
  count: number;
  high: number;
  low: number;
}

export interface PartitionSums {
  /** Own values by actor, unswept ones included. */
  readonly owned: ReadonlyMap<string, Sum>;
  readonly root: Sum;
  readonly cells: readonly Sum[];
}

/**
 * Sums of fingerprints over one partition. undefined while something changed has not been taken:
 * the ledger cannot know it yet.
 */
export function partitionSums(
  state: State,
  namespace: Namespace,
  partition: number,
  withCells: boolean,
  fingerprint: Fingerprinter,
): PartitionSums | undefined {
  const { entries, actors } = state;
  const ledger = state.ledger!;
  if (state.changedRows.length > 0 || state.changedTombstones.length > 0) return undefined;
  const owned = new Map<string, Sum>();
  const root: Sum = { count: 0, high: 0, low: 0 };
  const cells: Sum[] = [];
  if (withCells) {
    for (let cell = 0; cell < ledger.buckets; cell++) cells.push({ count: 0, high: 0, low: 0 });
  }
  let row = ledger.first(namespace.number, partition);
  for (; row !== 0; row = ledger.next[row]!) {
    if (ledger.hashed[row] === 0) rehash(state, row, fingerprint);
    const high = ledger.hashHigh[row]!;
    const low = ledger.hashLow[row]!;
    add(root, 1, high, low);
    if (withCells) add(cells[ledger.bucketOf(row)]!, 1, high, low);
    if (!state.isCopy(row)) addTo(owned, actors.text(entries.dotActor[row]!), 1, high, low);
  }
  for (const [actor, { count, high, low }] of namespace.unswept.of(partition)) {
    add(root, count, high, low);
    addTo(owned, actor, count, high, low);
  }
  return { owned, root, cells };
}

function add(sum: Sum, count: number, high: number, low: number): void {
  sum.count += count;
  sum.high = (sum.high + high) >>> 0;
  sum.low = (sum.low + low) >>> 0;
}

function addTo(sums: Map<string, Sum>, actor: string, count: number, high: number, low: number): void {
  let sum = sums.get(actor);
  if (sum === undefined) {
    sum = { count: 0, high: 0, low: 0 };
    sums.set(actor, sum);
  }
  add(sum, count, high, low);
}

export function rehash(state: State, row: number, fingerprint: Fingerprinter): void {
  const { entries, actors } = state;
  const ledger = state.ledger!;
  const dot = { actor: actors.text(entries.dotActor[row]!), seq: entries.dotSeq[row]! };
  const { high, low } = fingerprint(
    entries.keyBytes(row), dot, entries.contentType(row), entries.valueView(row),
  );
  ledger.hashHigh[row] = high;
  ledger.hashLow[row] = low;
  ledger.hashed[row] = 1;
}

/** Everything in the partition is held by the ledger as it is here. */
export function confirmPartition(state: State, namespace: Namespace, partition: number): void {
  const ledger = state.ledger!;
  let row = ledger.first(namespace.number, partition);
  for (; row !== 0; row = ledger.next[row]!) {
    if (ledger.changed[row] === 0 && ledger.hashed[row] === 1) ledger.confirmed[row] = CONFIRMED;
  }
}
