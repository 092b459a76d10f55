/**
 * The context of a record while an operation works on it: which writes it covers, and until when
 * the ledger must remember that (§3.5 rule 7).
 */
import type { Dot } from '../../core/fact.ts';
import type { CoveredActor } from '../record.ts';

export function seqOf(context: readonly CoveredActor[], actor: string): number {
  return entryOf(context, actor)?.seq ?? 0;
}

export function covers(context: readonly CoveredActor[], dot: Dot): boolean {
  return seqOf(context, dot.actor) >= dot.seq;
}

export function entryOf(context: readonly CoveredActor[], actor: string): CoveredActor | undefined {
  return context.find((entry) => entry.actor === actor);
}

/** Pointwise maximum; what must be remembered is the first one's. In the order of actors. */
export function joined(
  context: readonly CoveredActor[], pushed: readonly CoveredActor[],
): CoveredActor[] {
  const result: CoveredActor[] = context.slice();
  for (const { actor, seq } of pushed) {
    const at = result.findIndex((entry) => entry.actor === actor);
    if (at < 0) result.push({ actor, seq, until: 0 });
    else if (result[at]!.seq < seq) result[at] = { ...result[at]!, seq };
  }
  return result.sort((left, right) => (left.actor < right.actor ? -1 : 1));
}

/** `context` in place: the actor's entry is remembered until then at least. */
export function rememberUntil(context: CoveredActor[], actor: string, until: number): void {
  const at = context.findIndex((entry) => entry.actor === actor);
  if (at >= 0 && context[at]!.until < until) context[at] = { ...context[at]!, until };
}

export function sameCover(
  left: readonly CoveredActor[], right: readonly CoveredActor[],
): boolean {
  return (
    left.length === right.length &&
    left.every(({ actor, seq }, at) => right[at]!.actor === actor && right[at]!.seq === seq)
  );
}
