/**
 * `beat`: an owner's heartbeat. It vouches for values only as far as it has proved to know what the
 * ledger holds of them (§3.5 rule 5): by digests, or by having followed the history to its end.
 */
import { type BeatReply, type BeatRequest, NO_DIGEST } from '../ledger.ts';
import { sameDigest } from './digest.ts';
import { standingOf } from './history.ts';
import { oursOf } from './owners.ts';
import { begin, NO_OWNER, type Partition, type Server, stateOf } from './partition.ts';

export function beat(partition: Partition, server: Server, request: BeatRequest): BeatReply {
  const { caller, cursor, owned, batch, retire } = request;
  const now = begin(partition, caller.epoch, server);
  const ours = oursOf(caller);
  const standing = standingOf(partition, cursor);
  const forgotBatch = (partition.owners.get(caller.actor)?.batch ?? 0) < batch;
  const ownedHere = (actor: string) => partition.owners.get(actor)?.owned ?? NO_DIGEST;
  let vouched: string[] = [];
  if (owned !== undefined) {
    vouched = owned
      .filter(({ actor, ...digest }) => ours.has(actor) && sameDigest(digest, ownedHere(actor)))
      .map(({ actor }) => actor);
  } else if (standing === 'current' && !forgotBatch) {
    vouched = [...ours];
  }
  if (retire === true) {
    for (const actor of ours) retireOwner(partition, actor, caller.actor, now);
  } else {
    for (const actor of vouched) vouch(partition, actor, caller.actor, now);
  }
  const { records, expiry, live, tombstones, root } = partition;
  return {
    ...stateOf(partition, now),
    history: standing === 'current' || standing === 'behind' ? standing : 'lost',
    vouched,
    owned: [...ours].map((actor) => ({ actor, ...ownedHere(actor) })),
    root,
    corrupt: records.size !== expiry.size || records.size !== live + tombstones,
    forgotBatch,
    records: live,
    tombstones,
  };
}

/** Instead of an instant in `retiredAt`: an heir keeps its values alive. */
const INHERITED = -1;

function vouch(partition: Partition, actor: string, by: string, now: number): void {
  const owner = partition.owners.get(actor) ?? NO_OWNER;
  const inherited = actor !== by || owner.retiredAt === INHERITED;
  partition.owners.set(actor, { ...owner, seen: now, retiredAt: inherited ? INHERITED : 0 });
}

/** A goodbye that comes after the heir has begun is none. */
function retireOwner(partition: Partition, actor: string, by: string, now: number): void {
  const owner = partition.owners.get(actor) ?? NO_OWNER;
  if (actor === by && owner.retiredAt === INHERITED) return;
  partition.owners.set(actor, { ...owner, seen: 0, retiredAt: now });
}
