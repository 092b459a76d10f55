/**
 * Asks for the same thing again, under the same Idempotency-Key: at once, beside the first, as some
 * networks do; or much later, as one does who was restarted and knows only what he wanted.
 */
import type { Asked } from '../../history/operation.ts';
import { addsUp, someTtlMs, takesValues } from '../contract.ts';
import type { Session } from '../session.ts';

const TIMES_MAX = 4;
const LATER_MS = 4_000;

export async function repeat(session: Session): Promise<void> {
  const { chance, neighbourhood } = session;
  for (;;) {
    await session.think();
    const asked = wish(session);
    const { sidecar } = session;
    const intent = neighbourhood.history.operations.length;
    const first = session.attempt(asked, sidecar, intent);
    if (chance.happens(0.5)) await first;
    for (let times = 1 + chance.integer(TIMES_MAX); times > 0; times--) {
      if (chance.happens(0.6)) await session.wait(chance.wait(LATER_MS));
      const again = session.attempt(asked, sidecar, intent);
      if (chance.happens(0.7)) await again;
    }
    await first;
  }
}

function wish(session: Session): Asked {
  const { chance } = session;
  const what = chance.weighted([['grant', 2], ['put', 3], ['increment', 2]] as const);
  const contract = what === 'increment'
    ? session.namespace(() => true, addsUp) : session.namespace(takesValues);
  const common = {
    namespace: contract.name, ttlMs: someTtlMs(chance, contract), idempotencyKey: session.idempotencyKey(),
  };
  switch (what) {
    case 'grant':
      return { kind: what, ...common, holder: session.name };
    case 'put':
      return { kind: what, ...common, key: session.key(), value: session.value() };
    case 'increment':
      return { kind: what, ...common, key: session.counter(), by: 1 };
  }
}
