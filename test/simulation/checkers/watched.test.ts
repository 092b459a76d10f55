import { describe, expect, test } from 'vitest';
import type { WatchedEvent } from '../neighbours/watched.ts';
import { ACTOR, OTHER, ToldWorld } from './told-world.ts';
import { watchedInOrder } from './watched-in-order.ts';

type What =
  | { readonly sees: number; readonly of?: string; readonly namespace?: string }
  | { readonly opens?: number; readonly namespace?: string }
  | { readonly resyncsTo: number };

/** What one connection of `client` was sent. */
function connection(client: string, number: number, ...all: readonly What[]): WatchedEvent[] {
  const where = { atMs: 0, client, session: `${client}.1`, sidecar: 's1', run: 1, connection: number };
  return all.map((what): WatchedEvent => {
    if ('sees' in what) {
      const { sees, of = ACTOR, namespace = 'jobs' } = what;
      const event = { data: { namespace } };
      return { ...where, kind: 'event', cursor: `${of}.${sees}`, type: 'leasehold.entry.created.v1', event };
    }
    if ('resyncsTo' in what) {
      const to = `${ACTOR}.${what.resyncsTo}`;
      return { ...where, kind: 'resync', cursor: to, from: `${ACTOR}.1`, to, reason: 'fell-behind' };
    }
    const { opens, namespace } = what;
    return { ...where, kind: 'opened', since: opens === undefined ? undefined : `${ACTOR}.${opens}`, namespace };
  });
}

function worldOf(...connections: readonly WatchedEvent[][]): ToldWorld {
  const world = new ToldWorld(watchedInOrder);
  world.watched.push(...connections);
  return world;
}

describe('watched-in-order', () => {
  test('takes numbers that nobody has seen, another run, another namespace, and a gap that was told', () => {
    worldOf(
      connection('c1', 1, {}, { sees: 1 }, { sees: 2 }, { sees: 5 }, { sees: 6 }, { sees: 1, of: OTHER }),
      connection('c2', 1, {}, { sees: 1 }, { resyncsTo: 5 }, { sees: 6 }),
      connection('c3', 1, { namespace: 'claims' }, { sees: 1, namespace: 'claims' }, { sees: 9, namespace: 'claims' }),
      connection('c3', 2, { opens: 5 }, { sees: 6 }),
    ).rest();
  });

  test('catches what was left out, within a connection and where one goes on', () => {
    const whole = connection('c1', 1, {}, { sees: 1 }, { sees: 2 }, { sees: 3 });
    const slow = connection('c2', 1, {}, { sees: 1 }, { sees: 3 });
    expect(() => worldOf(whole, slow).rest()).toThrow(`c2 was not told of ${ACTOR}.2`);
    const later = connection('c2', 2, { opens: 1 }, { sees: 3 });
    expect(() => worldOf(whole, later).rest()).toThrow(`c2 was not told of ${ACTOR}.2`);
  });

  test('catches what came twice, or in another order', () => {
    expect(() => worldOf(connection('c1', 1, {}, { sees: 2 }, { sees: 2 })).rest()).toThrow('saw 2 after 2');
    expect(() => worldOf(connection('c1', 1, { opens: 4 }, { sees: 3 })).rest()).toThrow('saw 3 after 4');
  });
});
