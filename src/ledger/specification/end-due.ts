/** Ends what is due of a record: the values of silent owners, past their deadlines. */
import { compareDots, type Ending, type LedgerRecord, type Sibling } from '../record.ts';
import { rememberUntil } from './context.ts';
import { addEnding } from './endings.ts';
import { isDue, type Turn } from './turn.ts';

/** The same record when nothing is due. */
export function endDue(record: LedgerRecord, turn: Turn): LedgerRecord {
  const due = record.siblings.filter((sibling) => isDue(sibling, turn));
  if (due.length === 0) return record;
  const { now, terms } = turn;
  const context = record.context.slice();
  const ends = record.ends.slice();
  for (const sibling of due) {
    addEnding(ends, endedBy(sibling, turn, 'expired'));
    // Whoever is silent has promised nothing beyond the deadline we know, if that was final.
    const until = sibling.session ? now + terms.horizonMs : sibling.deadline + terms.slackMs;
    rememberUntil(context, sibling.dot.actor, until);
  }
  ends.sort((left, right) => compareDots(left.born, right.born));
  const siblings = record.siblings.filter((sibling) => !due.includes(sibling));
  return { ...record, siblings, context, ends };
}

export function endedBy(
  sibling: Sibling, { caller, now, terms }: Turn, reason: Ending['reason'],
): Ending {
  return {
    born: sibling.born, dot: sibling.dot, reason, by: caller,
    told: false, conflict: false,
    deadline: sibling.deadline, until: now + terms.horizonMs, label: sibling.label,
  };
}
