/** `push`: joins a batch of records, each independent of the others. */
import type { PushedRecord, PushReply, PushRequest, PushResult } from '../ledger.ts';
import { type LedgerRecord, sameDot, type Sibling } from '../record.ts';
import { covers, sameCover } from './context.ts';
import { endDue } from './end-due.ts';
import { endingOf, sameBytes, sameEnding } from './endings.ts';
import { wallOf } from '../../core/hybrid-clock.ts';
import { holds, type Incoming, merge } from './merge.ts';
import { seenOf } from './owners.ts';
import { begin, change, NO_OWNER, type Partition, type Server, stateOf } from './partition.ts';
import { isForgettable, scoreAfterPush, settled } from './settle.ts';
import { type Turn, turnOf } from './turn.ts';

export function push(partition: Partition, server: Server, request: PushRequest): PushReply {
  const { caller, terms, batch, records, version } = request;
  const now = begin(partition, caller.epoch, server);
  if (isStale(partition, now, request)) {
    return { ...stateOf(partition, now), status: 'stale', results: [] };
  }
  // Only a heartbeat vouches; but whoever has just come must not count as silent.
  const owner = partition.owners.get(caller.actor) ?? { ...NO_OWNER, seen: now };
  partition.owners.set(caller.actor, { ...owner, batch: Math.max(owner.batch, batch) });
  const turn = turnOf(partition, now, caller, terms);
  const results = records.map((record) => pushRecord(record, version, turn));
  return { ...stateOf(partition, now), status: 'ok', results };
}

function isStale(partition: Partition, now: number, request: PushRequest): boolean {
  const { caller, terms, rejoining } = request;
  if (rejoining || (partition.owners.get(caller.actor)?.seen ?? 0) === 0) return false;
  return now - seenOf(partition, caller.actor) > terms.autonomyMs + terms.slackMs;
}

function emptyRecord(bucket: number): LedgerRecord {
  return { siblings: [], context: [], ends: [], bucket, forgetAt: 0 };
}

function pushRecord(pushed: PushedRecord, version: number, turn: Turn): PushResult {
  const { partition, now, terms } = turn;
  const { id } = pushed;
  const found = partition.records.get(id);
  const before = found ?? emptyRecord(pushed.bucket);
  for (const sibling of pushed.siblings) {
    const same = before.siblings.find(({ dot }) => sameDot(dot, sibling.dot));
    if (same === undefined) {
      if (wallOf(sibling.hlc) > now + terms.maxSkewMs) return { code: 'clock-ahead' };
    } else if (same.hashHigh !== sibling.hashHigh || same.hashLow !== sibling.hashLow) {
      return { code: 'duplicate-dot' };
    }
  }
  const { incoming, muted } = withoutExpired(before, pushed, now);
  const merged = merge(before, endDue(before, turn), incoming, turn);
  if (merged.held) return { code: 'held', record: before };
  const siblings = version >= 2 ? merged.siblings : merged.siblings.map(rankless);
  let changed = differs(before, { ...merged, siblings });
  let after = before;
  if (changed) {
    const next = settled({ ...merged, siblings, bucket: before.bucket }, turn);
    if (isForgettable(next, now)) {
      changed = found !== undefined;
      if (changed) change(partition, id, undefined, terms.logEntries);
    } else {
      change(partition, id, next, terms.logEntries);
      partition.expiry.set(id, scoreAfterPush(next, turn));
    }
    after = next;
  }
  const code = codeOf(pushed, after, muted, changed);
  if (code === 'applied' || code === 'duplicate') return { code };
  if (found === undefined && !partition.records.has(id)) return { code };
  return { code, record: after };
}

/** Version 1 has no rank: whoever reads it takes the hybrid clock. */
function rankless(sibling: Sibling): Sibling {
  return { ...sibling, rank: sibling.hlc };
}

/**
 * A value past its deadline that the ledger never saw may have been renewed since it was encoded.
 * The push is read as if it said nothing about that actor (§3.5 rule 3).
 */
function withoutExpired(
  before: LedgerRecord, pushed: PushedRecord, now: number,
): { incoming: Incoming; muted: boolean } {
  const muted = new Set<string>();
  for (const sibling of pushed.siblings) {
    const { dot, deadline } = sibling;
    if (deadline >= now || holds(before.siblings, sibling) || covers(before.context, dot)) continue;
    muted.add(dot.actor);
  }
  if (muted.size === 0) return { incoming: pushed, muted: false };
  const incoming = {
    siblings: pushed.siblings.filter(
      (sibling) => !muted.has(sibling.dot.actor) || holds(before.siblings, sibling),
    ),
    context: pushed.context.filter(({ actor }) => !muted.has(actor)),
    ends: pushed.ends,
  };
  return { incoming, muted: true };
}

function differs(before: LedgerRecord, after: Incoming): boolean {
  if (before.siblings.length !== after.siblings.length) return true;
  if (before.ends.length !== after.ends.length) return true;
  if (!sameCover(before.context, after.context)) return true;
  return (
    before.siblings.some((sibling, at) => !sameStanding(sibling, after.siblings[at]!)) ||
    before.ends.some((ending, at) => !sameEnding(ending, after.ends[at]!))
  );
}

function sameStanding(left: Sibling, right: Sibling): boolean {
  return (
    sameDot(left.dot, right.dot) && left.deadline === right.deadline &&
    left.ttlMs === right.ttlMs && left.session === right.session &&
    sameBytes(left.label, right.label)
  );
}

function codeOf(
  pushed: PushedRecord, after: LedgerRecord, muted: boolean, changed: boolean,
): PushResult['code'] {
  if (muted) return 'expired';
  const isClosed = (sibling: Sibling) =>
    !holds(after.siblings, sibling) || endingOf(after.ends, sibling.born) !== undefined;
  if (pushed.siblings.some(isClosed)) return 'closed';
  if (after.siblings.some((sibling) => !holds(pushed.siblings, sibling))) return 'joined';
  return changed ? 'applied' : 'duplicate';
}
