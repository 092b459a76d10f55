/**
 * `every-ending-told` (P3, I-T1): everything that was granted and acknowledged and is surely over
 * has had its ending told, at least once: `lease.ended` for an explicit lease, `entry.ended` for
 * each key that was written under a lease.
 *
 * Judged at rest. Forgiven: what the namespace's durability let a crash or a power cut forget,
 * grants included; what belongs to a sidecar that is not there to tell it; leases that went on at
 * another sidecar, whose later story is told under other names.
 */
import { type CheckedNamespace, type Checker, Violation } from './checker.ts';
import { isDone, lineOfOperation, lineOfTold } from './reading.ts';
import type { Room } from './room.ts';
import type { Act, Lease } from './story.ts';

const NAME = 'every-ending-told';
/** What fell due so long before the end must have been swept, told and acknowledged. */
const DUE_MS = 5_000;

export function everyEndingTold({ world, story, rest }: Room): Checker {
  function isSurelyOver(lease: Lease): boolean {
    const released = lease.releases.some(
      (operation) => isDone(operation) && lease.promises.some(({ answeredAtMs }) => answeredAtMs <= operation.askedAtMs),
    );
    return released || story.mayRemainMs(lease, world.nowMs) < -DUE_MS;
  }

  /** Whether whoever acknowledged it is there, and cannot have forgotten it. */
  function isRemembered(place: string, namespace: CheckedNamespace, atMs: number): boolean {
    return rest.sidecar(place) !== undefined && !story.mayBeForgotten(place, namespace, atMs, world.nowMs);
  }

  function judgeLease(lease: Lease): void {
    const { namespace } = lease;
    const first = lease.promises[0];
    if (first === undefined || namespace === undefined || lease.isAdopted || !isSurelyOver(lease)) return;
    if (!isRemembered(first.place, namespace, first.askedAtMs)) return;
    const asWanted = lease.endings.some(({ what }) => !lease.isExplicit || what === 'lease.ended');
    if (asWanted) return;
    throw new Violation(NAME, `the end of lease ${lease.id} was never told`, [
      ...lease.asked.map(lineOfOperation), ...lease.endings.map(lineOfTold),
    ]);
  }

  function judgeAct(act: Act): void {
    const { asked, operation, lease: id } = act;
    if (act.outcome !== 'done' || asked.kind === 'delete' || id === undefined) return;
    const lease = story.leases.get(id);
    const namespace = story.namespace(asked.namespace);
    if (lease === undefined || namespace === undefined || namespace.sensitive || lease.isAdopted) return;
    if (lease.promises.length === 0 || !isSurelyOver(lease)) return;
    if (!isRemembered(operation.sidecar, namespace, operation.askedAtMs)) return;
    const told = lease.endings.some(({ what, data }) => what === 'entry.ended' && data['key'] === asked.key);
    if (told) return;
    throw new Violation(NAME, `the end of ${asked.namespace}/${asked.key} under ${id} was never told`, [
      lineOfOperation(operation), ...lease.endings.map(lineOfTold),
    ]);
  }

  return {
    invariant: NAME,
    atRest() {
      for (const lease of story.leases.values()) judgeLease(lease);
      for (const key of story.keys.values()) for (const act of key.acts) judgeAct(act);
    },
  };
}
