/** Counts: adds to numbers that others add to as well, each time once, whatever becomes of answers. */
import { addsUp, someTtlMs } from '../contract.ts';
import type { Session } from '../session.ts';

const BY_MAX = 5;

export async function count(session: Session): Promise<void> {
  const { chance } = session;
  for (;;) {
    await session.think();
    const contract = session.namespace(() => true, addsUp);
    const place = { namespace: contract.name, key: session.counter() };
    if (chance.happens(0.25)) {
      await session.insist({ kind: 'get', ...place });
      continue;
    }
    await session.insist({
      kind: 'increment', ...place,
      by: 1 + chance.integer(BY_MAX),
      idempotencyKey: session.idempotencyKey(),
      ...(chance.happens(0.5) ? { ttlMs: someTtlMs(chance, contract) } : {}),
    });
  }
}
