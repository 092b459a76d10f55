/**
 * What a namespace's conflict policy makes of concurrent values (§3.5 rule 2). Only here are
 * losers taken away; sidecars select on reading and delete nothing.
 */
import type { ConflictPolicy } from '../../core/contract.ts';
import { sameDot, type Sibling } from '../record.ts';

export interface Verdict {
  readonly kept: readonly Sibling[];
  readonly losers: readonly Sibling[];
  /** Past their final deadline, and not in the way of anything that lives. */
  readonly lapsed: readonly Sibling[];
}

export function judge(
  policy: ConflictPolicy, siblings: readonly Sibling[], isLapsed: (sibling: Sibling) => boolean,
): Verdict {
  const all: Verdict = { kept: siblings, losers: [], lapsed: [] };
  if (siblings.length < 2 || policy === 'siblings' || policy === 'counter') return all;
  const living = siblings.filter((sibling) => !isLapsed(sibling));
  if (living.length === 0) return all;
  const lapsed = siblings.filter((sibling) => !living.includes(sibling));
  if (policy === 'firstWins') return { kept: living, losers: [], lapsed };
  const winner = policy === 'lww' ? latestOf(living) : ownersOf(living);
  return { kept: [winner], losers: living.filter((sibling) => sibling !== winner), lapsed };
}

/** The grant of the highest rank, by its last write. */
function ownersOf(living: readonly Sibling[]): Sibling {
  const { born } = living.reduce((best, other) =>
    isAfter(other, other.rank, best, best.rank) ? other : best,
  );
  return latestOf(living.filter((sibling) => sameDot(sibling.born, born)));
}

function latestOf(living: readonly Sibling[]): Sibling {
  return living.reduce((best, other) => (isAfter(other, other.hlc, best, best.hlc) ? other : best));
}

function isAfter(one: Sibling, oneBy: number, other: Sibling, otherBy: number): boolean {
  if (oneBy !== otherBy) return oneBy > otherBy;
  if (one.dot.actor !== other.dot.actor) return one.dot.actor > other.dot.actor;
  return one.dot.seq > other.dot.seq;
}
