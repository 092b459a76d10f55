/**
 * `no-late-expiry` (P2): past its deadline nothing is served by the sidecar that owns it, and its
 * ending is recorded soon, by a sidecar whose loop runs. At rest nobody shows what has been over
 * for longer than owners may be waited for.
 *
 * Forgiven: endings found at a restart (`downtime`); the time for which the loop was held up;
 * deadlines that a renewal without an answer may have moved.
 */
import type { Operation } from '../history/operation.ts';
import { type Checker, Violation } from './checker.ts';
import { dotsOf, headerOf, isDone, lineOfOperation, lineOfTold, numberOf, placeName, textOf, type Told } from './reading.ts';
import { newOnes, type Room } from './room.ts';
import type { Lease } from './story.ts';

const NAME = 'no-late-expiry';
const RECORDED_WITHIN_MS = 1_000;
/** Beyond the autonomy bound: for clocks, slack and sweeps. */
const SWEPT_WITHIN_MS = 10_000;

export function noLateExpiry({ world, story, clocks, rest }: Room): Checker {
  const eachTold = newOnes(story.told);
  const eachAnswered = newOnes(world.history.answered);

  /** For how long it has surely been over when somebody asked; 0: perhaps it was not. */
  function overMs(lease: Lease, atMs: number): number {
    if (lease.promises.length === 0 || lease.isAdopted) return 0;
    // Reads prolong it there, and not every reading is in the history with an answer.
    if (lease.namespace === undefined || lease.namespace.sliding) return 0;
    return Math.max(0, -story.mayRemainMs(lease, atMs));
  }

  function judgeAnswer(operation: Operation): void {
    const { asked, askedAtMs, sidecar } = operation;
    const answer = operation.answer!;
    const isRead = asked.kind === 'get' || asked.kind === 'get-lease';
    if (!isRead || !isDone(operation)) return;
    const isOfLease = asked.kind === 'get-lease';
    const document = answer.document as { readonly state?: unknown } | undefined;
    if (isOfLease && document?.state !== 'live') return;
    if (!isOfLease && headerOf(answer, 'leasehold-source') !== 'local') return;
    const id = isOfLease ? asked.lease : headerOf(answer, 'leasehold-lease');
    const lease = id === undefined ? undefined : story.leases.get(id);
    if (lease === undefined) return;
    // This very answer is among what was promised by now, and says nothing of before.
    const others = { ...lease, promises: lease.promises.filter(({ answeredAtMs }) => answeredAtMs <= askedAtMs) };
    if (others.promises.some(({ place }) => place !== sidecar)) return;
    // Writes and renewals under way may have moved it, and were answered since.
    const moved = lease.promises.length > others.promises.length + 1;
    const byMs = overMs(others, askedAtMs);
    if (byMs <= 1 || moved || writtenSince(lease, others)) return;
    throw new Violation(NAME, `${sidecar} served lease ${lease.id} ${byMs.toFixed(3)} ms after its deadline`, [
      lineOfOperation(operation),
    ]);
  }

  /** An operation that prolongs it may have taken effect without an answer. */
  function writtenSince(lease: Lease, { promises }: Lease): boolean {
    const last = promises.at(-1)?.answeredAtMs ?? -Infinity;
    return lease.asked.some(
      ({ asked, answer }) => asked.kind === 'renew' && (answer === undefined || answer.atMs > last),
    );
  }

  function judgeTold(told: Told): void {
    const { data, place, actor, atMs } = told;
    const latenessMs = numberOf(data, 'latenessMs') ?? 0;
    if (data['reason'] !== 'expired' || data['cause'] !== undefined) return;
    if (latenessMs <= RECORDED_WITHIN_MS) return;
    // Another run ends it only after its owner's silence, and tells the lateness that this makes.
    const owner = dotsOf(textOf(data, 'etag'))[0]?.actor ?? textOf(data, 'lease') ?? '';
    if (!owner.includes(actor)) return;
    // It may have been told long after it was recorded.
    const recordedMs = clocks.trueTimeOf(place, Date.parse(textOf(data, 'at') ?? '')) ?? atMs;
    const sinceMs = Math.min(recordedMs, atMs) - latenessMs - SWEPT_WITHIN_MS;
    if (clocks.runAt(place, sinceMs) !== clocks.runAt(place, atMs)) return;
    const heldUpMs = clocks.heldUpBetween(place, sinceMs, atMs);
    if (latenessMs <= RECORDED_WITHIN_MS + heldUpMs) return;
    throw new Violation(NAME, `an ending was recorded ${latenessMs} ms after its deadline`, [lineOfTold(told)]);
  }

  function judgeRest(): void {
    for (const key of story.keys.values()) {
      for (const sidecar of rest.running) {
        const shown = rest.entry(sidecar, key.namespace.name, key.key);
        const lease = shown?.lease === undefined ? undefined : story.leases.get(shown.lease);
        if (lease === undefined) continue;
        const byMs = overMs(lease, world.nowMs);
        if (byMs <= key.namespace.autonomyMs * 2 + SWEPT_WITHIN_MS) continue;
        const where = placeName(key.namespace.name, key.key);
        throw new Violation(NAME, `${sidecar.name} still shows ${where}, over for ${Math.round(byMs)} ms`);
      }
    }
  }

  return {
    invariant: NAME,
    afterEvent() {
      eachAnswered(judgeAnswer);
      eachTold(judgeTold);
    },
    atRest: judgeRest,
  };
}
