/**
 * `bounded-outbox` (P8; PROTOCOL §10.2, at quiescence): everything has been told and acknowledged,
 * so nothing waits in an outbox, and what it may hold is finite. Nothing is forgiven at rest.
 */
import { type Checker, Violation } from './checker.ts';
import { documentOf, numberOf } from './reading.ts';
import type { Room } from './room.ts';

const NAME = 'bounded-outbox';

export function boundedOutbox({ rest }: Room): Checker {
  return {
    invariant: NAME,
    atRest() {
      for (const sidecar of rest.running) {
        const outbox = documentOf(rest.status(sidecar)?.['outbox']);
        const depth = numberOf(outbox, 'depth') ?? 0;
        if (depth === 0) continue;
        const detail = `${depth} events wait in the outbox of ${sidecar.name}, and nothing is broken`;
        throw new Violation(NAME, detail, [JSON.stringify(outbox)]);
      }
    },
  };
}
