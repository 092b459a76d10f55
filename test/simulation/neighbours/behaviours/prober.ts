/**
 * Looks to the last millisecond: reads and renews right before a deadline, and right behind it, where
 * a sidecar that is one tick off says something else than one that is not.
 */
import type { Asked } from '../../history/operation.ts';
import { someTtlMs, takesValues } from '../contract.ts';
import type { Session } from '../session.ts';

const TTL_MAX_MS = 2_000;
/** Around a deadline. */
const NEAR_MS = 15;
const LOOKS_MAX = 8;

export async function probe(session: Session): Promise<void> {
  const { chance } = session;
  for (;;) {
    await session.think();
    const { name: namespace, ttlMs, lease } = await leased(session);
    const { sidecar } = session;
    const place = { namespace, key: chance.happens(0.7) ? session.ownKey() : session.key() };
    const put: Asked = {
      kind: 'put', ...place, value: session.value(), ...session.contexts.of(place),
      ...(lease === undefined ? { ttlMs } : { lease }),
    };
    const { answer } = await session.attempt(put, sidecar);
    const remainingMs = Number(answer!.headers['leasehold-remaining-ms']);
    if (!(remainingMs > 0)) continue;
    await session.wait(Math.max(0, remainingMs - chance.between(0, NEAR_MS)));
    const renews = lease !== undefined && chance.happens(0.3);
    for (let looks = 1 + chance.integer(LOOKS_MAX); looks > 0; looks--) {
      await session.wait(chance.between(0.1, NEAR_MS / 4));
      await session.attempt({ kind: 'get', ...place }, sidecar);
      if (lease === undefined) continue;
      const what = renews && chance.happens(0.3) ? 'renew' : 'get-lease';
      await session.attempt({ kind: what, lease }, sidecar);
    }
  }
}

/** Where to write, and under what: now and then a lease of its own right. */
async function leased(
  session: Session,
): Promise<{ readonly name: string; readonly ttlMs: number; readonly lease: string | undefined }> {
  const { chance } = session;
  const contract = session.namespace(takesValues);
  const ttlMs = someTtlMs(chance, contract, TTL_MAX_MS);
  const { name } = contract;
  if (chance.happens(0.5)) return { name, ttlMs, lease: undefined };
  const { answer } = await session.attempt({ kind: 'grant', namespace: name, ttlMs, holder: session.name });
  return { name, ttlMs, lease: (answer!.document as { readonly id?: string } | undefined)?.id };
}
