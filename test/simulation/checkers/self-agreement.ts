/**
 * `self-agreement` (SPEC P4): what a sidecar holds is what a restart would bring back. It compares both
 * itself when everything is over, and what it found in all of its last run must be nothing: in a run that
 * is well no disk loses anything, and no change is made that the journal was not told of.
 */
import { type Checker, Violation } from './checker.ts';
import { documentOf, numberOf } from './reading.ts';
import type { Room } from './room.ts';

const NAME = 'self-agreement';

export function selfAgreement({ rest }: Room): Checker {
  return {
    invariant: NAME,
    atRest() {
      for (const sidecar of rest.running) {
        const journal = documentOf(rest.status(sidecar)?.['journal']);
        // On a full disk there may be groups that wait for it.
        if (journal === undefined || journal['state'] !== 'ok') continue;
        const selfCheck = documentOf(journal['selfCheck']);
        const evidence = [JSON.stringify(selfCheck)];
        const differences = documentOf(selfCheck?.['differences']) ?? {};
        if (Object.values(differences).some((count) => count !== 0)) {
          throw new Violation(NAME, `the memory of ${sidecar.name} is not what its journal says`, evidence);
        }
        if ((numberOf(documentOf(selfCheck?.['outcomes']), 'same') ?? 0) > 0) continue;
        throw new Violation(NAME, `${sidecar.name} has not come to the end of comparing memory and journal`, evidence);
      }
    },
  };
}
