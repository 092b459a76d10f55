/**
 * Reads, thinks, and writes what it made of that, with the context of its reading: so what it has not
 * seen is not written over where concurrent values are kept. Where it sees several, it writes one.
 */
import { keepsSiblings, someTtlMs, takesValues } from '../contract.ts';
import type { Session } from '../session.ts';

export async function edit(session: Session): Promise<void> {
  const { chance } = session;
  for (;;) {
    await session.think();
    const contract = session.namespace(takesValues, keepsSiblings);
    const place = { namespace: contract.name, key: session.key() };
    const read = await session.insist({ kind: 'get', ...place });
    if (read.status !== 200 && read.status !== 300 && read.status !== 404) continue;
    if (chance.happens(0.5)) await session.think();
    const isCareful = read.etag !== undefined && chance.happens(0.3);
    await session.insist({
      kind: 'put', ...place,
      value: session.value(),
      idempotencyKey: session.idempotencyKey(),
      ...session.contexts.of(place),
      ...(isCareful ? { ifMatch: read.etag! } : {}),
      ...(chance.happens(0.6) ? { ttlMs: someTtlMs(chance, contract) } : {}),
    });
    // Its own write, as it is there now; and one more on top without looking.
    if (chance.happens(0.5)) await session.insist({ kind: 'get', ...place });
    if (chance.happens(0.3)) {
      await session.insist({ kind: 'put', ...place, value: session.value(), ...session.contexts.of(place) });
    }
  }
}
