/** Deletes what others wrote: what it has just read, that version of it alone, or blindly. */
import { takesValues } from '../contract.ts';
import type { Session } from '../session.ts';

export async function remove(session: Session): Promise<void> {
  const { chance } = session;
  for (;;) {
    await session.think();
    const place = { namespace: session.namespace(takesValues).name, key: session.key() };
    const how = chance.weighted([['seen', 5], ['version', 3], ['blindly', 2]] as const);
    if (how === 'blindly') {
      await session.insist({ kind: 'delete', ...place });
    } else {
      const { etag } = await session.insist({ kind: 'get', ...place });
      if (etag === undefined) continue;
      if (chance.happens(0.3)) await session.think();
      const version = how === 'version' ? { ifMatch: etag } : {};
      await session.insist({ kind: 'delete', ...place, ...session.contexts.of(place), ...version });
    }
    if (chance.happens(0.5)) await session.insist({ kind: 'get', ...place });
  }
}
