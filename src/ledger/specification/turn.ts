/** What is the same for every record that one request touches. */
import type { Caller, Terms } from '../ledger.ts';
import type { Sibling } from '../record.ts';
import { isSilent, oursOf, seenOf } from './owners.ts';
import type { Partition } from './partition.ts';

export interface Turn {
  readonly partition: Partition;
  readonly now: number;
  readonly caller: string;
  /** The caller and its predecessors. */
  readonly ours: ReadonlySet<string>;
  readonly terms: Terms;
}

export function turnOf(partition: Partition, now: number, caller: Caller, terms: Terms): Turn {
  return { partition, now, caller: caller.actor, ours: oursOf(caller), terms };
}

/** Its owner's heartbeat keeps a session value alive, no longer than the owner may act alone. */
export function effectiveDeadline(sibling: Sibling, { partition, terms }: Turn): number {
  if (!sibling.session) return sibling.deadline;
  const heartbeat = seenOf(partition, sibling.dot.actor);
  return Math.max(sibling.deadline, heartbeat + Math.min(sibling.ttlMs, terms.autonomyMs));
}

/** Past its deadline and its owner silent: anybody may end it. */
export function isDue(sibling: Sibling, turn: Turn): boolean {
  const { partition, now, terms } = turn;
  return (
    effectiveDeadline(sibling, turn) + terms.slackMs < now &&
    isSilent(partition, sibling.dot.actor, now, terms)
  );
}

/**
 * Past its final deadline while its owner is alive, who alone may take it away: it might have been
 * renewed there a moment ago.
 */
export function isLapsed(sibling: Sibling, { partition, now, terms }: Turn): boolean {
  return (
    !sibling.session &&
    sibling.deadline + terms.slackMs < now &&
    !isSilent(partition, sibling.dot.actor, now, terms)
  );
}
