/**
 * `acknowledged-is-kept` (P4, P5; PROTOCOL §2.4 theorem 2, I-V3): what a sidecar has acknowledged,
 * that sidecar shows, until a write that had seen it (where the last writer wins: a later one), a
 * delete, or the end of its lease. A lease that was promised is known for as long.
 *
 * Forgiven: what the namespace's durability does not promise to survive (`memory` the process,
 * `journal` a power cut, `ledger` a power cut together with a loss at the ledger); evictions where
 * the namespace evicts; a deadline by the owner's own clock, including a wall clock put forward
 * over a restart; operations that may have taken effect although nobody was told.
 */
import { type Checker, Violation } from './checker.ts';
import { type Looked, whyGone } from './gone.ts';
import { documentOf, dotsOf, dotText, isDone, lineOfOperation, textOf } from './reading.ts';
import { newOnes, type Room } from './room.ts';
import type { Operation } from '../history/operation.ts';
import type { Act, Key } from './story.ts';

const NAME = 'acknowledged-is-kept';

export function acknowledgedIsKept(room: Room): Checker {
  const { world, story, rest } = room;
  const eachAnswered = newOnes(world.history.answered);
  /** By key, what may still have to be there. */
  const owed = new Map<string, Act[]>();

  function take(operation: Operation): void {
    for (const act of story.actsOf(operation)) {
      const { asked } = act;
      if (asked.kind !== 'put' || act.outcome !== 'done') continue;
      const key = story.keyOf(asked.namespace, asked.key);
      if (key === undefined) continue;
      const acts = owed.get(key.name);
      if (acts === undefined) owed.set(key.name, [act]);
      else acts.push(act);
    }
  }

  function judge(
    key: Key, sidecar: string, values: readonly string[], isOwed: (act: Act) => boolean,
    looked: Looked, shown: string,
  ): void {
    const acts = owed.get(key.name);
    if (acts === undefined) return;
    const left = acts.filter((act) => {
      if (act.operation.sidecar !== sidecar || !isOwed(act)) return true;
      if (act.asked.kind === 'put' && values.includes(act.asked.value)) return true;
      if (whyGone(room, key, act, looked) !== undefined) return false;
      throw new Violation(
        NAME, `${key.name} at ${sidecar} no longer shows what it acknowledged`,
        [...key.acts.map(({ operation }) => lineOfOperation(operation)), shown],
      );
    });
    owed.set(key.name, left);
  }

  function judgeGet(operation: Operation): void {
    const { asked, askedAtMs, sidecar } = operation;
    const answer = operation.answer!;
    if (asked.kind !== 'get') return;
    if (!isDone(operation) && answer.code !== 'entry-not-found') return;
    const key = story.keyOf(asked.namespace, asked.key);
    if (key === undefined || key.namespace.conflict === 'counter') return;
    const isOwed = (act: Act) => act.operation.answer!.atMs <= askedAtMs;
    const looked = { atMs: answer.atMs, isAtRest: false };
    judge(key, sidecar, answer.values ?? [], isOwed, looked, lineOfOperation(operation));
  }

  /** Whoever asked to match it was told that it is not there, or not any more. */
  function judgeMismatch(operation: Operation): void {
    const { asked, askedAtMs, sidecar } = operation;
    const answer = operation.answer!;
    if ((asked.kind !== 'put' && asked.kind !== 'delete') || asked.ifMatch === undefined) return;
    if (answer.code !== 'version-mismatch') return;
    const key = story.keyOf(asked.namespace, asked.key);
    if (key === undefined || key.namespace.conflict === 'siblings' || key.namespace.onExpire === 'revert') return;
    const matched = dotsOf(asked.ifMatch).map(dotText);
    const detail = textOf(documentOf(answer.document), 'detail') ?? '';
    for (const act of owed.get(key.name) ?? []) {
      if (act.operation.sidecar !== sidecar || act.operation.answer!.atMs > askedAtMs) continue;
      // After an isolation the same value is written again, in the name of another run (§2.5).
      if (act.dot !== undefined && !detail.includes(act.dot.actor)) continue;
      if (act.dot === undefined || !matched.includes(dotText(act.dot))) continue;
      if (whyGone(room, key, act, { atMs: answer.atMs, isAtRest: false }) !== undefined) continue;
      throw new Violation(
        NAME, `${key.name} at ${sidecar} does not match what it acknowledged`,
        [...key.acts.map((each) => lineOfOperation(each.operation)), lineOfOperation(operation)],
      );
    }
  }

  function judgeLease(operation: Operation): void {
    const { asked, askedAtMs, sidecar } = operation;
    const answer = operation.answer!;
    if (asked.kind !== 'renew' && asked.kind !== 'get-lease') return;
    if (answer.code !== 'lease-not-found') return;
    const lease = story.leases.get(asked.lease);
    const promise = lease?.promises.findLast(
      ({ place, answeredAtMs }) => place === sidecar && answeredAtMs <= askedAtMs,
    );
    if (lease?.namespace === undefined || promise === undefined || lease.isAdopted) return;
    if (lease.namespace.onDrain !== 'keep' && story.wasStopped) return;
    // A value's own lease ends with it, whatever takes it.
    if (!lease.isExplicit || lease.releases.some((release) => release.askedAtMs <= answer.atMs)) return;
    if (lease.namespace.capacity.evicts) return;
    if (story.mayBeForgotten(sidecar, lease.namespace, promise.askedAtMs, answer.atMs)) return;
    if (story.surelyRemainsMs(lease, sidecar, answer.atMs) <= 0) return;
    throw new Violation(NAME, `${sidecar} does not know lease ${lease.id}, which it has promised`, [
      ...lease.asked.map(lineOfOperation), lineOfOperation(operation),
    ]);
  }

  return {
    invariant: NAME,
    afterEvent() {
      eachAnswered((operation) => {
        take(operation);
        judgeGet(operation);
        judgeMismatch(operation);
        judgeLease(operation);
      });
    },
    atRest() {
      for (const key of story.keys.values()) {
        if (key.namespace.conflict === 'counter') continue;
        for (const sidecar of rest.running) {
          const shown = rest.entry(sidecar, key.namespace.name, key.key);
          if (shown === undefined) continue;
          const looked = { atMs: world.nowMs, isAtRest: true };
          const line = `at rest ${sidecar.name} answers ${shown.status} ${JSON.stringify(shown.values)}`;
          judge(key, sidecar.name, shown.values, () => true, looked, line);
        }
      }
    },
  };
}
