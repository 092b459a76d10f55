/** Who is asking, who was last heard of when, and who has been silent for too long. */
import type { Caller, Terms } from '../ledger.ts';
import type { Partition } from './partition.ts';

/** Actors whose values the caller keeps alive. */
export function oursOf(caller: Caller): ReadonlySet<string> {
  return new Set([caller.actor, ...caller.predecessors]);
}

/**
 * A new epoch is a new beginning for everybody, because heartbeats may have been lost with the old
 * one (§3.5 rule 6); also for somebody whose retirement came back with an older state. Only a
 * retirement within the epoch makes silent at once.
 */
export function seenOf({ owners, epochStartedAt }: Partition, actor: string): number {
  const owner = owners.get(actor);
  if (owner === undefined) return epochStartedAt;
  if (owner.retiredAt > 0 && owner.retiredAt >= epochStartedAt) return owner.seen;
  return Math.max(owner.seen, epochStartedAt);
}

export function isSilent(partition: Partition, actor: string, now: number, terms: Terms): boolean {
  return now - seenOf(partition, actor) > terms.silenceMs;
}
