/**
 * What a namespace's conflict policy makes of concurrent values (§3.5 rule 2). Only here are
 * losers taken away; sidecars select on reading and delete nothing.
 */
import type { ConflictPolicy } from '../../core/contract.ts';
import { sameDot, type Sibling } from '../record.ts';

export interface Verdict {
  readonly kept: readonly Sibling[];
  readonly losers: readonly Sibling[];
}

/**
 * A lapsed value (past its final deadline, its owner alive) beats nobody: it is over, or its owner
 * has renewed it and says so soon, and then the policy is asked again. Until then it stays.
 */
export function judge(
  policy: ConflictPolicy, siblings: readonly Sibling[], isLapsed: (sibling: Sibling) => boolean,
): Verdict {
  if (siblings.length > 1 && policy === 'lww') return latestWins(siblings, isLapsed);
  if (siblings.length > 1 && policy === 'ownerWins') return latestGrantWins(siblings, isLapsed);
  return { kept: siblings, losers: [] };
}

function latestWins(
  siblings: readonly Sibling[], isLapsed: (sibling: Sibling) => boolean,
): Verdict {
  const living = siblings.filter((sibling) => !isLapsed(sibling));
  if (living.length === 0) return { kept: siblings, losers: [] };
  const winner = living.reduce(later);
  const isLoser = (sibling: Sibling) => sibling !== winner && later(winner, sibling) === winner;
  return split(siblings, isLoser);
}

/** Among grants the one of the highest rank; of its writes the last. */
function latestGrantWins(
  siblings: readonly Sibling[], isLapsed: (sibling: Sibling) => boolean,
): Verdict {
  const living = siblings.filter((sibling) => !isLapsed(sibling));
  if (living.length === 0) return { kept: siblings, losers: [] };
  const highest = living.reduce(higher);
  const isItsGrant = ({ born }: Sibling) => sameDot(born, highest.born);
  const winner = living.filter(isItsGrant).reduce(later);
  return split(siblings, (sibling) => {
    if (sibling === winner) return false;
    if (isItsGrant(sibling)) return later(winner, sibling) === winner;
    return higher(highest, sibling) === highest;
  });
}

function split(siblings: readonly Sibling[], isLoser: (sibling: Sibling) => boolean): Verdict {
  return {
    kept: siblings.filter((sibling) => !isLoser(sibling)),
    losers: siblings.filter(isLoser),
  };
}

function later(one: Sibling, other: Sibling): Sibling {
  return isAfter(other, other.hlc, one, one.hlc) ? other : one;
}

function higher(one: Sibling, other: Sibling): Sibling {
  return isAfter(other, other.rank, one, one.rank) ? other : one;
}

function isAfter(one: Sibling, oneBy: number, other: Sibling, otherBy: number): boolean {
  if (oneBy !== otherBy) return oneBy > otherBy;
  if (one.dot.actor !== other.dot.actor) return one.dot.actor > other.dot.actor;
  return one.dot.seq > other.dot.seq;
}
