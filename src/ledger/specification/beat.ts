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
  for (const actor of retire === true ? ours : vouched) {
    const owner = partition.owners.get(actor) ?? NO_OWNER;
    const standingNow = retire === true ? { seen: 0, retiredAt: now } : { seen: now, retiredAt: 0 };
    partition.owners.set(actor, { ...owner, ...standingNow });
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
