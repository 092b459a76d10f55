/**
 * Joins a pushed record into the stored one (PROTOCOL §2.4): a value goes when the other side
 * covers it and does not hold it. Pure; what is refused was refused before.
 */
import {
  compareDots, type CoveredActor, type Ending, type LedgerRecord, sameDot, type Sibling,
} from '../record.ts';
import { covers, joined, rememberUntil, seqOf } from './context.ts';
import { addEnding, droppedPast, endingOf, outranks } from './endings.ts';
import { endedBy } from './end-due.ts';
import { judge, type Verdict } from './policy.ts';
import { isLapsed, type Turn } from './turn.ts';

/** What remains of a pushed record after the guards. */
export interface Incoming {
  readonly siblings: readonly Sibling[];
  readonly context: readonly CoveredActor[];
  readonly ends: readonly Ending[];
}

export interface Merged {
  readonly siblings: readonly Sibling[];
  readonly context: readonly CoveredActor[];
  readonly ends: readonly Ending[];
  /** `firstWins`: another value was there first. */
  readonly held: boolean;
}

export function holds(siblings: readonly Sibling[], { dot }: Sibling): boolean {
  return siblings.some((sibling) => sameDot(sibling.dot, dot));
}

/** `stored` with what was due ended; `before` as it was found. */
export function merge(
  before: LedgerRecord, stored: LedgerRecord, pushed: Incoming, turn: Turn,
): Merged {
  const { policy } = turn.terms;
  const together = joinedSiblings(stored, pushed, turn.ours);
  const verdict = judge(policy, together, (sibling) => isLapsed(sibling, turn));
  const held = policy === 'firstWins' && isHeld(stored, pushed, together);
  const gone = stored.siblings.filter((sibling) => !holds(together, sibling));
  const context = joined(stored.context, pushed.context);
  rememberCover(context, before, pushed, gone, verdict, turn);
  const ends = endsAfter(stored, pushed, gone, verdict, turn);
  return { siblings: verdict.kept, context, ends, held };
}

function joinedSiblings(
  stored: LedgerRecord, pushed: Incoming, ours: ReadonlySet<string>,
): Sibling[] {
  const result: Sibling[] = [];
  for (const sibling of stored.siblings) {
    const same = pushed.siblings.find(({ dot }) => sameDot(dot, sibling.dot));
    if (same !== undefined) result.push(renewed(sibling, same, ours));
    else if (!covers(pushed.context, sibling.dot)) result.push(sibling);
  }
  for (const sibling of pushed.siblings) {
    if (holds(stored.siblings, sibling) || covers(stored.context, sibling.dot)) continue;
    result.push(sibling);
  }
  return result.sort((left, right) => compareDots(left.dot, right.dot));
}

/** One write on both sides: its owner knows how it stands; nobody shortens a deadline. */
function renewed(stored: Sibling, pushed: Sibling, ours: ReadonlySet<string>): Sibling {
  const deadline = Math.max(stored.deadline, pushed.deadline);
  const base = ours.has(stored.dot.actor) ? pushed : stored;
  return base.deadline === deadline ? base : { ...base, deadline };
}

/** Also by a value past its deadline, while its owner is alive and may have renewed it. */
function isHeld(stored: LedgerRecord, pushed: Incoming, together: readonly Sibling[]): boolean {
  const isFirst = (sibling: Sibling) => holds(stored.siblings, sibling);
  return (
    together.some(isFirst) &&
    together.some((sibling) => holds(pushed.siblings, sibling) && !isFirst(sibling))
  );
}

/**
 * How long each thing that is covered and gone must be remembered: as long as anybody may still
 * hold it for alive, who has not heard of its end.
 */
function rememberCover(
  context: CoveredActor[], before: LedgerRecord, pushed: Incoming,
  gone: readonly Sibling[], { losers }: Verdict, { now, ours, terms }: Turn,
): void {
  const { slackMs, autonomyMs, horizonMs } = terms;
  // Between contacts an owner may have renewed what it holds, and not told yet.
  const untilUnheard = ({ session, deadline }: Sibling) =>
    session ? now + horizonMs : Math.max(deadline, now + autonomyMs) + slackMs;
  for (const sibling of gone) {
    const { dot, deadline } = sibling;
    const until = ours.has(dot.actor) ? deadline + slackMs : untilUnheard(sibling);
    rememberUntil(context, dot.actor, until);
  }
  // A loser's owner does not know yet, even if it is the one who asks.
  for (const loser of losers) rememberUntil(context, loser.dot.actor, untilUnheard(loser));
  for (const { actor, seq, until } of pushed.context) {
    if (ours.has(actor)) {
      if (until > 0) rememberUntil(context, actor, until + slackMs);
      continue;
    }
    if (seq <= seqOf(before.context, actor)) continue;
    const known = Math.max(highest(before.siblings, actor), highest(pushed.siblings, actor));
    if (seq > known) rememberUntil(context, actor, now + horizonMs);
  }
}

function highest(siblings: readonly Sibling[], actor: string): number {
  let seq = 0;
  for (const { dot } of siblings) if (dot.actor === actor) seq = Math.max(seq, dot.seq);
  return seq;
}

function endsAfter(
  stored: LedgerRecord, pushed: Incoming, gone: readonly Sibling[],
  { kept, losers }: Verdict, turn: Turn,
): Ending[] {
  const { ours } = turn;
  const ends = toldBy(stored.ends, pushed.ends, ours);
  const goesOn = ({ born }: Sibling) => kept.some((sibling) => sameDot(sibling.born, born));
  for (const loser of losers) {
    if (goesOn(loser)) continue;
    addEnding(ends, { ...endedBy(loser, turn, 'superseded'), conflict: true });
  }
  for (const sibling of gone) {
    if (ours.has(sibling.dot.actor)) continue;
    const given = endingOf(pushed.ends, sibling.born);
    if (given === undefined && goesOn(sibling)) continue;
    const ended = endedBy(sibling, turn, given?.reason ?? 'superseded');
    // A restart that does not list that run as its predecessor may have told its end all the same.
    addEnding(ends, { ...ended, told: given?.told ?? false });
  }
  return droppedPast(ends, turn.now).sort((left, right) => compareDots(left.born, right.born));
}

/** What the caller knows of the endings that are stored. */
function toldBy(
  stored: readonly Ending[], pushed: readonly Ending[], ours: ReadonlySet<string>,
): Ending[] {
  const ends = stored.slice();
  for (const given of pushed) {
    const at = ends.findIndex(({ born }) => sameDot(born, given.born));
    if (at < 0) continue;
    if (given.told && ours.has(given.dot.actor)) {
      ends.splice(at, 1);
      continue;
    }
    const before = ends[at]!;
    const stands = before.told || !outranks(given, before);
    ends[at] = {
      ...before,
      told: before.told || given.told,
      ...(stands ? {} : { reason: given.reason, by: given.by }),
    };
  }
  return ends;
}

