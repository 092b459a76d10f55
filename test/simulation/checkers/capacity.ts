/**
 * `capacity` (P8, I-C, I33; PROTOCOL §5.5): per namespace and sidecar, the leases that live and
 * those whose endings the bus has not acknowledged are never more than the contract has room for.
 *
 * Counted from outside: a lease that was acknowledged holds its place until its ending has been
 * told, for only what was told can have been acknowledged. An entry that is written over goes on, and
 * takes up what it took: the ending of its lease has room in the outbox, not here. Forgiven: a restart, after which more
 * may be found than there is room for, and what was forgotten has no ending: the count begins anew;
 * namespaces that evict, which may owe a part more. At rest the status page says the same of itself.
 */
import { type Checker, Violation } from './checker.ts';
import { documentOf, isDone, lineOfOperation, numberOf, textOf, type Told } from './reading.ts';
import { newOnes, type Room } from './room.ts';
import type { Operation } from '../history/operation.ts';

const NAME = 'capacity';

interface Held {
  run: number;
  readonly leases: Set<string>;
  /** By key, where the lease is the entry's own. */
  readonly ofKey: Map<string, string>;
}

export function capacity({ world, story, rest }: Room): Checker {
  const eachTold = newOnes(story.told);
  const eachAnswered = newOnes(world.history.answered);
  const held = new Map<string, Held>();
  const over = new Set<string>();

  function take(operation: Operation, namespaceName: string, lease: string, key?: string): void {
    const { sidecar, run } = operation;
    const namespace = story.namespace(namespaceName);
    if (namespace === undefined || namespace.capacity.evicts || over.has(lease)) return;
    // The ending of a lease that came with an entry is the entry's.
    const what = story.leases.get(lease)?.isExplicit === true ? 'leases' : 'entries';
    const name = `${sidecar} ${namespaceName} ${what}`;
    let holding = held.get(name);
    if (holding === undefined || holding.run < run) {
      holding = { run, leases: new Set(), ofKey: new Map() };
      held.set(name, holding);
    }
    if (holding.run !== run) return;
    holding.leases.add(lease);
    if (key !== undefined && what === 'entries') {
      const before = holding.ofKey.get(key);
      if (before !== undefined && before !== lease) holding.leases.delete(before);
      holding.ofKey.set(key, lease);
    }
    const room = namespace.capacity[what];
    if (holding.leases.size <= room) return;
    const detail = `${sidecar} ${namespaceName} holds ${holding.leases.size} ${what}, and has room for ${room}`;
    throw new Violation(NAME, detail, [lineOfOperation(operation)]);
  }

  function judge(operation: Operation): void {
    const { asked, answer } = operation;
    if (!isDone(operation)) return;
    if (asked.kind === 'grant') {
      const id = textOf(documentOf(answer!.document), 'id');
      if (id !== undefined) take(operation, asked.namespace, id);
    }
    for (const act of story.actsOf(operation)) {
      if (act.outcome === 'done' && act.lease !== undefined) take(operation, act.asked.namespace, act.lease, act.asked.key);
    }
  }

  function free({ what, data }: Told): void {
    const id = textOf(data, 'lease');
    if (id === undefined || !what.endsWith('.ended')) return;
    // An entry's ending leaves an explicit lease alone.
    const lease = story.leases.get(id);
    if (what === 'entry.ended' && lease?.isExplicit === true) return;
    over.add(id);
    for (const { leases } of held.values()) leases.delete(id);
  }

  return {
    invariant: NAME,
    afterEvent() {
      eachTold(free);
      eachAnswered(judge);
    },
    atRest() {
      for (const sidecar of rest.running) {
        const namespaces = rest.status(sidecar)?.['namespaces'];
        if (!Array.isArray(namespaces)) continue;
        for (const each of namespaces) {
          const found = documentOf(each);
          const contract = story.namespace(textOf(found, 'name') ?? '');
          const room = contract?.capacity;
          if (room === undefined) continue;
          for (const what of ['leases', 'entries'] as const) {
            const count = numberOf(found, what) ?? 0;
            if (count <= room[what]) continue;
            const detail = `${sidecar.name} holds ${count} ${what} of ${contract!.name}, and has room for ${room[what]}`;
            throw new Violation(NAME, detail);
          }
        }
      }
    },
  };
}
