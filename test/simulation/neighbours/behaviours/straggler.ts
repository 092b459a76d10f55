/**
 * Comes too late, and with what is out of date: renews and releases what is over, writes under it,
 * asks for versions that were replaced, deletes by what it saw long ago. It is to be refused, or
 * to have no more effect than what it has seen.
 */
import type { Answer, Delete, Write } from '../../history/operation.ts';
import { type Contract, someTtlMs, takesValues } from '../contract.ts';
import type { Session } from '../session.ts';

const TTL_MAX_MS = 3_000;

export async function straggle(session: Session): Promise<void> {
  const { chance } = session;
  for (;;) {
    await session.think();
    const contract = session.namespace(takesValues);
    if (chance.happens(0.5)) await outliveLease(session, contract);
    else await outliveVersion(session, contract);
  }
}

/** Goes on with a lease that has expired, or that it has released. */
async function outliveLease(session: Session, contract: Contract): Promise<void> {
  const { chance } = session;
  const namespace = contract.name;
  const ttlMs = someTtlMs(chance, contract, TTL_MAX_MS);
  const granted = await session.insist({
    kind: 'grant', namespace, ttlMs, holder: session.name, idempotencyKey: session.idempotencyKey(),
  });
  const lease = (granted.document as { readonly id?: string } | undefined)?.id;
  if (lease === undefined) return;
  const place = { namespace, key: chance.happens(0.5) ? session.ownKey() : session.key() };
  const write = (): Write => ({
    kind: 'put', ...place, value: session.value(), lease, ...session.contexts.of(place),
  });
  await session.insist(write());
  if (chance.happens(0.5)) await session.insist({ kind: 'release', lease });
  else await session.wait(ttlMs * chance.between(0.95, 1.6));
  for (let times = 1 + chance.integer(4); times > 0; times--) {
    const what = chance.weighted([['renew', 3], ['release', 3], ['get-lease', 1], ['put', 1]] as const);
    await session.insist(what === 'put' ? write() : { kind: what, lease });
    if (chance.happens(0.5)) await session.insist({ kind: 'get', ...place });
    if (chance.happens(0.5)) await session.think();
  }
}

/** Goes on with a version that it has replaced itself, or that others have replaced meanwhile. */
async function outliveVersion(session: Session, contract: Contract): Promise<void> {
  const { chance } = session;
  const place = { namespace: contract.name, key: chance.happens(0.5) ? session.ownKey() : session.key() };
  const write = (): Write => ({
    kind: 'put', ...place, value: session.value(), ttlMs: someTtlMs(chance, contract),
  });
  const first = chance.happens(0.5)
    ? await session.insist({ ...write(), ...session.contexts.of(place) })
    : await session.insist({ kind: 'get', ...place });
  const old = outOf(first, chance.happens(0.6));
  if (old === undefined) return;
  // With what it has seen, or as one who has seen nothing.
  if (chance.happens(0.7)) await session.insist({ ...write(), ...(chance.happens(0.5) ? session.contexts.of(place) : {}) });
  await session.think();
  for (let times = 1 + chance.integer(2); times > 0; times--) {
    const asked: Write | Delete = chance.happens(0.5)
      ? { ...write(), ...old } : { kind: 'delete', ...place, ...old };
    await session.insist(asked);
    await session.insist({ kind: 'get', ...place });
  }
}

function outOf({ etag, context }: Answer, byVersion: boolean): { readonly ifMatch?: string; readonly context?: string } | undefined {
  if (byVersion) return etag === undefined ? undefined : { ifMatch: etag };
  return context === undefined ? undefined : { context };
}
