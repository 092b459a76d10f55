/** Every checker there is, on one world: they share what they know of it, and nothing else. */
import { acknowledgedIsKept } from './acknowledged-is-kept.ts';
import { atomicBatch } from './atomic-batch.ts';
import { boundedOutbox } from './bounded-outbox.ts';
import { capacity } from './capacity.ts';
import type { CheckedWorld, Checker } from './checker.ts';
import { contextTruth } from './context-truth.ts';
import { contiguousSequence } from './contiguous-sequence.ts';
import { convergence } from './convergence.ts';
import { counters } from './counters.ts';
import { everyEndingTold } from './every-ending-told.ts';
import { factPrecedesReply } from './fact-precedes-reply.ts';
import { honestRefusal } from './honest-refusal.ts';
import { idempotentRetry } from './idempotent-retry.ts';
import { ledgerChain } from './ledger-chain.ts';
import { ledgerDigest } from './ledger-digest.ts';
import { monotoneDeadline } from './monotone-deadline.ts';
import { monotoneSession } from './monotone-session.ts';
import { noEarlyExpiry } from './no-early-expiry.ts';
import { noLateExpiry } from './no-late-expiry.ts';
import { noResurrection } from './no-resurrection.ts';
import { oneEnding } from './one-ending.ts';
import { type Room, roomOf } from './room.ts';
import { selfAgreement } from './self-agreement.ts';
import { uniqueDots } from './unique-dots.ts';
import { watchedInOrder } from './watched-in-order.ts';

/** In this order: what is wrong at the root is found before what follows from it. */
const MAKERS: readonly ((room: Room) => Checker)[] = [
  uniqueDots, ledgerDigest, ledgerChain, contiguousSequence, oneEnding, noEarlyExpiry, noLateExpiry,
  noResurrection, contextTruth, monotoneSession, monotoneDeadline, idempotentRetry, atomicBatch,
  honestRefusal, factPrecedesReply, acknowledgedIsKept, capacity, everyEndingTold, counters,
  boundedOutbox, watchedInOrder, selfAgreement, convergence,
];

/** To be asked in this order, all of them: the first one keeps up what they all know. */
export function createCheckers(world: CheckedWorld): readonly Checker[] {
  const room = roomOf(world);
  return MAKERS.map((make, index) => (index === 0 ? caughtUp(room, make(room)) : make(room)));
}

/** A checker that looks at everything that has happened before it judges. */
export function caughtUp({ story }: Room, { invariant, afterEvent, atRest }: Checker): Checker {
  return {
    invariant,
    afterEvent() {
      story.catchUp();
      afterEvent?.();
    },
    atRest() {
      story.catchUp();
      atRest?.();
    },
  };
}
