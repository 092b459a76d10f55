/**
 * Claims jobs: writes its name where there is none, works, says that it still does, and takes the
 * name away. Who comes too late looks who was first, and sometimes takes over what it saw.
 */
import type { Answer } from '../../history/operation.ts';
import { outlivesHosts, someTtlMs, takesValues } from '../contract.ts';
import type { Session } from '../session.ts';

interface Job {
  readonly namespace: string;
  readonly key: string;
  readonly ttlMs: number;
}

export async function claimJobs(session: Session): Promise<void> {
  const { chance } = session;
  for (;;) {
    await session.think();
    const contract = session.namespace(takesValues, outlivesHosts);
    const job = { namespace: contract.name, key: session.key(), ttlMs: someTtlMs(chance, contract) };
    const claim = await put(session, job, { ifAbsent: true });
    if (isDone(claim)) {
      await work(session, job, claim.etag!);
    } else if (claim.code === 'version-mismatch') {
      const { namespace, key } = job;
      const { etag } = await session.insist({ kind: 'get', namespace, key });
      if (etag === undefined || !chance.happens(0.3)) continue;
      const takeover = await put(session, job, { ifMatch: etag });
      if (isDone(takeover)) await work(session, job, takeover.etag!);
    }
  }
}

async function work(session: Session, job: Job, claimed: string): Promise<void> {
  const { chance } = session;
  let etag = claimed;
  for (let steps = chance.integer(4); steps > 0; steps--) {
    await session.wait((job.ttlMs / 3) * chance.between(0.8, 1.1));
    const answer = await put(session, job, { ifMatch: etag });
    // Somebody else has it, or nobody knows: not ours to work on.
    if (!isDone(answer)) return;
    etag = answer.etag!;
  }
  // Now and then it falls over its work.
  if (chance.happens(0.3)) return;
  const { namespace, key } = job;
  await session.insist({ kind: 'delete', namespace, key, ifMatch: etag });
}

function put(
  session: Session,
  { namespace, key, ttlMs }: Job,
  condition: { readonly ifAbsent: true } | { readonly ifMatch: string },
): Promise<Answer> {
  return session.insist({
    kind: 'put', namespace, key, ttlMs,
    value: session.value(),
    idempotencyKey: session.idempotencyKey(),
    ...condition,
  });
}

function isDone({ status }: Answer): boolean {
  return status === 201 || status === 204;
}
