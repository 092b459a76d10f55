/** Reads what others wrote, here and at other sidecars, one by one and page by page. */
import { takesValues } from '../contract.ts';
import type { Session } from '../session.ts';

export async function read(session: Session): Promise<void> {
  const { chance, neighbourhood } = session;
  for (;;) {
    await session.think();
    const contract = chance.pick(neighbourhood.namespaces);
    const namespace = contract.name;
    const sidecar = chance.happens(0.5) ? session.sidecar : chance.pick(neighbourhood.sidecars);
    const key = takesValues(contract) && chance.happens(0.8) ? session.key() : session.counter();
    if (chance.happens(0.2)) {
      const prefix = chance.pick(['', 'k', 'n']);
      await session.attempt({ kind: 'list', namespace, prefix }, sidecar);
    } else {
      await session.attempt({ kind: 'get', namespace, key }, sidecar);
      // Seen once, seen again, unless it has ended: at whichever sidecar.
      if (chance.happens(0.3)) await session.attempt({ kind: 'get', namespace, key });
    }
  }
}
