/**
 * `watched-in-order` (I11): whoever follows the events of a sidecar sees them by their numbers, each
 * once in a connection, and none is left out that others who follow the same run have seen: unless
 * it is told of a gap first (`resync`). A connection that goes on after a cursor begins right there.
 *
 * Numbers have gaps of their own, since not every fact is an event: so what was left out is judged
 * at rest, by what all connections have seen. Nothing is forgiven.
 */
import type { WatchedEvent } from '../neighbours/watched.ts';
import { type Checker, Violation } from './checker.ts';
import type { Room } from './room.ts';

const NAME = 'watched-in-order';

interface Place {
  readonly actor: string;
  readonly sequence: number;
}

export function watchedInOrder({ world }: Room): Checker {
  /** By run of a sidecar and number, everything that anybody has seen of it. */
  function seenByAll(all: readonly WatchedEvent[]): Map<string, Map<number, WatchedEvent>> {
    const seen = new Map<string, Map<number, WatchedEvent>>();
    for (const each of all) {
      if (each.kind !== 'event') continue;
      const { actor, sequence } = placeOf(each.cursor);
      const ofRun = seen.get(actor) ?? new Map<number, WatchedEvent>();
      seen.set(actor, ofRun.set(sequence, each));
    }
    return seen;
  }

  function judge(connection: readonly WatchedEvent[], seen: ReturnType<typeof seenByAll>): void {
    let before: Place | undefined;
    let namespace: string | undefined;
    for (const each of connection) {
      if (each.kind === 'opened') {
        namespace = each.namespace;
        before = each.since === undefined ? undefined : placeOf(each.since);
      } else if (each.kind === 'resync') {
        before = placeOf(each.to);
      } else if (each.kind === 'event') {
        const place = placeOf(each.cursor);
        if (before?.actor === place.actor) judgeStep(before, place, namespace, each, seen.get(place.actor)!);
        before = place;
      }
    }
  }

  function judgeStep(
    before: Place, place: Place, namespace: string | undefined, now: WatchedEvent,
    seen: ReadonlyMap<number, WatchedEvent>,
  ): void {
    if (place.sequence <= before.sequence) {
      throw new Violation(NAME, `${now.client} saw ${place.sequence} after ${before.sequence}`, [lineOf(now)]);
    }
    for (let number = before.sequence + 1; number < place.sequence; number++) {
      const missed = seen.get(number);
      if (missed === undefined || (namespace !== undefined && namespaceOf(missed) !== namespace)) continue;
      throw new Violation(NAME, `${now.client} was not told of ${place.actor}.${number}, nor of a gap`, [
        lineOf(missed), lineOf(now),
      ]);
    }
  }

  return {
    invariant: NAME,
    atRest() {
      const all = world.watched.flat();
      const seen = seenByAll(all);
      const connections = Map.groupBy(all, ({ client, connection }) => `${client} ${connection}`);
      for (const connection of connections.values()) judge(connection, seen);
    },
  };
}

function placeOf(cursor: string): Place {
  const [actor = '', sequence = ''] = cursor.split('.');
  return { actor, sequence: Number(sequence) };
}

function namespaceOf(each: WatchedEvent): unknown {
  return each.kind === 'event' ? (each.event['data'] as { readonly namespace?: string })['namespace'] : undefined;
}

function lineOf(each: WatchedEvent): string {
  const what = each.kind === 'event' ? `${each.cursor} ${each.type}` : each.kind;
  return `${Math.round(each.atMs)} ${each.client} at ${each.sidecar}, connection ${each.connection}: ${what}`;
}
