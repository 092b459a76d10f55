/**
 * The heartbeat: says that this sidecar lives and where it believes to stand, and learns whether
 * that is so. One that vouches for everything of ours is contact. With digests it also proves that
 * the ledger holds exactly what we own; that is a truth check.
 */
import type { BeatReply, Digest } from '../ledger/ledger.ts';
import { ATTRIBUTES } from '../tracing/names.ts';
import { found } from './duty.ts';
import type { Partition } from './partition.ts';
import { hearOwners, pullToTail } from './pull.ts';
import type { PartitionDigests } from './replica.ts';
import { askPartition, callerOf, noteLoss, type Room } from './room.ts';

/** Beats in a row after pulling to a tail that others have moved on meanwhile. */
const BEATS_AT_ONCE = 4;
/** Heartbeats without anything of ours, after which a partition is left alone. */
const IDLE_BEATS = 3;

export interface BeatOutcome {
  readonly reply: BeatReply;
  /** What was compared; undefined when something had changed here meanwhile. */
  readonly digests: PartitionDigests | undefined;
  /** Every actor of ours was vouched for. */
  readonly vouched: boolean;
}

/** Between two heartbeats: several within the autonomy bound, and not all sidecars at once. */
export function beatIntervalMs(room: Room, { contract }: Partition): number {
  const { beatMs } = room.settings;
  return Math.min(beatMs, contract.autonomyMs / 4) * (0.8 + 0.4 * room.scheduler.random());
}

/** What is owned and held, when the ledger can know all of it. */
export function digestsOf(
  room: Room,
  partition: Partition,
  withCells = false,
): PartitionDigests | undefined {
  room.changes.take();
  if (partition.dirty) return undefined;
  const { namespace, partition: number } = partition.name;
  return room.replica.digests(namespace, number, withCells);
}

/**
 * Beats until the cursor is at the tail. `compare`: with digests. Rejects with `LedgerError`. A
 * truth check is made due when something does not fit.
 */
export async function beat(
  room: Room,
  partition: Partition,
  options: { readonly compare: boolean },
): Promise<BeatOutcome> {
  partition.beatAt = room.scheduler.now() + beatIntervalMs(room, partition);
  let compare = options.compare;
  for (let beats = 1; ; beats++) {
    const outcome = await beatOnce(room, partition, compare);
    const { history } = outcome.reply;
    found(room, { [ATTRIBUTES.outcome]: history });
    if (history === 'lost' || outcome.reply.corrupt || outcome.reply.forgotBatch) {
      distrust(room, partition, outcome.reply);
      return outcome;
    }
    if (history === 'current') {
      if (!outcome.vouched) checkSoon(room, partition);
      else if (!partition.mirrors && partition.keepsSiblings) await hearOwners(room, partition);
      return outcome;
    }
    const pulled = await pullToTail(room, partition);
    if (pulled === 'lost') {
      checkSoon(room, partition);
      return outcome;
    }
    if (pulled === 'more') partition.beatAt = room.scheduler.now();
    // Where copies of everything are compared, only a look from the tail says anything.
    const enough = outcome.vouched && !(options.compare && partition.mirrors);
    if (enough || pulled === 'more' || beats === BEATS_AT_ONCE) return outcome;
    // Digests vouch even where others keep writing, so that contact does not depend on a pause.
    compare = true;
  }
}

async function beatOnce(room: Room, partition: Partition, compare: boolean): Promise<BeatOutcome> {
  const caller = callerOf(room, partition);
  const actors = [caller.actor, ...caller.predecessors];
  const digests = compare ? digestsOf(room, partition) : undefined;
  const owned = actors.map((actor) => ({ actor, ...digestOf(digests?.owned, actor) }));
  const { reply, sentAt } = await askPartition(
    room, partition,
    (ledger) =>
      ledger.beat(partition.name, {
        caller,
        terms: partition.terms,
        cursor: partition.cursor,
        ...(digests === undefined ? {} : { owned }),
        batch: partition.batchAnswered,
      }),
    { sound: beatComplaint },
  );
  const vouched = actors.every((actor) => reply.vouched.includes(actor));
  if (vouched) {
    partition.contact = sentAt;
    partition.rejoining = false;
    noteVouched(room, partition, digests);
    room.contacts.consider(partition.contract, room.partitions.of(partition.name.namespace));
  }
  return { reply, digests, vouched };
}

function digestOf(owned: ReadonlyMap<string, Digest> | undefined, actor: string): Digest {
  return owned?.get(actor) ?? { count: 0, high: 0, low: 0 };
}

function beatComplaint(reply: BeatReply): string | undefined {
  const sound =
    ['current', 'behind', 'lost'].includes(reply.history) &&
    Array.isArray(reply.vouched) &&
    Array.isArray(reply.owned);
  return sound ? undefined : 'The ledger answered a heartbeat without saying where it stands';
}

function distrust(room: Room, partition: Partition, reply: BeatReply): void {
  const { faults } = room.tally;
  // A new reader knows no history: that is no loss.
  if (reply.history === 'lost' && partition.cursor.seq > 0) {
    faults['lost-history'] += 1;
    noteLoss(room, partition);
  }
  if (reply.corrupt) faults.corrupt += 1;
  if (reply.forgotBatch) {
    noteLoss(room, partition);
    // Known from here on: it is not to be told again with each heartbeat.
    partition.batchAnswered = 0;
  }
  checkSoon(room, partition);
}

/** A truth check is due; later and later while checks do not help. */
function checkSoon(room: Room, partition: Partition): void {
  const now = room.scheduler.now();
  const waitMs =
    partition.checksFailed < 2
      ? 0
      : Math.min(room.settings.truthCheckMs, 500 * 2 ** partition.checksFailed);
  partition.checkAt = Math.min(partition.checkAt, now + waitMs);
}

function noteVouched(room: Room, partition: Partition, compared: PartitionDigests | undefined): void {
  const { namespace, partition: number } = partition.name;
  room.changes.take();
  if (compared !== undefined && !partition.dirty) {
    room.replica.verified(namespace, number);
    const { predecessors } = callerOf(room, partition);
    partition.heirOf = new Set(
      predecessors.filter((actor) => digestOf(compared.owned, actor).count > 0),
    );
  }
  if (!partition.dirty) partition.repairing = false;
  // What was pushed of late may have to be told again, should the ledger lose it; and until the
  // horizon others may have ended a run of ours there, whose ending we have told already: whoever
  // is not heard of has it told once more.
  const { horizonMs, silenceMs } = partition.terms;
  const keptMs = Math.max(room.settings.windowMs, horizonMs + silenceMs);
  const settled = room.scheduler.now() - partition.pushedAt > keptMs;
  const idle =
    settled && !partition.mirrors && !partition.dirty && !room.replica.ownsIn(namespace, number);
  partition.idleBeats = idle ? partition.idleBeats + 1 : 0;
}

/** Nothing of ours has been in it for some time. */
export function isIdle(partition: Partition): boolean {
  return partition.idleBeats >= IDLE_BEATS && !partition.dirty;
}
