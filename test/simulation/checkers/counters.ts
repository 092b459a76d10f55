/**
 * `counters` (I12; PROTOCOL §3.5 rule 2): in a `counter` namespace the value of a key at rest is the
 * sum of what was added under leases that live. An increment without an answer may count or not;
 * the attempts of one wish with one Idempotency-Key at one sidecar count once.
 *
 * Where everything that was added surely still lives and is remembered, the sum is exact but for
 * increments without an answer. Else parts may have ended, each whole: the value lies between the
 * sum of everything negative and the sum of everything positive that may have been added.
 */
import { type Checker, Violation } from './checker.ts';
import { lineOfOperation } from './reading.ts';
import type { Room } from './room.ts';
import type { Act, Key } from './story.ts';

const NAME = 'counters';

interface Wish {
  readonly by: number;
  readonly acts: Act[];
}

export function counters({ world, story, rest, watch, clocks }: Room): Checker {
  function wishesOf(key: Key): Wish[] {
    const wishes = new Map<string, Wish>();
    for (const act of key.acts) {
      const { asked, operation } = act;
      if (asked.kind !== 'increment' || act.outcome === 'refused') continue;
      const isOnce = asked.idempotencyKey !== undefined;
      const name = isOnce ? `${operation.intent} ${operation.sidecar}` : `#${operation.id} ${wishes.size}`;
      const wish = wishes.get(name);
      if (wish === undefined) wishes.set(name, { by: asked.by, acts: [act] });
      else wish.acts.push(act);
    }
    return [...wishes.values()];
  }

  /** It was added, is remembered, and nothing has taken it away. */
  function surelyCounts(key: Key, { acts }: Wish): boolean {
    const act = acts.find(({ outcome }) => outcome === 'done');
    if (act?.lease === undefined) return false;
    const { sidecar, askedAtMs } = act.operation;
    const lease = story.leases.get(act.lease);
    if (lease === undefined || lease.endings.length > 0 || lease.releases.length > 0) return false;
    if (story.mayBeForgotten(sidecar, key.namespace, askedAtMs, world.nowMs)) return false;
    return story.surelyRemainsMs(lease, sidecar, world.nowMs) - clocks.ledgerForwardMs > 0;
  }

  /** Answers are remembered for so long only, and only as surely as the counter itself. */
  function mayCountTwice(key: Key, { acts }: Wish): boolean {
    const [first] = acts;
    if (acts.length < 2 || first === undefined) return false;
    const { sidecar, askedAtMs } = first.operation;
    const lastMs = acts.at(-1)!.operation.answer?.atMs ?? world.nowMs;
    if (lastMs - askedAtMs >= world.idempotencyMs) return true;
    return story.mayBeForgotten(sidecar, key.namespace, askedAtMs, lastMs);
  }

  function judge(key: Key): void {
    const wishes = wishesOf(key);
    const wasDeleted = key.acts.some(({ asked, outcome }) => asked.kind === 'delete' && outcome !== 'refused');
    let least = 0;
    let most = 0;
    for (const wish of wishes) {
      const { by } = wish;
      const times = mayCountTwice(key, wish) ? wish.acts.length : 1;
      const isSure = !wasDeleted && surelyCounts(key, wish);
      least += isSure ? Math.min(by, by * times) : Math.min(0, by * times);
      most += isSure ? Math.max(by, by * times) : Math.max(0, by * times);
    }
    for (const sidecar of rest.running) {
      const shown = rest.entry(sidecar, key.namespace.name, key.key);
      if (shown === undefined) continue;
      const value = shown.status === 404 ? 0 : Number(shown.values[0]);
      // Without a mirror one sidecar may show its own part alone; and so where the ledger refuses
      // what was written by a clock that was ahead.
      const isAhead = key.acts.some(({ operation }) => clocks.wroteAhead(operation.sidecar));
      const lower = key.namespace.mirror === 'all' && !isAhead ? least : Math.min(0, least);
      if (value <= most && value >= lower) continue;
      throw new Violation(NAME, `${key.name} counts ${value} at ${sidecar.name}, and ${least} to ${most} was added`, [
        ...key.acts.map(({ operation }) => lineOfOperation(operation)),
      ]);
    }
  }

  return {
    invariant: NAME,
    atRest() {
      // What comes back with an older ledger counts until its deadline, and is judged elsewhere.
      if (watch.lostSince(-Infinity)) return;
      for (const key of story.keys.values()) if (key.namespace.conflict === 'counter') judge(key);
    },
  };
}
