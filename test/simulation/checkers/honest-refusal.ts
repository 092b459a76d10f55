/**
 * `honest-refusal` (house rule "A refusal changes nothing"; DESIGN §5): what was refused with a
 * problem that leaves nothing open has changed nothing: no value of it is ever seen, in an answer,
 * an event, or the ledger. Renewals and increments that were refused are judged by the deadlines
 * and sums that others see.
 *
 * A wish counts as refused when every attempt was: of several, one may have been done. Not refused
 * in this sense: `outcome-unknown`, `internal`, `idempotency-in-progress`, and no answer at all.
 */
import { type Checker, Violation } from './checker.ts';
import { lineOfOperation } from './reading.ts';
import { newOnes, type Room } from './room.ts';
import type { Operation } from '../history/operation.ts';

const NAME = 'honest-refusal';

export function honestRefusal({ world, story }: Room): Checker {
  const eachAnswered = newOnes(world.history.answered);
  const refused: Operation[] = [];

  function judge(operation: Operation): void {
    const attempts = story.intents.get(operation.intent) ?? [];
    if (!attempts.every((attempt) => story.isRefused(attempt))) return;
    for (const act of story.actsOf(operation)) {
      if (act.asked.kind !== 'put') continue;
      const seen = story.firstSeen.get(act.asked.value);
      if (seen === undefined) continue;
      throw new Violation(NAME, `a write was refused, and its value was seen: ${seen.where}`, [
        ...attempts.map(lineOfOperation), `${Math.round(seen.atMs)} seen at ${seen.where}`,
      ]);
    }
  }

  return {
    invariant: NAME,
    afterEvent() {
      eachAnswered((operation) => {
        if (!story.isRefused(operation) || story.actsOf(operation).length === 0) return;
        refused.push(operation);
        judge(operation);
      });
    },
    // What was seen only later, too.
    atRest: () => refused.forEach(judge),
  };
}
