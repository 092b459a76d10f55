/**
 * The truth check: does the ledger hold exactly what we own, and, where copies of everything are
 * kept, do we hold exactly what it holds? Nearly always one heartbeat says yes to both. When not,
 * only what differs is exchanged: read and joined, or pushed again (PROTOCOL §11, steps 9 and 11).
 */
import { NO_CURSOR, type PulledRecord } from '../ledger/ledger.ts';
import { sameDot } from '../ledger/record.ts';
import { ATTRIBUTES } from '../tracing/names.ts';
import { Awaiting } from './awaiting.ts';
import { beat, type BeatOutcome, digestsOf } from './beat.ts';
import { found } from './duty.ts';
import { merge } from './merging.ts';
import type { Partition } from './partition.ts';
import { fetch } from './pull.ts';
import type { PartitionDigests } from './replica.ts';
import { callerOf, offsetOf, type Room, sameDigest } from './room.ts';
import { type Survey, surveyAll, surveyOwned } from './survey.ts';
import { sweepOwn } from './sweeper.ts';

/** The last resort while something changes at every look. */
const LOOK_AGAIN_MS = 1_000;
/** The first wait after a check that has not helped; doubled each time. */
const RECHECK_MS = 500;
/** Heartbeats in which owners tell again what the ledger has lost, before copies of it are dropped. */
const GRACE_BEATS = 3;

/** Rejects with `LedgerError`; then it is still due. */
export async function truthCheck(room: Room, partition: Partition): Promise<void> {
  const { namespace, partition: number } = partition.name;
  const firstOfHeir = !partition.checked && callerOf(room, partition).predecessors.length > 0;
  if (firstOfHeir || room.replica.unswept(namespace, number) > 0) await sweepOwn(room, partition);
  const outcome = await beat(room, partition, { compare: true });
  const { digests, reply, vouched } = outcome;
  if (digests === undefined) {
    if (!partition.dirty) partition.checkAt = room.scheduler.now() + LOOK_AGAIN_MS;
    return;
  }
  const { history, root, tail } = reply;
  const sound = vouched && history !== 'lost' && !reply.corrupt && !reply.forgotBatch;
  // Read to the tail, and all our values were there: what others go on writing is none of it.
  const inStep = partition.mirrors
    ? history === 'current' && sameDigest(digests.root, root)
    : true;
  if (sound && inStep) {
    passed(room, partition);
    return;
  }
  // What others have written since is no difference.
  if (sound && partition.mirrors && history === 'behind') {
    partition.checkAt = room.scheduler.now() + LOOK_AGAIN_MS;
    return;
  }
  disown(room, partition, outcome, digests);
  const survey = await look(room, partition, outcome);
  if (survey === undefined) return;
  await putRight(room, partition, outcome, survey);
  // From here on the history is followed again; what was logged meanwhile will be read.
  if (history === 'lost') partition.cursor = tail;
}

/**
 * Earlier runs of which the ledger holds something else than is held here, though the differences
 * have been exchanged: they are left, and what is held of theirs goes on under this run's name.
 */
function disown(
  room: Room,
  partition: Partition,
  { reply }: BeatOutcome,
  { owned }: PartitionDigests,
): void {
  const { namespace, partition: number } = partition.name;
  if (partition.checksFailed === 0) return;
  const kept = new Set(callerOf(room, partition).predecessors);
  for (const actor of kept) {
    if (reply.vouched.includes(actor)) continue;
    if ((owned.get(actor)?.count ?? 0) > 0) room.replica.restamp(namespace, number, actor);
    kept.delete(actor);
  }
  partition.heirOf = kept;
}

function passed(room: Room, partition: Partition): void {
  found(room, { [ATTRIBUTES.outcome]: 'in-step' });
  const { truthCheckMs } = room.settings;
  const now = room.scheduler.now();
  partition.checkAt = now + truthCheckMs * (0.8 + 0.4 * room.scheduler.random());
  partition.checksFailed = 0;
  partition.checked = true;
  partition.lostData = false;
  partition.repairing = false;
  room.tally.noteRound('in-step', now);
}

async function putRight(
  room: Room,
  partition: Partition,
  { vouched, reply }: BeatOutcome,
  survey: Survey,
): Promise<void> {
  const done = await repair(room, partition, survey);
  const { tally } = room;
  // A new reader of everything has everything to read: no repair.
  const begins = !partition.checked && partition.cursor.seq === NO_CURSOR.seq;
  if (begins) done.pulled = 0;
  const some = done.pushed + done.pulled + done.ended > 0;
  partition.checked = true;
  partition.repairing = some;
  if (some) {
    found(room, {
      [ATTRIBUTES.outcome]: 'repaired',
      [ATTRIBUTES.pushed]: done.pushed,
      [ATTRIBUTES.pulled]: done.pulled,
      [ATTRIBUTES.ended]: done.ended,
    });
    tally.repairs.pushed += done.pushed;
    tally.repairs.pulled += done.pulled;
    tally.repairs.ended += done.ended;
    room.replica.tellRepaired(partition.name.namespace, partition.name.partition, done);
    const { pushed, pulled, ended } = done;
    room.log.warn(
      { ...partition.name, pushed, pulled, ended }, 'the ledger differed, and is being put right',
    );
  }
  // Copies that the ledger lacks have been left for now; that there are some, only its root tells.
  const copiesDiffer = partition.mirrors && (reply.history === 'current' || partition.lostData);
  if (!some && vouched && !copiesDiffer) {
    passed(room, partition);
    return;
  }
  tally.noteRound(some ? 'repaired' : 'in-step', room.scheduler.now());
  checkAgain(room, partition);
}

/** What differs; undefined when it cannot be told now, because something has changed here. */
async function look(
  room: Room,
  partition: Partition,
  { vouched, reply }: BeatOutcome,
): Promise<Survey | undefined> {
  if (!partition.mirrors) {
    if (!vouched || partition.lostData) return surveyOwned(room, partition);
    // Every own value is there. What others have put beside it was logged, and the log is gone.
    const unread = reply.history === 'lost' && partition.keepsSiblings;
    return { ...NOTHING, differing: unread ? heldIn(room, partition) : [] };
  }
  const digests = digestsOf(room, partition, true);
  return digests && surveyAll(room, partition, digests.cells);
}

const NOTHING: Survey = { complete: false, differing: [], endings: [], lacking: [], copies: [] };

function heldIn(room: Room, partition: Partition): readonly string[] {
  const { namespace, partition: number } = partition.name;
  const held = new Set<string>();
  room.replica.forEachHeld(namespace, number, (id, own) => {
    if (own) held.add(id);
  });
  return [...held];
}

async function repair(room: Room, partition: Partition, survey: Survey) {
  const { namespace } = partition.name;
  const awaiting = new Awaiting(room, partition);
  let revived = 0;
  const read = await fetch(room, partition, survey.differing, (pulled) => {
    if (awaiting.takes(pulled)) return true;
    if (holdsWhatIsOver(room, partition, pulled)) {
      room.replica.changedAgain(namespace, pulled.id);
      revived += 1;
    }
    return false;
  });
  const done = { pushed: read.missing + revived, pulled: read.copied, ended: read.ended };
  room.changes.take();
  // What has ended is told first, so that nothing of it comes to life beside what follows. A ledger
  // that lost data may have lost others' values with it: their owners tell it again, and until then
  // the copies are the last ones there are.
  if (partition.lostData) {
    for (const id of survey.endings) room.replica.changedAgain(namespace, id);
    room.changes.take();
  }
  const { endings, lacking, copies } = survey;
  // Beside what is left of an own value there may be a copy, too.
  const gone = partition.lostData ? lacking : [...lacking, ...endings, ...copies];
  for (const id of gone) {
    if (partition.isDirty(id)) continue;
    const { missing, copied, ended } = merge(room, partition, id, undefined);
    done.pushed += missing;
    done.pulled += copied;
    done.ended += ended;
  }
  room.changes.take();
  if (survey.complete) awaiting.settle();
  return done;
}

/** The ledger has gone back to a value that is known here to be written over, or ended. */
function holdsWhatIsOver(room: Room, partition: Partition, { id, record }: PulledRecord): boolean {
  const { namespace } = partition.name;
  if (record === undefined || partition.isDirty(id)) return false;
  const known = room.replica.recordToPush(namespace, id, offsetOf(room, partition));
  if (known === undefined) return false;
  return record.siblings.some(
    ({ dot }) =>
      !known.siblings.some((sibling) => sameDot(sibling.dot, dot)) &&
      known.context.some(({ actor, seq }) => actor === dot.actor && seq >= dot.seq),
  );
}

/** What was found has been put right, or cannot be; looked at again at once, then ever later. */
function checkAgain(room: Room, partition: Partition): void {
  const { truthCheckMs, beatMs } = room.settings;
  const failed = partition.checksFailed;
  partition.checksFailed += 1;
  let waitMs = failed === 0 ? 0 : Math.min(truthCheckMs, RECHECK_MS * 2 ** failed);
  if (failed > 0 && partition.lostData) {
    partition.lostData = false;
    waitMs = Math.max(waitMs, GRACE_BEATS * beatMs);
  }
  partition.checkAt = room.scheduler.now() + waitMs;
}
