/**
 * `atomic-batch` (I5, I19; DESIGN §5): a batch takes effect whole or not at all, within its
 * sidecar. So an answer either says that each part was done, or refuses them all; once one of its
 * values has been read at its sidecar, no later read there shows another of its keys as it was
 * before; and what a refused batch would have written is never seen (`honest-refusal`).
 *
 * Forgiven: a part that the ledger refuses afterwards, where the first writer wins there: what is
 * whole within the sidecar need not be so for the ledger, which decides about each key by itself.
 *
 * Deletes of keys that are not there are part of "done". The second rule needs to know what was
 * before: where the shown values were all acknowledged, there, before the batch was asked, in a
 * namespace that shows one value at a time. Judged within one run of the sidecar, and only while the
 * part's own value has nothing that could have taken it away (a delete, a short lease).
 */
import type { Operation, Write } from '../history/operation.ts';
import { type Checker, Violation } from './checker.ts';
import { isDone, lineOfOperation, placeName } from './reading.ts';
import { newOnes, type Room } from './room.ts';

const NAME = 'atomic-batch';

interface Seen {
  readonly batch: Operation;
  readonly reading: Operation;
}

export function atomicBatch({ world, story }: Room): Checker {
  const eachAnswered = newOnes(world.history.answered);
  /** By key: batches with a part there, of which another part has been read. */
  const seenOf = new Map<string, Seen[]>();
  const begun = new Set<Operation>();

  function judgeAnswer(operation: Operation): void {
    const { asked, answer } = operation;
    if (asked.kind !== 'batch' || !isDone(operation)) return;
    const results = (answer!.document as { readonly results?: readonly { readonly status: number }[] } | undefined)?.results;
    const failed = results?.findIndex(({ status }, index) => status >= 400 && !isForTheLedger(asked.operations[index]!)) ?? -1;
    if (results?.length === asked.operations.length && failed < 0) return;
    throw new Violation(NAME, `a batch was done but for operation ${failed}`, [
      lineOfOperation(operation), JSON.stringify(results),
    ]);
  }

  function isForTheLedger({ namespace }: { readonly namespace: string }): boolean {
    return story.namespace(namespace)?.conflict === 'firstWins';
  }

  function learn(reading: Operation): void {
    for (const value of reading.answer!.values ?? []) {
      for (const { operation: batch } of story.writesOfValue.get(value) ?? []) {
        if (batch.asked.kind !== 'batch' || begun.has(batch)) continue;
        if (batch.sidecar !== reading.sidecar || batch.run !== reading.run) continue;
        begun.add(batch);
        for (const part of putsOf(batch)) {
          const name = placeName(part.namespace, part.key);
          seenOf.set(name, [...(seenOf.get(name) ?? []), { batch, reading }]);
        }
      }
    }
  }

  function judgeRead(reading: Operation): void {
    const { asked } = reading;
    if (asked.kind !== 'get' || !isDone(reading)) return;
    const name = placeName(asked.namespace, asked.key);
    const namespace = story.namespace(asked.namespace);
    if (namespace === undefined || namespace.conflict === 'siblings' || namespace.onExpire === 'revert') return;
    for (const { batch, reading: first } of seenOf.get(name) ?? []) {
      if (first.sidecar !== reading.sidecar || first.run !== reading.run) continue;
      if (first.answer!.atMs > reading.askedAtMs) continue;
      const shown = reading.answer!.values ?? [];
      if (!shown.every((value) => wasBefore(value, batch)) || shown.length === 0) continue;
      throw new Violation(NAME, `a part of a batch was seen, and ${name} still as it was before`, [
        lineOfOperation(batch), lineOfOperation(first), lineOfOperation(reading),
      ]);
    }
  }

  /** The write was acknowledged at that very run before the batch was asked. */
  function wasBefore(value: string, { sidecar, run, askedAtMs }: Operation): boolean {
    const acts = story.writesOfValue.get(value) ?? [];
    return acts.length > 0 && acts.every(
      ({ operation, outcome }) =>
        outcome === 'done' && operation.sidecar === sidecar && operation.run === run &&
        operation.answer!.atMs <= askedAtMs,
    );
  }

  return {
    invariant: NAME,
    afterEvent() {
      eachAnswered((operation) => {
        judgeAnswer(operation);
        if (operation.asked.kind !== 'get') return;
        judgeRead(operation);
        learn(operation);
      });
    },
  };
}

function putsOf({ asked }: Operation): readonly Write[] {
  return asked.kind === 'batch' ? asked.operations.filter((part) => part.kind === 'put') : [];
}
