/**
 * `sweep`: takes away what is past its deadline. An owner takes its own; for a silent owner
 * anybody does, and publishes what that owner had no chance to publish.
 */
import {
  type Digest, NO_DIGEST, type SweepReply, type SweepRequest,
} from '../ledger.ts';
import type { Ending, LedgerRecord, Sibling } from '../record.ts';
import { rememberUntil } from './context.ts';
import { plus } from './digest.ts';
import { endDue } from './end-due.ts';
import { isSilent, seenOf } from './owners.ts';
import { begin, change, forget, type Partition, type Server, stateOf } from './partition.ts';
import { isForgettable, scoreAfterSweep, settled, SWEEP_SIGHT_MS } from './settle.ts';
import { type Turn, turnOf } from './turn.ts';

interface Outcome {
  readonly ended: { readonly id: string; readonly ending: Ending }[];
  readonly removed: Map<string, Digest>;
  forgotten: number;
}

export function sweep(partition: Partition, server: Server, request: SweepRequest): SweepReply {
  const { caller, terms, limit, scope, dryRun, asOf = Infinity } = request;
  const now = begin(partition, caller.epoch, server);
  const turn = turnOf(partition, now, caller, terms);
  const outcome: Outcome = { ended: [], removed: new Map(), forgotten: 0 };
  const candidates = partition.expiry.due(now + SWEEP_SIGHT_MS, limit);
  for (const id of candidates) {
    const before = partition.records.get(id);
    if (before === undefined) continue;
    const after =
      scope === 'own'
        ? withoutOwn(before, asOf, turn, outcome)
        : withoutOrphans(id, before, turn, outcome);
    const next = after === before ? before : settled(after, turn);
    const gone = isForgettable(next, now);
    if (gone && before.siblings.length === 0) outcome.forgotten += 1;
    if (dryRun) continue;
    if (gone && before.siblings.length === 0) forget(partition, id);
    else if (next !== before) change(partition, id, gone ? undefined : next, terms.logEntries);
    if (!gone) partition.expiry.set(id, scoreAfterSweep(next, turn));
  }
  if (scope === 'orphans' && !dryRun) forgetOwners(turn);
  const removed = [...outcome.removed]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([actor, digest]) => ({ actor, ...digest }));
  const { ended, forgotten } = outcome;
  const more = candidates.length === limit;
  return { ...stateOf(partition, now), ended, removed, forgotten, more };
}

/**
 * Its owner has ended it at that deadline and told so: no ending is kept. What fell due after it
 * asked, it may have renewed.
 */
function withoutOwn(
  record: LedgerRecord, asOf: number, turn: Turn, { removed }: Outcome,
): LedgerRecord {
  const { now, ours, terms } = turn;
  const isOver = ({ session, dot, deadline }: Sibling) =>
    !session && ours.has(dot.actor) && deadline + terms.slackMs <= now && deadline <= asOf;
  const over = record.siblings.filter(isOver);
  if (over.length === 0) return record;
  const context = record.context.slice();
  for (const sibling of over) {
    const { actor } = sibling.dot;
    rememberUntil(context, actor, sibling.deadline + terms.slackMs);
    removed.set(actor, plus(removed.get(actor) ?? NO_DIGEST, sibling));
  }
  return { ...record, context, siblings: record.siblings.filter((sibling) => !isOver(sibling)) };
}

function withoutOrphans(
  id: string, record: LedgerRecord, turn: Turn, { ended }: Outcome,
): LedgerRecord {
  const { partition, now, caller, terms } = turn;
  const rest = endDue(record, turn);
  const isOrphaned = ({ told, dot }: Ending) => !told && isSilent(partition, dot.actor, now, terms);
  if (!rest.ends.some(isOrphaned)) return rest;
  const ends = rest.ends.map((ending) => {
    if (!isOrphaned(ending)) return ending;
    const toldHere: Ending = { ...ending, told: true, by: caller };
    ended.push({ id, ending: toldHere });
    return toldHere;
  });
  return { ...rest, ends };
}

/** Every restart leaves an owner behind; after the horizon nothing can follow from it any more. */
function forgetOwners({ partition, now, terms }: Turn): void {
  for (const [actor, { owned, retiredAt }] of partition.owners) {
    const last = Math.max(seenOf(partition, actor), retiredAt);
    if (owned.count === 0 && now - last > terms.horizonMs) partition.owners.delete(actor);
  }
}
