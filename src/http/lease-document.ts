/** A lease as clients read it: instants of the timeline become wall-clock time here. */
import type { LeaseView, RenewReply } from '../core/command.ts';
import type { Service } from '../engine/service.ts';

function rfc3339(service: Service, instant: number): string {
  return new Date(service.toWallMs(instant)).toISOString();
}

export function documentOfLease(lease: LeaseView, service: Service): Record<string, unknown> {
  const document: Record<string, unknown> = {
    id: lease.id,
    namespace: lease.namespace,
    holder: lease.holder,
    state: lease.state,
    ttlMs: lease.ttlMs,
    remainingMs: lease.remainingMs,
    safeForMs: lease.safeForMs,
    grantedAt: rfc3339(service, lease.grantedAt),
    renewedAt: rfc3339(service, lease.renewedAt),
    expiresAt: rfc3339(service, lease.expiresAt),
    renewals: lease.renewals,
    entries: lease.entries,
    labels: lease.labels,
  };
  if (lease.stretched === true) document['stretched'] = true;
  if (lease.reason !== undefined) document['reason'] = lease.reason;
  if (lease.endedAt !== undefined) document['endedAt'] = rfc3339(service, lease.endedAt);
  return document;
}

export function documentOfRenewal(reply: RenewReply, service: Service): Record<string, unknown> {
  const document = documentOfLease(reply.lease, service);
  if (reply.capped) document['capped'] = true;
  return document;
}
