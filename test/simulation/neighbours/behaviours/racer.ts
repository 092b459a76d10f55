/** Asks two sidecars for the same key at the same time, and looks at both who has won. */
import { type Contract, someTtlMs, takesValues } from '../contract.ts';
import type { Serving } from '../http-exchange.ts';
import type { Session } from '../session.ts';

const SETTLES_MS = 400;

export async function race(session: Session): Promise<void> {
  const { chance, neighbourhood } = session;
  for (;;) {
    await session.think();
    const contract = session.namespace(takesValues, hasOneWinner);
    const place = { namespace: contract.name, key: session.key() };
    const ttlMs = someTtlMs(chance, contract);
    const onlyFirst = chance.happens(0.5) ? { ifAbsent: true } : {};
    const write = (sidecar: Serving) =>
      session.attempt({ kind: 'put', ...place, value: session.value(), ttlMs, ...onlyFirst }, sidecar);
    const runners = [session.sidecar, chance.pick(neighbourhood.sidecars)];
    await Promise.all(runners.map(write));
    if (chance.happens(0.5)) await session.wait(chance.wait(SETTLES_MS));
    for (const sidecar of runners) await session.attempt({ kind: 'get', ...place }, sidecar);
  }
}

function hasOneWinner({ conflict }: Contract): boolean {
  return conflict === 'firstWins';
}
