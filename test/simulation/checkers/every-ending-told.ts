/**
 * `every-ending-told` (P3, I-T1): everything that was granted and acknowledged and is surely over
 * has had its ending told, at least once: `lease.ended` for an explicit lease, `entry.ended` for
 * each key that was written under a lease.
 *
 * An ending stays with its sidecar for a while after it was acknowledged, so what its stream has
 * lost is there again: each ending of a run that goes on, told in the last half minute to a stream
 * that is not the same any more.
 *
 * Judged at rest. Forgiven: what the namespace's durability let a crash or a power cut forget,
 * grants included, unless the ledger knew of it; what belongs to a sidecar that is not there to tell it; leases that went on at
 * another sidecar, whose later story is told under other names.
 */
import { type CheckedNamespace, type Checker, Violation } from './checker.ts';
import { dotText, isDone, lineOfOperation, lineOfTold } from './reading.ts';
import type { Room } from './room.ts';
import type { Act, Key, Lease } from './story.ts';

const NAME = 'every-ending-told';
/** What fell due so long before the end must have been swept, told and acknowledged. */
const DUE_MS = 5_000;
/** Beyond the autonomy bound: for clocks, slack and sweeps. */
const SWEPT_MS = 8_000;
/** What is acknowledged is kept for as long, less what acknowledging takes. */
const KEPT_MS = 28_000;
const STREAM_LOSSES: ReadonlySet<string> = new Set(['bus-loses-acknowledged', 'stream-deleted', 'stream-replaced']);

export function everyEndingTold({ world, story, rest, watch, clocks }: Room): Checker {
  function isSurelyOver(lease: Lease): boolean {
    const released = lease.releases.some(
      (operation) => isDone(operation) && lease.promises.some(({ answeredAtMs }) => answeredAtMs <= operation.askedAtMs),
    );
    return released || overMs(lease) > DUE_MS;
  }

  /** For how long at least. Where reads prolong, the last one may have been of this, whoever asked. */
  function overMs(lease: Lease): number {
    const { namespace, promises } = lease;
    if (namespace?.sliding !== true) return -story.mayRemainMs(lease, world.nowMs);
    const lastAskedMs = world.history.operations.at(-1)!.askedAtMs;
    return world.nowMs - lastAskedMs - Math.max(...promises.map(({ remainingMs }) => remainingMs)) - DUE_MS;
  }

  /** Whether whoever acknowledged it is there, and cannot have forgotten it, nor how it ended. */
  function isRemembered(place: string, namespace: CheckedNamespace, atMs: number): boolean {
    if (rest.sidecar(place) === undefined) return false;
    if (namespace.durability === 'ledger' && story.powerLostSince(place, atMs)) return false;
    return !story.mayBeForgotten(place, namespace, atMs, world.nowMs);
  }

  /**
   * The ledger knew of it and has lost nothing since; whoever wrote it was gone before it was over, and
   * did not lose its memory again; others have ended it long ago if nobody else has. What was written
   * over it in the ledger did so without a word.
   */
  function isSweptByNow({ dot, operation }: Act, { acts, namespace }: Key, lease: Lease): boolean {
    const { askedAtMs, sidecar, run } = operation;
    if (namespace.durability === 'memory' || story.wasStopped || watch.lostSince(askedAtMs)) return false;
    if (dot === undefined || !story.hybridClockOf.has(dotText(dot))) return false;
    const remainsMs = story.mayRemainMs(lease, world.nowMs);
    const goneByMs = world.nowMs + remainsMs - DUE_MS;
    if (story.powerLostSince(sidecar, goneByMs) || clocks.runAt(sidecar, goneByMs) === run) return false;
    const mayBeCovered = acts.some(
      (other) => other.operation !== operation && other.outcome !== 'refused' &&
        (other.operation.answer?.atMs ?? Infinity) >= askedAtMs,
    );
    return !mayBeCovered && remainsMs < -(namespace.autonomyMs + SWEPT_MS);
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

  function judgeAct(act: Act, key: Key): void {
    const { asked, operation, lease: id } = act;
    if (act.outcome !== 'done' || asked.kind === 'delete' || id === undefined) return;
    const lease = story.leases.get(id);
    const namespace = story.namespace(asked.namespace);
    if (lease === undefined || namespace === undefined || namespace.sensitive || lease.isAdopted) return;
    if (lease.promises.length === 0 || !isSurelyOver(lease)) return;
    const mustTell = isRemembered(operation.sidecar, namespace, operation.askedAtMs) || isSweptByNow(act, key, lease);
    if (!mustTell) return;
    const told = lease.endings.some(({ what, data }) => what === 'entry.ended' && data['key'] === asked.key);
    if (told) return;
    throw new Violation(NAME, `the end of ${asked.namespace}/${asked.key} under ${id} was never told`, [
      lineOfOperation(operation), ...lease.endings.map(lineOfTold),
    ]);
  }

  function judgeStream(): void {
    const lost = world.history.incidents.findLast(({ kind }) => STREAM_LOSSES.has(kind));
    if (lost === undefined) return;
    const held = world.bus.endings();
    const actors = new Set(rest.running.map((sidecar) => rest.status(sidecar)?.['actor']));
    for (const told of story.told) {
      if (told.stream !== 'endings' || told.atMs < lost.atMs - KEPT_MS || !actors.has(told.actor)) continue;
      if (held.has(told.id)) continue;
      // The same stream went back, and others filled it again before its publisher could see that:
      // nothing shows it, and it is given up (src/events/stream-history.ts).
      if (told.raw.created === world.bus.endingsCreated) continue;
      throw new Violation(NAME, `the stream has lost ${told.id}, and it was not told again`, [lineOfTold(told)]);
    }
  }

  return {
    invariant: NAME,
    atRest() {
      judgeStream();
      for (const lease of story.leases.values()) judgeLease(lease);
      for (const key of story.keys.values()) for (const act of key.acts) judgeAct(act, key);
    },
  };
}
