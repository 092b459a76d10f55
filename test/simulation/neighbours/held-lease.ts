/** An explicit lease as a good holder holds it: renewed at a third, not used when it may be over. */
import type { Answer } from '../history/operation.ts';
import type { Contract } from './contract.ts';
import type { Session } from './session.ts';

export interface HeldLease {
  readonly id: string;
  readonly ttlMs: number;
  /** Until then it is certainly the holder's. */
  safeUntilMs: number;
  /** The holder goes on renewing it. */
  isKept: boolean;
  /** The sidecar has said that it is no more. */
  isLost: boolean;
}

interface LeaseDocument {
  readonly id: string;
  readonly safeForMs: number;
}

/** undefined: it was not granted. */
export async function granted(
  session: Session,
  contract: Contract,
  ttlMs: number,
): Promise<HeldLease | undefined> {
  const sentAtMs = session.nowMs;
  const answer = await session.insist({
    kind: 'grant',
    namespace: contract.name,
    ttlMs,
    holder: session.name,
    idempotencyKey: session.idempotencyKey(),
  });
  if (answer.status !== 201 && answer.status !== 200) return undefined;
  const { id, safeForMs } = answer.document as LeaseDocument;
  // Counted from the first attempt: which of them the answer is to, nobody knows.
  return { id, ttlMs, safeUntilMs: sentAtMs + safeForMs, isKept: true, isLost: false };
}

export function isUsable(session: Session, lease: HeldLease): boolean {
  return !lease.isLost && session.nowMs < lease.safeUntilMs;
}

/** Renews until the holder stops, or there is nothing left to renew. */
export async function keepAlive(session: Session, lease: HeldLease): Promise<void> {
  for (;;) {
    await session.wait((lease.ttlMs / 3) * session.chance.between(0.8, 1.1));
    if (!lease.isKept || lease.isLost) return;
    await renewed(session, lease);
  }
}

async function renewed(session: Session, lease: HeldLease): Promise<void> {
  const sentAtMs = session.nowMs;
  const ttl = session.chance.happens(0.2) ? { ttlMs: lease.ttlMs } : {};
  const answer = await session.insist({ kind: 'renew', lease: lease.id, ...ttl }, lease.safeUntilMs);
  learn(lease, answer, sentAtMs);
  if (answer.status !== 200 && session.nowMs >= lease.safeUntilMs) lease.isLost = true;
}

/** Whatever was asked with the lease: 404 and 410 say that it is no more. */
export function learn(lease: HeldLease, { status, document }: Answer, sentAtMs: number): void {
  if (status === 404 || status === 410) {
    lease.isLost = true;
  } else if (status === 200) {
    const { safeForMs } = document as LeaseDocument;
    lease.safeUntilMs = Math.max(lease.safeUntilMs, sentAtMs + safeForMs);
  }
}
