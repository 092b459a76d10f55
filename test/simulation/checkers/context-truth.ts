/**
 * `context-truth` (I-V2; PROTOCOL §2.4 lemma 1 and theorem 2, §3.2): a write replaces what its
 * author had seen, all of it and, where concurrent values are kept, nothing else. The ghost of what
 * a client had seen is the context it sent, or the version it asked to match; that a reader's
 * context covers nothing but what it was shown, or what had been replaced or ended, is checked on
 * every read. Four rules:
 *
 * 1. No value stands beside one whose author had seen it, in the ledger or in an answer.
 * 2. In `siblings`, a context that a reader is given covers no live value that it was not shown.
 * 3. In `siblings`, a value leaves the ledger only for a write or delete that may have seen it, or
 *    with the end of its lease.
 * 4. Elsewhere, what asks to match a version is refused where that version was replaced before.
 *
 * Elsewhere than in `siblings` a write stands for the sidecar's whole state, and the policy settles
 * the rest: rules 2 and 3 do not apply. Forgiven: everything of which it is not known who wrote it,
 * or which may have ended; a value that is written again under another dot after an isolation or a
 * restart is another value (§2.5): only dots are compared.
 */
import type { Operation } from '../history/operation.ts';
import { type Checker, type RawRecord, Violation } from './checker.ts';
import { whyGone } from './gone.ts';
import { type Cover, coverOf, covers, type Dot, dotsOf, dotText, isDone, lineOfOperation, placeName } from './reading.ts';
import type { LedgerChange } from './ledger-watch.ts';
import { newOnes, type Room } from './room.ts';
import type { Act, Key } from './story.ts';

const NAME = 'context-truth';

export function contextTruth(room: Room): Checker {
  const { world, story, watch } = room;
  const eachAnswered = newOnes(world.history.answered);
  /** Taken in after the story has caught up: who wrote what may be told in the same event. */
  const changes: LedgerChange[] = [];
  watch.onChange((change) => changes.push(change));

  /** Rule 1. */
  function judgeTogether(dots: readonly Dot[], where: string, line: string): void {
    if (dots.length < 2) return;
    for (const dot of dots) {
      const act = story.actOfDot.get(dotText(dot));
      // A dot of a later attempt or a repetition would say less than what this one had seen.
      if (act?.saw === undefined || act.dot === undefined || dotText(act.dot) !== dotText(dot)) continue;
      for (const other of dots) {
        if (other === dot || !covers(act.saw, other)) continue;
        throw new Violation(NAME, `${where}: ${dotText(other)} stands beside ${dotText(dot)}, whose author had seen it`, [
          lineOfOperation(act.operation), line,
        ]);
      }
    }
  }

  /** Rule 2. */
  function judgeRead(operation: Operation): void {
    const { asked } = operation;
    const answer = operation.answer!;
    if (asked.kind !== 'get' || !isDone(operation)) return;
    const key = story.keyOf(asked.namespace, asked.key);
    if (key === undefined) return;
    const shown = dotsOf(answer.etag);
    const line = lineOfOperation(operation);
    judgeTogether(shown, `${key.name} at ${operation.sidecar}`, line);
    if (key.namespace.conflict !== 'siblings') return;
    const cover = coverOf(answer.context);
    if (cover !== undefined) judgeCover(key, cover, shown, answer.values ?? [], operation, line);
  }

  function judgeCover(
    key: Key, cover: Cover, shown: readonly Dot[], values: readonly string[], reading: Operation, line: string,
  ): void {
    for (const act of key.acts) {
      const { dot, asked } = act;
      if (asked.kind !== 'put' || dot === undefined || act.outcome !== 'done') continue;
      if (!covers(cover, dot) || shown.some((each) => dotText(each) === dotText(dot))) continue;
      // It may have been written again under another dot.
      if (values.includes(asked.value)) continue;
      // Only before the reading was answered can it have been covered.
      if (act.operation.askedAtMs > reading.answer!.atMs) continue;
      if (isExcused(key, act, reading.answer!.atMs)) continue;
      throw new Violation(
        NAME, `a reader of ${key.name} was given a context that covers ${dotText(dot)}, and never saw it`,
        [...key.acts.map(({ operation }) => lineOfOperation(operation)), line],
      );
    }
  }

  /** Rule 4. Of a repeated request it is not known which attempt was the one that took effect. */
  function judgeMatch(operation: Operation): void {
    const { asked, sidecar, run, askedAtMs } = operation;
    if (asked.kind !== 'put' && asked.kind !== 'delete') return;
    if (asked.ifMatch === undefined || !isDone(operation) || !isFirst(operation)) return;
    const key = story.keyOf(asked.namespace, asked.key);
    if (key === undefined || key.namespace.conflict === 'siblings' || key.namespace.onExpire === 'revert') return;
    const matched = dotsOf(asked.ifMatch);
    const writtenMs = Math.max(...matched.map((dot) => writtenAtMs(dot, operation)));
    for (const act of key.acts) {
      const { operation: other, dot } = act;
      if (other === operation || other.sidecar !== sidecar || other.run !== run) continue;
      if (act.outcome !== 'done' || act.asked.kind === 'delete' || !isFirst(other) || dot === undefined) continue;
      if (other.askedAtMs < writtenMs || other.answer!.atMs > askedAtMs) continue;
      if (matched.some((each) => dotText(each) === dotText(dot)) || watch.lostSince(writtenMs)) continue;
      throw new Violation(NAME, `a version of ${key.name} was matched that had been replaced`, [
        lineOfOperation(other), lineOfOperation(operation),
      ]);
    }
  }

  function isFirst(operation: Operation): boolean {
    return story.intents.get(operation.intent)?.[0] === operation;
  }

  /** Infinity where it was not that run of the sidecar that wrote it, or nobody knows. */
  function writtenAtMs(dot: Dot, { sidecar, run }: Operation): number {
    const writing = story.actOfDot.get(dotText(dot))?.operation;
    return writing?.sidecar === sidecar && writing.run === run ? (writing.answer?.atMs ?? Infinity) : Infinity;
  }

  /** Its owner may be away, and others may have ended it then: only after its deadline, too. */
  function isExcused(key: Key, act: Act, atMs: number): boolean {
    return whyGone(room, key, act, { atMs, isAtRest: false }) !== undefined;
  }

  /** Rule 3, and rule 1. */
  function judgeChange({ namespace, records, isAnother, atMs }: LedgerChange): void {
    for (const { id, before, after } of records) {
      const name = placeName(namespace, id);
      judgeTogether(after?.siblings.map(({ dot }) => dot) ?? [], `${name} in the ledger`, `at ${Math.round(atMs)}`);
      const key = story.keyOf(namespace, id);
      if (isAnother || before === undefined || key?.namespace.conflict !== 'siblings') continue;
      for (const { dot, value } of gone(before, after)) {
        const act = story.actOfDot.get(dotText(dot));
        if (act === undefined || act.outcome !== 'done') continue;
        const text = Buffer.from(value.buffer, value.byteOffset, value.length).toString();
        const isAgain = after?.siblings.some((each) => Buffer.from(each.value).toString() === text) === true;
        if (isAgain || isExcused(key, act, atMs)) continue;
        throw new Violation(NAME, `${dotText(dot)} of ${name} left the ledger, and nobody had seen it`, [
          ...key.acts.map(({ operation }) => lineOfOperation(operation)), `${Math.round(atMs)} it was gone`,
        ]);
      }
    }
  }

  return {
    invariant: NAME,
    afterEvent() {
      eachAnswered((operation) => {
        judgeRead(operation);
        judgeMatch(operation);
      });
      if (changes.length === 0) return;
      for (const change of changes) judgeChange(change);
      changes.length = 0;
    },
  };
}

function gone(before: RawRecord, after: RawRecord | undefined): RawRecord['siblings'] {
  return before.siblings.filter(
    ({ dot }) => after?.siblings.some((each) => dotText(each.dot) === dotText(dot)) !== true,
  );
}
