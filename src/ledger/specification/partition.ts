/**
 * One partition of the ledger as a plain value, and the two things that happen to it: time goes on
 * (`begin`), and a record changes (`change`), which digests, log, counters and expiry follow. The
 * operations beside this file decide what a record becomes; they change the partition in place and
 * know no clock and no chance: what a Lua script would ask of its server comes in as `Server`.
 */
import { hash } from 'node:crypto';
import { type Cursor, type Digest, type LedgerState, NO_CHAIN, NO_DIGEST } from '../ledger.ts';
import type { LedgerRecord } from '../record.ts';
import { digestOf, minus, plus } from './digest.ts';
import { Expiry } from './expiry.ts';

export interface Owner {
  /** The last vouching heartbeat; 0: none. */
  readonly seen: number;
  /** The highest batch that was pushed. */
  readonly batch: number;
  /** Of its values here. */
  readonly owned: Digest;
  /** 0: it has not retired; -1: an heir keeps its values alive, and it cannot any more. */
  readonly retiredAt: number;
}
export const NO_OWNER: Owner = { seen: 0, batch: 0, owned: NO_DIGEST, retiredAt: 0 };

export interface LogEntry {
  readonly seq: number;
  readonly id: string;
  readonly chain: string;
}

export interface Partition {
  /** 0: nothing has happened here yet, or everything was lost. */
  epoch: number;
  epochStartedAt: number;
  replid: string;
  seq: number;
  chain: string;
  /** The latest instant any operation has seen. */
  tmax: number;
  /** Records with values, and without. */
  live: number;
  tombstones: number;
  root: Digest;
  records: Map<string, LedgerRecord>;
  /** By bucket; missing ones are empty. */
  cells: Digest[];
  expiry: Expiry;
  /** Consecutive; ends with `seq`. */
  log: LogEntry[];
  owners: Map<string, Owner>;
}

/** What an operation asks of the server it runs on. */
export interface Server {
  /** The server's clock, whole milliseconds. */
  readonly time: number;
  /** Identity of its replication history; '' where it does not tell: no new one is noticed. */
  readonly replid: string;
}

export function emptyPartition(): Partition {
  return {
    epoch: 0, epochStartedAt: 0, replid: '', seq: 0, chain: NO_CHAIN, tmax: 0,
    live: 0, tombstones: 0, root: NO_DIGEST,
    records: new Map(), cells: [], expiry: new Expiry(), log: [], owners: new Map(),
  };
}

export function clonePartition(partition: Partition): Partition {
  return {
    ...partition,
    records: new Map(partition.records),
    cells: partition.cells.slice(),
    expiry: partition.expiry.copy(),
    log: partition.log.slice(),
    owners: new Map(partition.owners),
  };
}

/** 2020-01-01T00:00:00Z, in seconds. */
const TERM_ORIGIN_S = 1_577_836_800;
const TERM_S = 600;
/** A caller that claims an epoch from further ahead is not believed: a week, in terms. */
const TERMS_AHEAD_MAX = 1000;

/**
 * Every operation begins with this. Returns the instant at which it happens. Another replication
 * history, or none, begins an epoch, higher than any before it even if those were forgotten.
 */
export function begin(partition: Partition, callerEpoch: number, { time, replid }: Server): number {
  const now = Math.max(time, partition.tmax);
  partition.tmax = now;
  if (partition.epoch === 0 || (replid !== '' && replid !== partition.replid)) {
    const term = Math.floor((now / 1000 - TERM_ORIGIN_S) / TERM_S);
    const claimed = Math.min(callerEpoch, term + TERMS_AHEAD_MAX);
    partition.epoch = Math.max(partition.epoch, claimed, term) + 1;
    partition.epochStartedAt = now;
    partition.replid = replid;
  }
  return now;
}

export function tailOf({ epoch, seq, chain }: Partition): Cursor {
  return { epoch, seq, chain };
}

export function stateOf(partition: Partition, now: number): LedgerState {
  const { epoch, epochStartedAt } = partition;
  return { now, epoch, epochStartedAt, tail: tailOf(partition) };
}

/** The log is cut when it has grown by this much more than must be kept. */
const LOG_SLACK = 64;

/**
 * The record becomes `next`; undefined: nothing is left of it. Whatever follows from it follows
 * here: counters, digests, log and chain. The caller sets the score of what is left.
 */
export function change(
  partition: Partition, id: string, next: LedgerRecord | undefined, logEntries: number,
): void {
  const previous = partition.records.get(id);
  const removed = previous?.siblings ?? [];
  const added = next?.siblings ?? [];
  const bucket = (next ?? previous)?.bucket ?? 0;
  let cell = partition.cells[bucket] ?? NO_DIGEST;
  for (const sibling of removed) {
    partition.root = minus(partition.root, sibling);
    cell = minus(cell, sibling);
    const owner = partition.owners.get(sibling.dot.actor) ?? NO_OWNER;
    partition.owners.set(sibling.dot.actor, { ...owner, owned: minus(owner.owned, sibling) });
  }
  for (const sibling of added) {
    partition.root = plus(partition.root, sibling);
    cell = plus(cell, sibling);
    const owner = partition.owners.get(sibling.dot.actor) ?? NO_OWNER;
    partition.owners.set(sibling.dot.actor, { ...owner, owned: plus(owner.owned, sibling) });
  }
  while (partition.cells.length < bucket) partition.cells.push(NO_DIGEST);
  partition.cells[bucket] = cell;
  keep(partition, id, next);
  log(partition, id, digestOf(added), logEntries);
}

/** A tombstone that came to its horizon: it is in no digest, and nobody needs to hear of it. */
export function forget(partition: Partition, id: string): void {
  keep(partition, id, undefined);
}

function keep(partition: Partition, id: string, next: LedgerRecord | undefined): void {
  const previous = partition.records.get(id);
  if (previous !== undefined) count(partition, previous, -1);
  if (next === undefined) {
    partition.records.delete(id);
    partition.expiry.delete(id);
    return;
  }
  count(partition, next, 1);
  partition.records.set(id, next);
}

function count(partition: Partition, { siblings }: LedgerRecord, step: 1 | -1): void {
  if (siblings.length > 0) partition.live += step;
  else partition.tombstones += step;
}

function log(partition: Partition, id: string, { high, low }: Digest, logEntries: number): void {
  partition.seq += 1;
  partition.chain = hash('sha1', partition.chain + id + hex32(high) + hex32(low)).slice(0, 16);
  partition.log.push({ seq: partition.seq, id, chain: partition.chain });
  const { length } = partition.log;
  if (length > 2 * logEntries + LOG_SLACK) partition.log.splice(0, length - logEntries);
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, '0');
}
