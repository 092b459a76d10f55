/**
 * `monotone-deadline` (I-M, P1; DESIGN §5: a renewal never shortens): what a sidecar has said of a
 * lease's deadline never moves back, by that sidecar's own clock. A write with a TTL of its own
 * begins another lease, so within one nobody can ask for less. Nor does the deadline of a version in
 * the ledger.
 *
 * An answer bounds the deadline: it was worked out between asking and answering, and what remains
 * is floored. Forgiven: what the namespace's durability let a restart forget.
 */
import type { Operation } from '../history/operation.ts';
import { type Checker, Violation } from './checker.ts';
import type { LedgerChange } from './ledger-watch.ts';
import { dotText, placeName } from './reading.ts';
import { newOnes, type Room } from './room.ts';
import type { Lease, Promised } from './story.ts';

const NAME = 'monotone-deadline';
/** And a little for the rounding of instants. */
const FLOORED_MS = 1.01;
/** With so many before it an answer is compared: those deadlines were already with theirs. */
const COMPARED = 8;

export function monotoneDeadline({ world, story, clocks, watch }: Room): Checker {
  watch.onChange(judgeLedger);
  const eachAnswered = newOnes(world.history.answered);
  /** Leases that may have been promised something in the answers since the last look. */
  const judged = new Map<Lease, number>();

  function judge(operation: Operation): void {
    const answer = operation.answer!;
    const { asked } = operation;
    const ids = [
      'lease' in asked ? asked.lease : undefined,
      answer.headers['leasehold-lease'],
      (answer.document as { readonly id?: unknown } | undefined)?.id,
    ];
    for (const id of ids) {
      const lease = typeof id === 'string' ? story.leases.get(id) : undefined;
      if (lease !== undefined) judgeLease(lease);
    }
  }

  function judgeLease(lease: Lease): void {
    const { promises } = lease;
    for (let index = judged.get(lease) ?? 0; index < promises.length; index++) {
      const later = promises[index]!;
      for (let before = Math.max(0, index - COMPARED); before < index; before++) judgePair(lease, promises[before]!, later);
    }
    judged.set(lease, promises.length);
  }

  function judgePair(lease: Lease, earlier: Promised, later: Promised): void {
    const { place } = later;
    if (earlier.place !== place || earlier.answeredAtMs > later.askedAtMs) return;
    const { namespace } = lease;
    if (namespace === undefined || lease.isAdopted) return;
    if (story.mayBeForgotten(place, namespace, earlier.askedAtMs, later.askedAtMs)) return;
    const passedMs = clocks.mostBetween(place, earlier.askedAtMs, later.answeredAtMs);
    const byMs = earlier.remainingMs - passedMs - (later.remainingMs + FLOORED_MS);
    if (byMs <= 0) return;
    throw new Violation(NAME, `the deadline of lease ${lease.id} moved back by ${byMs.toFixed(3)} ms`, [
      `${Math.round(earlier.askedAtMs)}-${Math.round(earlier.answeredAtMs)} ${place} said ${earlier.remainingMs} ms`,
      `${Math.round(later.askedAtMs)}-${Math.round(later.answeredAtMs)} ${place} said ${later.remainingMs} ms`,
    ]);
  }

  return {
    invariant: NAME,
    afterEvent() {
      watch.raise();
      eachAnswered(judge);
    },
  };
}

function judgeLedger({ namespace, isAnother, records, atMs }: LedgerChange): void {
  if (isAnother) return;
  for (const { id, before, after } of records) {
    for (const { dot, deadline } of after?.siblings ?? []) {
      const stored = before?.siblings.find((each) => dotText(each.dot) === dotText(dot));
      if (stored === undefined || stored.deadline <= deadline) continue;
      throw new Violation(NAME, `the ledger moved the deadline of ${dotText(dot)} back by ${stored.deadline - deadline} ms`, [
        `at ${Math.round(atMs)}, of ${placeName(namespace, id)}`,
      ]);
    }
  }
}
