/**
 * The driver: which partition is worked on when, a bounded number at a time, one duty at a time in
 * each. It decides nothing about what is exchanged.
 */
import { LedgerError } from '../ledger/ledger.ts';
import { faultFields } from '../log/exception-fields.ts';
import { fullJitter } from '../resilience/backoff.ts';
import { ATTRIBUTES, SPANS } from '../tracing/names.ts';
import { beat, isIdle } from './beat.ts';
import { DueQueue } from './due-queue.ts';
import { asDuty, found } from './duty.ts';
import { GateClosedError } from './ledger-gate.ts';
import type { Partition } from './partition.ts';
import { pullToTail } from './pull.ts';
import { push } from './push.ts';
import { type Room, silentForTooLong } from './room.ts';
import { sweepOwn } from './sweeper.ts';
import { truthCheck } from './truth-check.ts';

const BACKOFF = { baseMs: 50, capMs: 5_000 };
/** From here on the wait is the longest. */
const ATTEMPT_MAX = 7;
/** A heartbeat this late goes before pushes (a pull: an interval): being written must not stop them. */
const BEAT_LATE_RATIO = 0.25;
const BATCHES_AT_ONCE = 16;

/** What is due in a partition, and what it is recorded as. */
interface Duty {
  readonly span: string;
  readonly work: () => Promise<unknown>;
}

export class Rounds {
  readonly #room: Room;
  readonly #queue = new DueQueue<Partition>();
  readonly #whenQuiet: (() => void)[] = [];
  #cancelTimer: (() => void) | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #running = 0;
  #paused = false;
  #hurrying = false;
  #onlyPush = false;
  #closed = false;

  constructor(room: Room) {
    this.#room = room;
  }

  /** Duties being done. */
  get running(): number {
    return this.#running;
  }

  /** Something about the partition has changed: its next duty may be due. */
  poke(partition: Partition): void {
    this.#requeue(partition);
    this.#arm();
  }

  /** Somebody waits for this partition's push: it does not wait for a timer. */
  hurry(partition: Partition): void {
    this.#requeue(partition);
    if (this.#hurrying || partition.dueAt > this.#room.scheduler.now()) return;
    this.#hurrying = true;
    void Promise.resolve().then(() => {
      this.#hurrying = false;
      if (!this.#closed && this.#room.membership.joined) this.#turn();
    });
  }

  /** The ledger has come (back): every partition says so at once, and compares. */
  reconnected(): void {
    const now = this.#room.scheduler.now();
    for (const partition of this.#room.partitions.all()) {
      partition.attempt = 0;
      partition.notBefore = now;
      partition.beatAt = now;
      partition.checkAt = now;
      this.#requeue(partition);
    }
    this.#room.changes.take();
    this.#arm();
  }

  /** From now on only pushes: the process is leaving. */
  onlyPush(): void {
    this.#onlyPush = true;
    for (const partition of this.#room.partitions.all()) this.poke(partition);
  }

  /** Starts no more duties; resolves when none is under way. */
  pause(): Promise<void> {
    this.#paused = true;
    return this.#quiet();
  }

  resume(): void {
    this.#paused = false;
    for (const partition of this.#room.partitions.all()) this.#requeue(partition);
    this.#arm();
  }

  /** Does `work` as the partition's only duty, when it comes to be its turn. */
  async exclusively<T>(partition: Partition, work: () => Promise<T>): Promise<T> {
    while (partition.busy) {
      await new Promise<void>((resolve) => partition.waiting.push(resolve));
    }
    partition.busy = true;
    this.#running += 1;
    try {
      return await work();
    } finally {
      this.#running -= 1;
      this.#release(partition);
    }
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#cancelTimer?.();
    return this.#quiet();
  }

  #quiet(): Promise<void> {
    if (this.#running === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenQuiet.push(resolve));
  }

  #release(partition: Partition): void {
    partition.busy = false;
    this.#requeue(partition);
    partition.waiting.shift()?.();
    if (this.#running === 0) for (const tell of this.#whenQuiet.splice(0)) tell();
    this.#arm();
  }

  #requeue(partition: Partition): void {
    this.#queue.put(partition, partition.nextDue(this.#room.scheduler.now()));
  }

  /** Makes sure that a turn comes when the next partition is due, and the ledger may be asked. */
  #arm(): void {
    if (this.#closed || this.#paused || !this.#room.membership.joined) return;
    const { scheduler, gate, settings } = this.#room;
    if (this.#running >= settings.requestsInFlight) return;
    // One request probes whether it is back; the others wait for its outcome.
    if (gate.state === 'half-open' && this.#running > 0) return;
    const now = scheduler.now();
    const at = Math.max(this.#queue.next, now + gate.opensInMs);
    if (at >= this.#timerAt) return;
    this.#cancelTimer?.();
    this.#timerAt = at;
    if (at === Number.POSITIVE_INFINITY) return;
    this.#cancelTimer = scheduler.after(Math.max(0, at - now), () => this.#turn());
  }

  #turn(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
    const { scheduler, gate, settings } = this.#room;
    if (silentForTooLong(this.#room)) {
      this.#room.onStale();
      return;
    }
    const now = scheduler.now();
    while (!this.#paused && this.#running < settings.requestsInFlight) {
      if (gate.state === 'open' || (gate.state === 'half-open' && this.#running > 0)) break;
      const partition = this.#queue.take(now);
      if (partition === undefined) break;
      if (partition.busy || partition.removed) continue;
      void this.#work(partition);
    }
    this.#arm();
  }

  async #work(partition: Partition): Promise<void> {
    const duty = this.#duty(partition);
    if (duty === undefined) {
      // What was due has been called off meanwhile.
      const due = partition.nextDue(this.#room.scheduler.now());
      if (due > this.#room.scheduler.now()) this.#queue.put(partition, due);
      return;
    }
    try {
      await this.exclusively(partition, async () => {
        try {
          await asDuty(this.#room, duty.span, partition.name, duty.work);
          partition.attempt = 0;
        } catch (error) {
          this.#failed(partition, error);
        }
        this.#leaveIdle(partition);
      });
    } catch (error) {
      this.#room.log.error(faultFields(error), 'reconciliation failed');
    }
  }

  #duty(partition: Partition): Duty | undefined {
    const room = this.#room;
    const now = room.scheduler.now();
    const pushing = partition.canPush(now);
    const pushes = { span: SPANS.roundPush, work: () => this.#push(partition) };
    const pulls = { span: SPANS.roundPull, work: () => this.#pull(partition) };
    const beats = { span: SPANS.roundBeat, work: () => beat(room, partition, { compare: false }) };
    if (this.#onlyPush) return pushing ? pushes : undefined;
    const checking = partition.checkAt <= now && !partition.dirty;
    const late = room.settings.beatMs * BEAT_LATE_RATIO;
    if (partition.beatAt + late <= now && !checking) return beats;
    if (partition.pullAt + room.settings.pullMs <= now) return pulls;
    if (pushing) return pushes;
    if (checking) return { span: SPANS.roundTruthCheck, work: () => truthCheck(room, partition) };
    if (partition.beatAt <= now) return beats;
    if (partition.pullAt <= now) return pulls;
    if (partition.sweepAt <= now && !partition.dirty) {
      return { span: SPANS.roundSweep, work: () => sweepOwn(room, partition) };
    }
    return undefined;
  }

  /** Batch after batch, until nothing is left or others must have their turn. */
  async #push(partition: Partition): Promise<void> {
    for (let batches = 0; batches < BATCHES_AT_ONCE; batches++) {
      await push(this.#room, partition);
      if (!partition.canPush(this.#room.scheduler.now()) || this.#paused) return;
    }
  }

  async #pull(partition: Partition): Promise<void> {
    const room = this.#room;
    const now = room.scheduler.now();
    partition.pullAt = now + room.settings.pullMs * (0.8 + 0.4 * room.scheduler.random());
    const outcome = await pullToTail(room, partition);
    found(room, { [ATTRIBUTES.outcome]: outcome });
    if (outcome === 'more') partition.pullAt = now;
    // Why it is lost, the heartbeat of a truth check tells.
    if (outcome === 'lost') partition.checkAt = Math.min(partition.checkAt, now);
  }

  #failed(partition: Partition, error: unknown): void {
    const { scheduler, gate, log, tally } = this.#room;
    const now = scheduler.now();
    if (error instanceof GateClosedError) {
      partition.notBefore = now + Math.max(gate.opensInMs, BACKOFF.baseMs * scheduler.random());
      return;
    }
    if (!(error instanceof LedgerError)) {
      log.error({ ...partition.name, ...faultFields(error) }, 'a duty broke off');
    }
    tally.noteRound('failed', now);
    const attempt = gate.mayRetrySoon() ? partition.attempt : ATTEMPT_MAX;
    partition.notBefore = now + fullJitter(attempt, BACKOFF, () => scheduler.random());
    partition.attempt = Math.min(partition.attempt + 1, ATTEMPT_MAX);
  }

  #leaveIdle(partition: Partition): void {
    if (!isIdle(partition)) return;
    this.#room.partitions.remove(partition);
    const { contract } = partition;
    const { partitions, contacts, gate } = this.#room;
    contacts.consider(contract, partitions.of(contract.name), gate.answeredAt);
  }
}
