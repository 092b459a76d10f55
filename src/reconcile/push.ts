/**
 * Push: what has changed here, told to the ledger in batches. A batch that was sent is kept, and
 * the same bytes are sent again until there is an answer: pushing twice is harmless, and a batch
 * encoded anew could tell of deadlines that the first one did not (PROTOCOL §3.5, S2).
 */
import type { PushedRecord, PushReply, PushResult } from '../ledger/ledger.ts';
import { LedgerError } from '../ledger/ledger.ts';
import { keyFields } from '../log/key-fields.ts';
import { fullJitter } from '../resilience/backoff.ts';
import { chainAfter } from './chain.ts';
import type { Answered } from './ledger-gate.ts';
import { merge } from './merging.ts';
import type { Batch, Partition } from './partition.ts';
import { askPartition, callerOf, keepOf, offsetOf, type Room } from './room.ts';
import type { Waiter } from './waiters.ts';

/** A script that merges more than this holds up the ledger for milliseconds (PROTOCOL §4.1). */
const BATCH_RECORDS = 64;
const BATCH_BYTES = 64 * 1024;
/** What a sibling takes beside its label and value. */
const SIBLING_BYTES = 96;
/** Memory comes back when values end: not within milliseconds. */
const FULL_BACKOFF = { baseMs: 100, capMs: 5_000 };
const FULL_ATTEMPT_MAX = 6;
/** Keys looked through for endings while the ledger has no room for values. */
const ENDINGS_LOOKED_FOR = 512;

const CLOCK_AHEAD_RETRY_MS = 1_000;
const UNREADABLE_RETRY_MS = 30_000;
/** Once is a value that came late; again at once means that the clocks disagree. */
const EXPIRED_RETRY_MS = 1_000;

/** Pushes one batch, when there is something to push. Rejects with `LedgerError`. */
export async function push(room: Room, partition: Partition): Promise<void> {
  room.changes.take();
  partition.batch ??= encode(room, partition);
  const { batch } = partition;
  if (batch === undefined) return;
  const answered = await send(room, partition, batch);
  if (answered === undefined) return;
  const { reply } = answered;
  partition.full = false;
  partition.pushAttempt = 0;
  if (reply.status === 'stale') {
    room.tally.faults.stale += 1;
    room.onStale();
    return;
  }
  // From here on everything is synchronous: no change can come between.
  partition.batch = undefined;
  partition.batchAnswered = batch.request.batch;
  partition.pushedAt = room.scheduler.now();
  room.tally.pushed += reply.results.length;
  advanceCursor(partition, batch.request.records, reply);
  settle(room, partition, batch, reply.results);
}

/** undefined: the ledger has no room for it. */
async function send(
  room: Room,
  partition: Partition,
  batch: Batch,
): Promise<Answered<PushReply> | undefined> {
  const { contract, name } = partition;
  const ack = contract.durability === 'ledger' ? room.ackOf(name.namespace) : 'applied';
  const { timeoutMs, ackMs } = room.settings;
  const { request } = batch;
  try {
    return await askPartition(
      room, partition,
      (ledger) => ledger.push(name, request, ack),
      {
        limitMs: ack === 'applied' ? timeoutMs : Math.max(timeoutMs, ackMs),
        sound: (reply: PushReply) =>
          reply.status === 'stale' || reply.results?.length === request.records.length
            ? undefined
            : `The ledger answered ${reply.results?.length} of ${request.records.length} records`,
      },
    );
  } catch (error) {
    if (error instanceof LedgerError && error.fault === 'full') {
      // Refused before it began: nothing of it has happened, and endings may still get through.
      partition.full = true;
      takeBack(partition);
      postpone(room, partition);
      return undefined;
    }
    throw error;
  }
}

function postpone({ scheduler }: Room, partition: Partition): void {
  const waitMs = fullJitter(partition.pushAttempt, FULL_BACKOFF, () => scheduler.random());
  partition.pushAttempt = Math.min(partition.pushAttempt + 1, FULL_ATTEMPT_MAX);
  partition.pushNotBefore = scheduler.now() + waitMs;
}

/**
 * Calls `waiter` when the ledger has the key as it is now; at once when it has it already. What is
 * on its way was encoded after the last change, or the key would be among the changed ones.
 */
export function awaitPushed(
  room: Room,
  namespace: string,
  id: string,
  waiter: Waiter,
): Partition | undefined {
  room.changes.take();
  const partition = room.partitions.findOf(namespace, id);
  const sent = partition?.batch?.request.records.findIndex((record) => record.id === id) ?? -1;
  if (partition === undefined) waiter('confirmed');
  else if (partition.unpushed.has(id)) partition.standing.stand(id, [waiter]);
  else if (sent >= 0) partition.batch!.waiters[sent]!.push(waiter);
  // Perhaps it is one of those that the ledger has sent back.
  else if (partition.delayed > 0) partition.standing.stand(id, [waiter]);
  else waiter('confirmed');
  return partition;
}

/** The batch is not sent again as it is; its keys and those who wait for them go back. */
export function takeBack(partition: Partition): void {
  const { batch } = partition;
  if (batch === undefined) return;
  partition.batch = undefined;
  batch.request.records.forEach(({ id }, index) => {
    partition.unpushed.add(id, batch.since[index]!);
    partition.standing.stand(id, batch.waiters[index]!);
  });
}

function encode(room: Room, partition: Partition): Batch | undefined {
  const { namespace, partition: number } = partition.name;
  const { unpushed, standing } = partition;
  if (unpushed.needsWalk) {
    unpushed.walk((visit) => room.replica.forEachHeld(namespace, number, visit));
  }
  const picked = partition.full ? pickEndings(room, partition) : pick(room, partition);
  if (!unpushed.needsWalk && partition.delayed === 0) {
    // Nothing is to be told of these keys (any more): who waits for them has what they wanted.
    for (const id of standing.ids()) {
      if (unpushed.has(id) || picked.some(({ record }) => record.id === id)) continue;
      for (const tell of standing.take(id)) tell('confirmed');
    }
  }
  if (picked.length === 0) return undefined;
  partition.batchMade += 1;
  return {
    request: {
      caller: callerOf(room, partition),
      terms: partition.terms,
      batch: partition.batchMade,
      records: picked.map(({ record }) => record),
      version: room.membership.version,
      rejoining: partition.rejoining,
    },
    since: picked.map(({ since }) => since),
    waiters: picked.map(({ record }) => standing.take(record.id)),
  };
}

interface Picked {
  readonly record: PushedRecord;
  readonly since: number;
}

/** The oldest changes. */
function pick(room: Room, partition: Partition): Picked[] {
  const picked: Picked[] = [];
  const offsetMs = offsetOf(room, partition);
  let bytes = 0;
  for (const [id, since] of partition.unpushed.entries()) {
    const record = room.replica.recordToPush(partition.name.namespace, id, offsetMs);
    if (record !== undefined) {
      bytes += sizeOf(record);
      if (bytes > BATCH_BYTES && picked.length > 0) break;
      picked.push({ record, since });
    }
    partition.unpushed.delete(id);
    if (picked.length >= BATCH_RECORDS) break;
  }
  return picked;
}

/** Records without values need no room at the ledger; one with values tries whether there is some. */
function pickEndings(room: Room, partition: Partition): Picked[] {
  const endings: Picked[] = [];
  let first: Picked | undefined;
  const offsetMs = offsetOf(room, partition);
  let left = ENDINGS_LOOKED_FOR;
  for (const [id, since] of partition.unpushed.entries()) {
    if (left-- === 0 || endings.length >= BATCH_RECORDS) break;
    const record = room.replica.recordToPush(partition.name.namespace, id, offsetMs);
    if (record === undefined) partition.unpushed.delete(id);
    else if (record.siblings.length === 0) endings.push({ record, since });
    else first ??= { record, since };
  }
  const picked = endings.length > 0 || first === undefined ? endings : [first];
  for (const { record } of picked) partition.unpushed.delete(record.id);
  return picked;
}

function sizeOf({ id, siblings, context, ends }: PushedRecord): number {
  let bytes = id.length + 24 * context.length;
  for (const { label, value } of siblings) bytes += SIBLING_BYTES + label.length + value.length;
  for (const { label } of ends) bytes += SIBLING_BYTES + label.length;
  return bytes;
}

/** Own writes need not be pulled, when the chain proves that nobody else's lie between. */
function advanceCursor(
  partition: Partition,
  records: readonly PushedRecord[],
  { results, tail }: PushReply,
): void {
  const { cursor } = partition;
  let { seq, chain } = cursor;
  for (const [index, { code }] of results.entries()) {
    if (code !== 'applied') continue;
    seq += 1;
    chain = chainAfter(chain, records[index]!);
  }
  if (seq === tail.seq && chain === tail.chain) partition.cursor = tail;
}

/** Nothing stands beside these values in the ledger: copies that do so here are over. */
function dropCopies(room: Room, partition: Partition, alone: readonly PushedRecord[]): void {
  for (const { id, bucket, siblings, context } of alone) {
    if (partition.isDirty(id)) continue;
    merge(room, partition, id, { siblings, context, ends: [], bucket, forgetAt: 0 });
  }
}

function settle(
  room: Room,
  partition: Partition,
  { request, waiters }: Batch,
  results: readonly PushResult[],
): void {
  const { replica, tally, changes, log } = room;
  const { namespace } = partition.name;
  const now = room.scheduler.now();
  const expired: string[] = [];
  const early: string[] = [];
  const unreadable: string[] = [];
  const closed: PushedRecord[] = [];
  const alone: PushedRecord[] = [];
  for (const [index, pushed] of request.records.entries()) {
    const { code, record } = results[index]!;
    const { id } = pushed;
    const waiting = waiters[index]!;
    const tell = (outcome: 'confirmed' | 'held' | 'unknown') => {
      for (const waiter of waiting) waiter(outcome);
    };
    switch (code) {
      case 'applied':
      case 'duplicate':
        replica.confirm(namespace, pushed);
        alone.push(pushed);
        tell('confirmed');
        break;
      case 'joined':
        tally.conflictsBy[partition.contract.conflict] += 1;
        replica.confirm(namespace, pushed);
        if (record !== undefined) merge(room, partition, id, record);
        tell('confirmed');
        break;
      case 'closed':
        tally.conflictsBy[partition.contract.conflict] += 1;
        if (record !== undefined) merge(room, partition, id, record);
        closed.push(pushed);
        tell('confirmed');
        break;
      case 'expired':
        if (record !== undefined) merge(room, partition, id, record);
        partition.standing.stand(id, waiting);
        expired.push(id);
        break;
      case 'held':
        tally.conflictsBy[partition.contract.conflict] += 1;
        // Whoever wrote it is told no; so the value goes, whatever the flag `merge` says.
        replica.withdraw(namespace, pushed);
        replica.merge(namespace, id, record, offsetOf(room, partition), keepOf(partition));
        tell('held');
        break;
      case 'clock-ahead':
        tally.clockAhead += 1;
        room.clockAheadAt = now;
        partition.standing.stand(id, waiting);
        early.push(id);
        break;
      case 'duplicate-dot':
        tally.duplicateDots += 1;
        log.error({ ...keyFields(partition.contract, id), partition: partition.name.partition },
          'one write number, two values: another process uses this actor');
        tell('unknown');
        break;
      case 'unreadable':
        if (tally.unreadable === 0) {
          const { contract, name } = partition;
          log.error({ ...keyFields(contract, id), partition: name.partition }, 'the ledger cannot read a record');
        }
        tally.unreadable += 1;
        partition.standing.stand(id, waiting);
        unreadable.push(id);
        break;
      default:
        // A code of a later version: as if it had not answered.
        partition.standing.stand(id, waiting);
        unreadable.push(id);
    }
  }
  // What the merges have changed here must be pushed before the ledger can be said to have it.
  changes.take();
  if (partition.mirrors || partition.keepsSiblings) dropCopies(room, partition, alone);
  for (const pushed of closed) {
    if (!partition.isDirty(pushed.id)) replica.confirm(namespace, pushed);
  }
  changes.again(partition, expired, now - partition.expiredAt < EXPIRED_RETRY_MS ? EXPIRED_RETRY_MS : 0);
  if (expired.length > 0) partition.expiredAt = now;
  changes.again(partition, early, CLOCK_AHEAD_RETRY_MS);
  changes.again(partition, unreadable, UNREADABLE_RETRY_MS);
}
