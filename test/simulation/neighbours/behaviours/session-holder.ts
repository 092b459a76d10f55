/**
 * Holds an explicit lease with entries under it, as a service does for somebody who is logged in.
 * In the end it releases the lease, hands it over, or falls silent: then the lease must expire.
 */
import { someTtlMs, takesValues } from '../contract.ts';
import { granted, type HeldLease, isUsable, keepAlive, learn } from '../held-lease.ts';
import type { Session } from '../session.ts';

const ENTRIES_MAX = 4;

export async function holdSessions(session: Session): Promise<void> {
  const { chance } = session;
  for (;;) {
    await session.think();
    const contract = session.namespace(takesValues);
    const lease = await granted(session, contract, someTtlMs(chance, contract));
    if (lease === undefined) continue;
    session.begin(keepAlive(session, lease));
    const keys = Array.from({ length: 1 + chance.integer(ENTRIES_MAX) }, () =>
      chance.happens(0.5) ? session.ownKey() : session.key(),
    );
    const untilMs = session.nowMs + lease.ttlMs * chance.between(0.5, 4);
    while (session.nowMs < untilMs && isUsable(session, lease)) {
      await use(session, contract.name, chance.pick(keys), lease);
      await session.think();
    }
    await leave(session, contract.name, keys, lease);
  }
}

async function use(session: Session, namespace: string, key: string, lease: HeldLease): Promise<void> {
  const what = session.chance.weighted([['put', 5], ['get', 3], ['get-lease', 2]] as const);
  if (what === 'get') {
    await session.insist({ kind: 'get', namespace, key });
  } else if (what === 'get-lease') {
    const sentAtMs = session.nowMs;
    const answer = await session.insist({ kind: 'get-lease', lease: lease.id });
    if ((answer.document as { readonly state?: string } | undefined)?.state === 'ended') lease.isLost = true;
    else learn(lease, answer, sentAtMs);
  } else {
    const answer = await session.insist({
      kind: 'put', namespace, key,
      value: session.value(),
      lease: lease.id,
      idempotencyKey: session.idempotencyKey(),
      ...session.contexts.of({ namespace, key }),
    });
    if (answer.code === 'lease-ended' || answer.code === 'lease-not-found') lease.isLost = true;
  }
}

async function leave(
  session: Session,
  namespace: string,
  keys: readonly string[],
  lease: HeldLease,
): Promise<void> {
  const { chance } = session;
  if (lease.isLost || chance.happens(0.35)) {
    // Silence: what was under the lease must go by itself.
    lease.isKept = false;
    await session.wait(lease.ttlMs * chance.between(0.9, 1.6));
    await session.insist({ kind: 'get-lease', lease: lease.id });
    for (const key of keys) await session.insist({ kind: 'get', namespace, key });
    return;
  }
  if (chance.happens(0.2)) {
    await session.insist({ kind: 'transfer', lease: lease.id, holder: `${session.name}-heir` });
    await session.think();
  }
  lease.isKept = false;
  await session.insist({ kind: 'release', lease: lease.id });
  if (chance.happens(0.5)) await session.insist({ kind: 'get', namespace, key: keys[0]! });
}
