/**
 * Who writes something that lasts, at each sidecar, once all is well: what most clients write is over
 * before anybody looks at what is left, and mirrors that lack what is not there lack nothing.
 */
import { takesValues } from './contract.ts';
import { type Neighbourhood, Session } from './session.ts';

/** Longer than a run goes on from there. */
const LASTS_MS = 55_000;

export function moveIn(neighbourhood: Neighbourhood): void {
  const { kernel, sidecars, namespaces } = neighbourhood;
  for (const sidecar of sidecars) {
    const client = `resident ${sidecar.name}`;
    const session = new Session({
      neighbourhood, client, sidecar,
      number: 1, watched: [],
      chance: kernel.chance.fork(client),
    });
    for (const contract of namespaces) {
      const { name: namespace, ttl } = contract;
      const ttlMs = Math.min(ttl.maxMs, LASTS_MS);
      const key = `resident/${sidecar.name}`;
      session.begin(
        takesValues(contract)
          ? ask(session, { kind: 'put', namespace, key, ttlMs, value: session.value() })
          : ask(session, { kind: 'increment', namespace, key, ttlMs, by: 1 }),
      );
    }
  }
}

async function ask(session: Session, asked: Parameters<Session['insist']>[0]): Promise<void> {
  await session.insist(asked);
}
