/**
 * Values that ended here at their final deadline without a word to the ledger, because a sweep
 * takes them away there. Until then both sides count them, this one from memory; and memory may
 * be wrong: the answer to a sweep got lost, the ledger has lost the value, or somebody has written
 * over it. A comparison value by value sets it right.
 */
import { type Digest, NO_DIGEST, type PulledRecord } from '../ledger/ledger.ts';
import { sameDot } from '../ledger/record.ts';
import { digestsOf } from './beat.ts';
import type { Partition } from './partition.ts';
import { callerOf, offsetOf, type Room } from './room.ts';

interface Hashed {
  readonly dot: { readonly actor: string };
  readonly hashHigh: number;
  readonly hashLow: number;
}

export class Awaiting {
  readonly #room: Room;
  readonly #partition: Partition;
  readonly #ours: ReadonlySet<string>;
  /** By actor, what should be counted: live values, and those found to await their sweep. */
  readonly #sums = new Map<string, Digest>();

  constructor(room: Room, partition: Partition) {
    this.#room = room;
    this.#partition = partition;
    const { actor, predecessors } = callerOf(room, partition);
    this.#ours = new Set([actor, ...predecessors]);
  }

  /** Whether what the ledger holds of a key is nothing but our values that await their sweep. */
  takes({ id, record }: PulledRecord): boolean {
    const { replica, scheduler, settings } = this.#room;
    if (record === undefined || record.siblings.length === 0) return false;
    const { namespace } = this.#partition.name;
    const offsetMs = offsetOf(this.#room, this.#partition);
    const held = replica.recordToPush(namespace, id, offsetMs)?.siblings ?? [];
    const dueBefore = scheduler.now() + offsetMs + settings.slackMs;
    const awaiting = record.siblings.filter(
      ({ dot, session, deadline }) =>
        this.#ours.has(dot.actor) && !session && deadline < dueBefore &&
        !held.some((live) => sameDot(live.dot, dot)),
    );
    for (const sibling of awaiting) this.#add(sibling);
    return awaiting.length === record.siblings.length && held.length === 0;
  }

  /** Everything in the partition has been compared. */
  settle(): void {
    const digests = digestsOf(this.#room, this.#partition);
    if (digests === undefined) return;
    const { replica } = this.#room;
    const { namespace, partition: number } = this.#partition.name;
    const own = new Set<string>();
    replica.forEachHeld(namespace, number, (id, isOwn) => {
      if (isOwn) own.add(id);
    });
    const offsetMs = offsetOf(this.#room, this.#partition);
    for (const id of own) {
      const record = replica.recordToPush(namespace, id, offsetMs);
      for (const sibling of record?.siblings ?? []) this.#add(sibling);
    }
    const actors = new Set([...digests.owned.keys(), ...this.#sums.keys()]);
    const wrong = [...actors]
      .map((actor) => ({ actor, ...this.#surplus(actor, digests.owned.get(actor) ?? NO_DIGEST) }))
      .filter(({ count, high, low }) => count !== 0 || high !== 0 || low !== 0);
    if (wrong.length > 0) replica.swept(namespace, number, wrong);
  }

  #surplus(actor: string, counted: Digest): Digest {
    const { count, high, low } = this.#sums.get(actor) ?? NO_DIGEST;
    return {
      count: counted.count - count,
      high: (counted.high - high) >>> 0,
      low: (counted.low - low) >>> 0,
    };
  }

  #add({ dot, hashHigh, hashLow }: Hashed): void {
    const { count, high, low } = this.#sums.get(dot.actor) ?? NO_DIGEST;
    this.#sums.set(dot.actor, {
      count: count + 1,
      high: (high + hashHigh) >>> 0,
      low: (low + hashLow) >>> 0,
    });
  }
}
