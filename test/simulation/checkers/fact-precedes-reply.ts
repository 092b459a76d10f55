/**
 * `fact-precedes-reply` (I4, I31; P3): what was acknowledged is a fact, and facts that a namespace
 * publishes are told: every version and every explicit lease that a client was given has its event,
 * numbered in the source that answered. And the reverse: an event is never for something whose
 * author is told that it did not happen, even when he is told afterwards.
 *
 * The first half is judged at rest. Forgiven there: what the namespace's durability let a crash or
 * a power cut forget; a version whose sidecar is not there to tell it.
 */
import type { Operation } from '../history/operation.ts';
import { type Checker, Violation } from './checker.ts';
import { documentOf, dotsOf, dotText, isDone, lineOfOperation, lineOfTold, textOf, type Told } from './reading.ts';
import { newOnes, type Room } from './room.ts';
import type { Act } from './story.ts';

const NAME = 'fact-precedes-reply';

export function factPrecedesReply({ world, story, rest }: Room): Checker {
  const eachTold = newOnes(story.told);
  const eachAnswered = newOnes(world.history.answered);
  const written = new Set<string>();
  const granted = new Set<string>();
  /** By value, the event that told it as written. */
  const toldOfValue = new Map<string, Told>();

  function learn(told: Told): void {
    const { what, data } = told;
    if (what === 'lease.granted' || what === 'lease.adopted') granted.add(textOf(data, 'lease') ?? '');
    if (what !== 'entry.created' && what !== 'entry.updated') return;
    for (const dot of dotsOf(textOf(data, 'etag'))) written.add(dotText(dot));
    const value = textOf(data, 'value');
    if (value === undefined) return;
    const text = Buffer.from(value, 'base64').toString();
    if (!toldOfValue.has(text)) toldOfValue.set(text, told);
    for (const { operation } of story.writesOfValue.get(text) ?? []) judgeRefused(operation);
  }

  function judgeRefused(operation: Operation): void {
    const attempts = story.intents.get(operation.intent) ?? [];
    if (!attempts.every((attempt) => story.isRefused(attempt))) return;
    for (const { asked } of story.actsOf(operation)) {
      const told = asked.kind === 'put' ? toldOfValue.get(asked.value) : undefined;
      if (told === undefined) continue;
      throw new Violation(NAME, 'an event is of a write whose author was told that it did not happen', [
        lineOfTold(told), ...attempts.map(lineOfOperation),
      ]);
    }
  }

  function judgeAct(act: Act): void {
    const { asked, operation, dot, outcome } = act;
    if (outcome !== 'done' || asked.kind === 'delete' || dot === undefined) return;
    const { publish } = story.namespace(asked.namespace)!;
    const isPublished = ['entry.created', 'entry.updated'].every((name) => publish === 'all' || publish.includes(name));
    if (!isPublished || written.has(dotText(dot)) || isForgivable(operation, asked.namespace)) return;
    throw new Violation(NAME, `${dotText(dot)} was acknowledged, and never told`, [lineOfOperation(operation)]);
  }

  function judgeGrant(operation: Operation): void {
    const { asked, answer } = operation;
    if (asked.kind !== 'grant' || !isDone(operation)) return;
    const publish = story.namespace(asked.namespace)?.publish ?? [];
    if (publish !== 'all' && !publish.includes('lease.granted')) return;
    const id = textOf(documentOf(answer!.document), 'id');
    if (id === undefined || granted.has(id) || isForgivable(operation, asked.namespace)) return;
    throw new Violation(NAME, `lease ${id} was granted, and never told`, [lineOfOperation(operation)]);
  }

  function isForgivable({ sidecar, askedAtMs }: Operation, namespace: string): boolean {
    if (rest.sidecar(sidecar) === undefined) return true;
    // What only the ledger kept is not told again by a sidecar that lost it.
    if (story.powerLostSince(sidecar, askedAtMs) && story.namespace(namespace)!.durability === 'ledger') return true;
    return story.mayBeForgotten(sidecar, story.namespace(namespace)!, askedAtMs, world.nowMs);
  }

  return {
    invariant: NAME,
    afterEvent() {
      eachTold(learn);
      eachAnswered((operation) => {
        if (story.isRefused(operation)) judgeRefused(operation);
      });
    },
    atRest() {
      for (const key of story.keys.values()) for (const act of key.acts) judgeAct(act);
      for (const operation of world.history.answered) judgeGrant(operation);
    },
  };
}
