/**
 * Leaving in order: namespaces with `onDrain: release` end their leases now, as revoked; the
 * others keep theirs for the next run or the deadline to decide.
 */
import type { LeasePage } from '../core/command.ts';
import type { NamespaceContract } from '../core/contract.ts';
import type { Outcome, Service } from './service.ts';

const PAGE = 500;

export async function releaseOnDrain(
  service: Service,
  namespaces: readonly Pick<NamespaceContract, 'name' | 'onDrain'>[],
): Promise<number> {
  let released = 0;
  for (const { name, onDrain } of namespaces) {
    if (onDrain !== 'release') continue;
    for (;;) {
      const page = await listLive(service, name);
      for (const { id } of page.leases) {
        service.submit({ op: 'release', id, reason: 'revoked', cause: 'drain' }, () => {});
      }
      released += page.leases.length;
      if (page.last === undefined) break;
    }
  }
  return released;
}

/** The first page, each time anew: what it held has been ended since. */
function listLive(service: Service, namespace: string): Promise<LeasePage> {
  return new Promise((resolve, reject) => {
    service.submit(
      { op: 'list-leases', namespace, implicit: true, limit: PAGE },
      (outcome: Outcome) => {
        if ('leases' in outcome) resolve(outcome);
        else reject(new Error('Cannot list the leases to release'));
      },
    );
  });
}
