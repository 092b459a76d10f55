/** The last touches to a record that has changed, and when it must be looked at next. */
import type { CoveredActor, Ending, LedgerRecord, Sibling } from '../record.ts';
import { bounded, droppedPast } from './endings.ts';
import { isSilent, seenOf } from './owners.ts';
import { effectiveDeadline, type Turn } from './turn.ts';

/** How far ahead of their scores a sweep looks at records. */
export const SWEEP_SIGHT_MS = 1000;

export interface Unsettled {
  readonly siblings: readonly Sibling[];
  readonly context: readonly CoveredActor[];
  readonly ends: readonly Ending[];
  readonly bucket: number;
}

export function settled(
  { siblings, context, ends, bucket }: Unsettled, turn: Turn,
): LedgerRecord {
  const kept: Unsettled = {
    siblings, bucket,
    ends: bounded(droppedPast(ends, turn.now)),
    context: siblings.length === 0 ? context : pruned(context, siblings, turn),
  };
  return { ...kept, forgetAt: siblings.length === 0 ? horizonOf(kept, turn.now) : 0 };
}

/** Nothing is left that anybody could need to know. */
export function isForgettable({ siblings, forgetAt }: LedgerRecord, now: number): boolean {
  return siblings.length === 0 && forgetAt <= now;
}

function horizonOf({ context, ends }: Unsettled, now: number): number {
  let until = now;
  for (const entry of context) until = Math.max(until, entry.until);
  for (const ending of ends) until = Math.max(until, ending.until);
  return until;
}

/** Without writes of its own here and gone for good, an actor needs no place in the context. */
function pruned(
  context: readonly CoveredActor[], siblings: readonly Sibling[], turn: Turn,
): CoveredActor[] {
  const { partition, now, terms } = turn;
  return context.filter(({ actor, until }) => {
    if (until >= now || siblings.some(({ dot }) => dot.actor === actor)) return true;
    const owner = partition.owners.get(actor);
    if (owner === undefined || owner.retiredAt > 0) return false;
    return !isSilent(partition, actor, now, terms);
  });
}

export function scoreAfterPush(record: LedgerRecord, { now, terms }: Turn): number {
  let score = record.siblings.length === 0 ? record.forgetAt : Infinity;
  for (const { deadline } of record.siblings) score = Math.min(score, deadline + terms.slackMs);
  for (const { told } of record.ends) if (!told) score = Math.min(score, now + terms.silenceMs);
  return score;
}

/**
 * What a sweep has looked at in vain goes behind what it has not looked at, and stays within its
 * sight: nobody's sweep hides from another what only that one may take away.
 */
export function scoreAfterSweep(record: LedgerRecord, turn: Turn): number {
  const { partition, now, terms } = turn;
  let score = record.siblings.length === 0 ? record.forgetAt : Infinity;
  for (const sibling of record.siblings) score = Math.min(score, dueAt(sibling, turn));
  for (const { told, dot } of record.ends) {
    if (!told) score = Math.min(score, seenOf(partition, dot.actor) + terms.silenceMs);
  }
  return Math.max(now + SWEEP_SIGHT_MS, score);
}

function dueAt(sibling: Sibling, turn: Turn): number {
  const { partition, terms } = turn;
  const due = effectiveDeadline(sibling, turn) + terms.slackMs;
  if (!sibling.session) return due;
  return Math.max(due, seenOf(partition, sibling.dot.actor) + terms.silenceMs);
}
