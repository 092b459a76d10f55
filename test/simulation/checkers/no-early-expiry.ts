/**
 * `no-early-expiry` (P1): a lease does not end as `expired`, and is not refused as ended for that,
 * before the last deadline that its sidecar acknowledged, by that sidecar's own clock: monotonic
 * within a run, whatever the rate, and standing still while the machine is suspended.
 *
 * Forgiven: over a restart the wall clock counts, so a step ahead makes as much time pass (SPEC,
 * Gaps); a renewal that was forgotten with its journal; that a machine which was suspended promises
 * what others have ended already, since it does not know how late it is (SPEC, Gaps). Somebody else may end it only after the
 * owner's silence beyond that deadline: by the ledger's clock, hence minus what that was put ahead
 * and what rates may differ.
 */
import type { Operation } from '../history/operation.ts';
import { type Checker, Violation } from './checker.ts';
import { HEARD_OF_MS } from './clocks.ts';
import { lineOfOperation, lineOfTold, textOf, type Told } from './reading.ts';
import { newOnes, type Room } from './room.ts';
import type { Lease, Promised } from './story.ts';

const NAME = 'no-early-expiry';
/** Instants of events are cut off to milliseconds. */
const CUT_MS = 1;
const RATES_DIFFER = 0.005;

interface Early {
  readonly byMs: number;
  readonly promise: Promised;
}

export function noEarlyExpiry({ world, story, clocks }: Room): Checker {
  const eachTold = newOnes(story.told);
  const eachAnswered = newOnes(world.history.answered);

  /** By how much it was too early for its owner, or for another, to end it there. */
  function earlyMs(lease: Lease, place: string | undefined, atMs: number): Early | undefined {
    for (const promise of lease.promises) {
      if (promise.askedAtMs > atMs) continue;
      if (lease.namespace === undefined || lease.isAdopted) continue;
      if (story.mayBeForgotten(promise.place, lease.namespace, promise.askedAtMs, atMs)) continue;
      // It does not know how late it is, and promises what others have ended already.
      if (promise.place !== place && clocks.stoodStillSince(promise.place, promise.askedAtMs - HEARD_OF_MS)) continue;
      const byMs =
        promise.place === place
          ? promise.remainingMs - clocks.mostBetween(place, promise.askedAtMs, atMs)
          : promise.remainingMs * (1 - RATES_DIFFER) - clocks.ledgerForwardMs - (atMs - promise.askedAtMs);
      if (byMs > CUT_MS) return { byMs, promise };
    }
    return undefined;
  }

  function fail(lease: Lease, { byMs, promise }: Early, line: string): never {
    const { place, askedAtMs, remainingMs } = promise;
    throw new Violation(NAME, `lease ${lease.id} ended ${byMs.toFixed(3)} ms before its deadline`, [
      `${Math.round(askedAtMs)} ${place} was asked, and promised ${remainingMs} ms`, line,
    ]);
  }

  function judgeTold(told: Told): void {
    const { data } = told;
    if (data['reason'] !== 'expired') return;
    // Its owner tells what others have ended in its stead.
    const isByOthers =
      data['cause'] === 'ledger' || clocks.stoodStillSince(told.place, told.atMs - HEARD_OF_MS);
    const at = Date.parse(textOf(data, 'at') ?? '');
    const deadline = Date.parse(textOf(data, 'deadline') ?? '');
    // Both were cut off alike: what was not early does not look so.
    if (at < deadline && !isByOthers) {
      throw new Violation(NAME, `it says itself that it was ${deadline - at} ms early`, [lineOfTold(told)]);
    }
    const lease = story.leases.get(textOf(data, 'lease') ?? '');
    if (lease === undefined) return;
    const trueAtMs = clocks.trueTimeOf(told.place, at + CUT_MS) ?? told.atMs;
    const early = earlyMs(lease, isByOthers ? undefined : told.place, Math.min(trueAtMs, told.atMs));
    if (early !== undefined) fail(lease, early, lineOfTold(told));
  }

  function judgeAnswer(operation: Operation): void {
    const { asked, sidecar } = operation;
    const answer = operation.answer!;
    if (answer.code !== 'lease-ended' || !('lease' in asked) || asked.lease === undefined) return;
    const document = answer.document as { readonly reason?: unknown } | undefined;
    if (document?.reason !== 'expired') return;
    const lease = story.leases.get(asked.lease);
    // Whether its own clock or another one has ended it does not stand in the answer.
    const early = lease === undefined ? undefined : earlyMs(lease, sidecar, answer.atMs);
    if (early === undefined) return;
    if (earlyMs(lease!, undefined, answer.atMs) === undefined) return;
    fail(lease!, early, lineOfOperation(operation));
  }

  return {
    invariant: NAME,
    afterEvent() {
      eachAnswered(judgeAnswer);
      eachTold(judgeTold);
    },
  };
}
