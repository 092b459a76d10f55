/** Does several things in one request, all or none of them. */
import type { Delete, Increment, Write } from '../../history/operation.ts';
import { type Contract, someTtlMs, takesValues } from '../contract.ts';
import type { Session } from '../session.ts';

const OPERATIONS_MAX = 5;

export async function batch(session: Session): Promise<void> {
  const { chance } = session;
  for (;;) {
    await session.think();
    const contract = session.namespace(takesValues);
    const operations: (Write | Delete | Increment)[] = [];
    for (let left = 1 + chance.integer(OPERATIONS_MAX); left > 0; left--) {
      operations.push(await prepared(session, contract));
    }
    await session.insist({ kind: 'batch', operations });
  }
}

async function prepared(session: Session, contract: Contract): Promise<Write | Delete | Increment> {
  const { chance } = session;
  const namespace = contract.name;
  const ttl = chance.happens(0.6) ? { ttlMs: someTtlMs(chance, contract) } : {};
  const what = chance.weighted([['put', 6], ['delete', 2], ['increment', 2]] as const);
  if (what === 'increment') {
    return { kind: 'increment', namespace, key: session.counter(), by: 1 + chance.integer(5), ...ttl };
  }
  const place = { namespace, key: session.key() };
  if (chance.happens(0.4)) await session.insist({ kind: 'get', ...place });
  const context = session.contexts.of(place);
  return what === 'delete'
    ? { kind: 'delete', ...place, ...context }
    : { kind: 'put', ...place, value: session.value(), ...context, ...ttl };
}
