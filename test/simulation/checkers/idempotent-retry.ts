/**
 * `idempotent-retry` (I12): the attempts of one wish that carry one Idempotency-Key take effect
 * once at a sidecar. So every answer that says it was done names the same lease, and the same
 * version. That increments add up is judged by `counters`.
 *
 * Forgiven: attempts at different sidecars, which know nothing of each other's answers; what was
 * remembered for as long as is promised, or forgotten as the namespace's durability allows.
 */
import type { Operation } from '../history/operation.ts';
import { type CheckedNamespace, type Checker, Violation } from './checker.ts';
import { dotText, isDone, lineOfOperation, textOf, documentOf } from './reading.ts';
import { newOnes, type Room } from './room.ts';

const NAME = 'idempotent-retry';

export function idempotentRetry({ world, story, clocks }: Room): Checker {
  const eachAnswered = newOnes(world.history.answered);

  /** What was done, as the answer names it. */
  function effectOf(operation: Operation): string | undefined {
    const { asked, answer } = operation;
    if (asked.kind === 'grant') return textOf(documentOf(answer!.document), 'id');
    const [act] = story.actsOf(operation);
    return act?.dot === undefined ? undefined : dotText(act.dot);
  }

  /** What was answered is kept by the sidecar alone, also where the ledger keeps the value. */
  function mayForget(namespace: CheckedNamespace, sidecar: string, fromMs: number, toMs: number): boolean {
    if (namespace.durability === 'ledger' && story.powerLostSince(sidecar, fromMs)) return true;
    // By its own clocks, of which one may have been put forward while it was down.
    if (clocks.mostBetween(sidecar, fromMs, toMs) >= world.idempotencyMs) return true;
    return story.mayBeForgotten(sidecar, namespace, fromMs, toMs);
  }

  function judge(operation: Operation): void {
    const { asked, intent, sidecar, askedAtMs } = operation;
    if (!('idempotencyKey' in asked) || asked.idempotencyKey === undefined || !isDone(operation)) return;
    const namespace = story.namespace(asked.namespace);
    const effect = effectOf(operation);
    if (namespace === undefined || effect === undefined) return;
    for (const other of story.intents.get(intent) ?? []) {
      if (other === operation || other.sidecar !== sidecar || !isDone(other)) continue;
      if ((other.asked as { idempotencyKey?: string }).idempotencyKey !== asked.idempotencyKey) continue;
      const firstMs = Math.min(other.askedAtMs, askedAtMs);
      const lastMs = Math.max(other.answer!.atMs, operation.answer!.atMs);
      if (lastMs - firstMs >= world.idempotencyMs) continue;
      if (mayForget(namespace, sidecar, firstMs, lastMs)) continue;
      const before = effectOf(other);
      if (before === undefined || before === effect) continue;
      throw new Violation(NAME, `one Idempotency-Key took effect twice: ${before} and ${effect}`, [
        lineOfOperation(other), lineOfOperation(operation),
      ]);
    }
  }

  return { invariant: NAME, afterEvent: () => eachAnswered(judge) };
}
