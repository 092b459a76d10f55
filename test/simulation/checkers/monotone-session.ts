/**
 * `monotone-session` (I-M): a client that has read or written a key at a sidecar is never shown
 * there, within a run, a version that what it was told before had replaced.
 *
 * In `siblings` and `counter` the context of an earlier answer tells what it had replaced: what it
 * covers and did not show. Elsewhere a sidecar may hold a concurrent value that it does not show
 * until the shown one ends, and its contexts cover both; so only an earlier write of the very run
 * that wrote the later one counts as replaced (PROTOCOL §2.4, assumption Q).
 *
 * A namespace that reverts shows older values by contract. Requests that overlap have no order.
 * Forgiven: what is not the sidecar's own, but a copy of what a ledger holds that went back.
 */
import type { Operation } from '../history/operation.ts';
import { type Checker, Violation } from './checker.ts';
import {
  actorOf, type Cover, coverOf, coverOfDots, covers, type Dot, dotsOf, dotText, isDone, lineOfOperation,
  placeName,
} from './reading.ts';
import { newOnes, type Room } from './room.ts';

const NAME = 'monotone-session';
/** Of a key in a session, the latest so many answers are compared with. */
const KEPT = 8;
/** Within which a sidecar notices that the ledger went back. */
const NOTICED_MS = 20_000;

interface Version {
  readonly operation: Operation;
  readonly shown: readonly Dot[];
  readonly replaced: Cover;
}

export function monotoneSession({ world, story, watch }: Room): Checker {
  const eachAnswered = newOnes(world.history.answered);
  const told = new Map<string, Version[]>();

  function judge(operation: Operation): void {
    const { asked, session, sidecar, run, askedAtMs, answer } = operation;
    if (asked.kind !== 'get' && asked.kind !== 'put' && asked.kind !== 'increment') return;
    const namespace = story.namespace(asked.namespace);
    if (!isDone(operation) || namespace === undefined || namespace.onExpire === 'revert') return;
    const shown = dotsOf(answer!.etag);
    if (shown.length === 0) return;
    const name = [session, sidecar, run, placeName(asked.namespace, asked.key)].join(' ');
    const before = told.get(name) ?? [];
    const own = actorOf(answer!);
    for (const version of before) {
      if (version.operation.answer!.atMs > askedAtMs) continue;
      const mayGoBack = watch.lostSince(version.operation.answer!.atMs - NOTICED_MS);
      for (const dot of shown) {
        if (dot.actor === own || !mayGoBack) judgeDot(dot, version, operation);
      }
    }
    const keepsAll = namespace.conflict === 'siblings' || namespace.conflict === 'counter';
    const cover = keepsAll ? coverOf(answer!.context) : undefined;
    told.set(name, [...before.slice(1 - KEPT), { operation, shown, replaced: cover ?? coverOfDots(shown) }]);
  }

  function judgeDot(dot: Dot, { operation, shown, replaced }: Version, later: Operation): void {
    if (!covers(replaced, dot) || shown.some((each) => dotText(each) === dotText(dot))) return;
    throw new Violation(NAME, `${later.sidecar} went back to ${dotText(dot)} before the eyes of ${later.client}`, [
      lineOfOperation(operation), lineOfOperation(later),
    ]);
  }

  return { invariant: NAME, afterEvent: () => eachAnswered(judge) };
}
