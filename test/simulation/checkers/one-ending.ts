/**
 * `one-ending` (P3, I-T1; PROTOCOL §3.5 rule 1): a consumer that drops the endings it has seen, by
 * `endingId`, learns of each grant's end once, and of one reason. So: one run tells an ending under
 * one number only; an id is always of the same thing; whoever tells it at one sidecar, also after a
 * restart, gives the same reason; a lease has one ending id.
 *
 * Forgiven: two sidecars tell the same ending, and where they could not hear of each other, with
 * different reasons (its owner's, and that of who ended it after the owner's silence); a run tells
 * it again after the ledger has lost data, since what had ended may then show once more (§3.4); the
 * reason differs after a power cut, or in `memory`, since the first ending was forgotten; a later
 * run tells of a value what the ledger has found out by itself meanwhile, or was told by others, since it does not know
 * that its predecessor has told its end (SPEC, Gaps: P6).
 */
import { type Checker, Violation } from './checker.ts';
import { lineOfTold, textOf, type Told } from './reading.ts';
import { newOnes, type Room } from './room.ts';

const NAME = 'one-ending';

function subjectOf({ what, data }: Told): string {
  return [what, data['namespace'], data['key'] ?? data['keyHash'] ?? '', data['lease']].join(' ');
}

export function oneEnding({ story, watch }: Room): Checker {
  const eachTold = newOnes(story.told);
  const byEndingId = new Map<string, Told[]>();
  const ofLease = new Map<string, Told>();

  function mayDiffer(earlier: Told, later: Told): boolean {
    const namespace = story.namespace(textOf(later.data, 'namespace') ?? '');
    if (watch.lostSince(earlier.atMs)) return true;
    if (earlier.actor === later.actor) return false;
    if (story.powerLostSince(later.place, earlier.atMs) || namespace?.durability === 'memory') return true;
    const isByLedger = ['superseded', 'expired', 'deleted'].includes(String(later.data['reason']));
    return later.what === 'entry.ended' && namespace?.class === 'shared' && isByLedger;
  }

  function judge(told: Told): void {
    if (told.stream !== 'endings') return;
    const endingId = textOf(told.data, 'endingId') ?? '';
    const before = byEndingId.get(endingId) ?? [];
    if (before.some(({ id }) => id === told.id)) return;
    byEndingId.set(endingId, [...before, told]);
    for (const earlier of before) {
      const evidence = [lineOfTold(earlier), lineOfTold(told)];
      if (subjectOf(earlier) !== subjectOf(told)) {
        throw new Violation(NAME, `ending ${endingId} is of two things`, evidence);
      }
      if (earlier.place !== told.place || mayDiffer(earlier, told)) continue;
      if (earlier.source === told.source) {
        throw new Violation(NAME, `one run told ending ${endingId} twice`, evidence);
      }
      if (earlier.data['reason'] !== told.data['reason']) {
        throw new Violation(NAME, `ending ${endingId} was told with two reasons`, evidence);
      }
    }
    if (told.what === 'lease.ended') judgeLease(told);
  }

  function judgeLease(told: Told): void {
    const name = textOf(told.data, 'lease')!;
    const first = ofLease.get(name);
    ofLease.set(name, first ?? told);
    if (first === undefined || first.data['endingId'] === told.data['endingId']) return;
    if (story.leases.get(name)?.isAdopted === true || first.place !== told.place) return;
    throw new Violation(NAME, `lease ${name} has two endings`, [lineOfTold(first), lineOfTold(told)]);
  }

  return { invariant: NAME, afterEvent: () => eachTold(judge) };
}
