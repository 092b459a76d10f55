/**
 * Takes all there is: fills a namespace until it is refused, lets everything go, and fills it again,
 * however far behind the bus may be with what has ended.
 */
import { someTtlMs, takesValues } from '../contract.ts';
import type { Session } from '../session.ts';

const KEYS = 40;
const ROUNDS_MAX = 4;
const LONG_TTL_MS = 30_000;
const SHORT_TTL_MS = 1_500;

export async function hoard(session: Session): Promise<void> {
  const { chance } = session;
  for (;;) {
    await session.think();
    const contract = session.namespace(takesValues);
    const namespace = contract.name;
    const isShort = chance.happens(0.4);
    for (let rounds = 1 + chance.integer(ROUNDS_MAX); rounds > 0; rounds--) {
      const held: string[] = [];
      while (held.length < KEYS) {
        const key = `${session.client}/h${held.length}`;
        const ttlMs = someTtlMs(chance, contract, isShort ? SHORT_TTL_MS : LONG_TTL_MS);
        const { answer } = await session.attempt({ kind: 'put', namespace, key, value: session.value(), ttlMs });
        if (answer!.status !== 201 && answer!.status !== 204) break;
        held.push(key);
      }
      if (isShort) await session.wait(SHORT_TTL_MS);
      else for (const key of held) await session.attempt({ kind: 'delete', namespace, key });
    }
  }
}
