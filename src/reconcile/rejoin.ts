/**
 * Going on as another run. Whoever was silent for longer than the autonomy bound may have been
 * declared over, and its late writes with it; so it retires its actor, joins under a new one, and
 * writes what the ledger may not have again, with the context it had (PROTOCOL §2.5, §3.5 rule 6).
 */
import { LedgerError } from '../ledger/ledger.ts';
import { faultFields } from '../log/exception-fields.ts';
import { fullJitter } from '../resilience/backoff.ts';
import { SPANS } from '../tracing/names.ts';
import { asDuty } from './duty.ts';
import type { Partition } from './partition.ts';
import { takeBack } from './push.ts';
import type { Room } from './room.ts';
import type { Rounds } from './rounds.ts';

const BACKOFF = { baseMs: 50, capMs: 5_000 };

export class Rejoin {
  readonly #room: Room;
  readonly #rounds: Rounds;
  readonly #newActor: () => string;
  #underWay = false;
  #closed = false;

  constructor(room: Room, rounds: Rounds, newActor: () => string) {
    this.#room = room;
    this.#rounds = rounds;
    this.#newActor = newActor;
  }

  /** Once, however often it is called until it is done. */
  begin(): void {
    if (this.#underWay || this.#closed) return;
    this.#underWay = true;
    asDuty(this.#room, SPANS.roundRejoin, undefined, () => this.#run())
      .catch((error: unknown) => {
        this.#room.log.error(faultFields(error), 'could not go on as another run');
      })
      .then(() => {
        this.#underWay = false;
        this.#rounds.resume();
      });
  }

  close(): void {
    this.#closed = true;
  }

  async #run(): Promise<void> {
    const { log, replica, tally } = this.#room;
    log.warn({ actor: replica.actor }, 'silent for too long: going on under another actor');
    await this.#rounds.pause();
    const actor = await this.#join();
    if (actor === undefined) return;
    tally.rejoins += 1;
    replica.reincarnate(actor);
    this.#room.contacts.forget();
    for (const partition of this.#room.partitions.all()) this.#startAnew(partition);
    log.info({ actor }, 'joined again');
  }

  /** The new actor, once the ledger knows it; undefined when the process is leaving. */
  async #join(): Promise<string | undefined> {
    const { membership, scheduler } = this.#room;
    for (let attempt = 0; !this.#closed; attempt++) {
      const actor = this.#newActor();
      try {
        const { status } = await membership.joinAs(actor);
        if (status === 'joined') return actor;
      } catch (error) {
        if (!(error instanceof LedgerError)) throw error;
      }
      const waitMs = fullJitter(Math.min(attempt, 32), BACKOFF, () => scheduler.random());
      await new Promise<void>((resolve) => {
        scheduler.after(Math.max(waitMs, this.#room.gate.opensInMs), resolve);
      });
    }
    return undefined;
  }

  #startAnew(partition: Partition): void {
    const { scheduler } = this.#room;
    takeBack(partition);
    partition.batchMade = 0;
    partition.batchAnswered = 0;
    partition.rejoining = true;
    partition.contact = undefined;
    partition.heirOf = undefined;
    partition.checksFailed = 0;
    partition.notBefore = Number.NEGATIVE_INFINITY;
    partition.attempt = 0;
    partition.beatAt = scheduler.now();
    partition.checkAt = scheduler.now();
  }
}
