/**
 * `bounded-outbox` (P8; PROTOCOL §10.2, at quiescence): everything has been told and acknowledged,
 * so nothing waits in an outbox, and what it may hold is finite. Forgiven: what has just been told, as
 * somewhere a deadline may have come while that was asked.
 */
import { type Checker, Violation } from './checker.ts';
import { documentOf, numberOf } from './reading.ts';
import type { Room } from './room.ts';

const NAME = 'bounded-outbox';
const JUST_MS = 1_000;

export function boundedOutbox({ rest }: Room): Checker {
  return {
    invariant: NAME,
    atRest() {
      for (const sidecar of rest.running) {
        const outbox = documentOf(rest.status(sidecar)?.['outbox']);
        const depth = numberOf(outbox, 'depth') ?? 0;
        const streams = documentOf(documentOf(outbox?.['publisher'])?.['streams']);
        const ages = ['endings', 'events'].map((name) => numberOf(documentOf(streams?.[name]), 'oldestAgeMs'));
        if (depth === 0 || (streams !== undefined && ages.every((ageMs) => (ageMs ?? 0) < JUST_MS))) continue;
        const detail = `${depth} events wait in the outbox of ${sidecar.name}, and nothing is broken`;
        throw new Violation(NAME, detail, [JSON.stringify(outbox)]);
      }
    },
  };
}
