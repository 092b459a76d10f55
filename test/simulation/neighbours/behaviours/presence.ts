/** Says again and again that it is there: an entry with a short life, put anew long before its end. */
import { isInMemory, someTtlMs, takesValues } from '../contract.ts';
import type { Session } from '../session.ts';

/** Presence that lasts longer is of no use. */
const TTL_MAX_MS = 5_000;

export async function showPresence(session: Session): Promise<void> {
  const { chance } = session;
  for (;;) {
    await session.think();
    const contract = session.namespace(takesValues, isInMemory);
    const place = {
      namespace: contract.name,
      key: chance.happens(0.7) ? session.ownKey() : session.key(),
    };
    const ttlMs = someTtlMs(chance, contract, TTL_MAX_MS);
    for (let times = 1 + chance.integer(12); times > 0; times--) {
      await session.insist(
        { kind: 'put', ...place, value: session.value(), ttlMs, ...session.contexts.of(place) },
        session.nowMs + ttlMs,
      );
      await session.wait((ttlMs / 3) * chance.between(0.8, 1.1));
      if (chance.happens(0.2)) await session.insist({ kind: 'get', ...place });
    }
    // Gone, without a word or with one.
    if (chance.happens(0.3)) {
      await session.insist({ kind: 'delete', ...place, ...session.contexts.of(place) });
    } else {
      await session.wait(ttlMs * chance.between(0.7, 1.5));
      await session.insist({ kind: 'get', ...place });
    }
  }
}
