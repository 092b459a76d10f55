/**
 * What was sent over one connection and has no outcome yet, in the order of sending, under numbers
 * that count from 1. One timer looks after all of them, so a message is given up within an eighth
 * of the limit after it; there is no timer per message. How many there are is the publisher's to
 * bound.
 */
import type { Scheduler } from '../../resilience/scheduler.ts';
import type { BusFault, BusMessage, PublishOutcome, StreamName } from '../bus.ts';

export type Done = (outcome: PublishOutcome) => void;

interface Waiting {
  readonly stream: StreamName;
  readonly subject: string;
  readonly sentAt: number;
  readonly done: Done;
}

/** Looks at the oldest this often within the limit. */
const LOOKS_PER_LIMIT = 8;

export class Outstanding {
  /** Called after messages were given up, with what to tell of them. */
  onLate: () => void = () => {};
  /** Milliseconds until the last one that was acknowledged was; undefined before the first. */
  lastAnswerMs: number | undefined;
  readonly #scheduler: Scheduler;
  readonly #limitMs: number;
  /** Its order is that of sending. */
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;
  #isLooking = false;
  #emptied: (() => void)[] = [];

  constructor(scheduler: Scheduler, limitMs: number) {
    this.#scheduler = scheduler;
    this.#limitMs = limitMs;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** The number of the message added last. */
  get last(): number {
    return this.#last;
  }

  add({ stream, subject }: BusMessage, done: Done): number {
    this.#last += 1;
    this.#waiting.set(this.#last, { stream, subject, sentAt: this.#scheduler.now(), done });
    this.#look();
    return this.#last;
  }

  streamOf(number: number): StreamName | undefined {
    return this.#waiting.get(number)?.stream;
  }

  /** Ends one, unless it had its outcome before. */
  settle(number: number, outcome: PublishOutcome): void {
    const waiting = this.#waiting.get(number);
    if (waiting === undefined) return;
    this.#waiting.delete(number);
    if (outcome.ok) this.lastAnswerMs = this.#scheduler.now() - waiting.sentAt;
    waiting.done(outcome);
    this.#tellEmptied();
  }

  /** Takes one back that was never sent. */
  withdraw(number: number): void {
    this.#waiting.delete(number);
    this.#tellEmptied();
  }

  /** Ends everything up to `number`, in the order of sending. */
  settleUpTo(number: number, outcome: PublishOutcome): void {
    for (const each of this.#waiting.keys()) {
      if (each > number) return;
      this.settle(each, outcome);
    }
  }

  settleSubject(subject: string, fault: BusFault): void {
    const last = this.#last;
    for (const [number, waiting] of this.#waiting) {
      // Whoever is told may try again at once.
      if (number > last) return;
      if (waiting.subject === subject) this.settle(number, { ok: false, fault });
    }
  }

  settleAll(fault: BusFault): void {
    this.settleUpTo(this.#last, { ok: false, fault });
  }

  /** Resolves when nothing is outstanding. */
  emptied(): Promise<void> {
    if (this.#waiting.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#emptied.push(resolve));
  }

  #tellEmptied(): void {
    if (this.#waiting.size > 0) return;
    for (const tell of this.#emptied.splice(0)) tell();
  }

  #look(): void {
    if (this.#isLooking || this.#waiting.size === 0) return;
    this.#isLooking = true;
    this.#scheduler.after(this.#limitMs / LOOKS_PER_LIMIT, () => {
      this.#isLooking = false;
      this.#giveUp();
      this.#look();
    });
  }

  #giveUp(): void {
    const sentBefore = this.#scheduler.now() - this.#limitMs;
    let late = 0;
    for (const [number, { sentAt }] of this.#waiting) {
      // Whoever is told of one may send another: those come behind, and are young.
      if (sentAt > sentBefore) break;
      const detail = `No acknowledgement within ${this.#limitMs} ms`;
      this.settle(number, { ok: false, fault: { kind: 'timeout', detail } });
      late += 1;
    }
    if (late > 0) this.onLate();
  }
}
