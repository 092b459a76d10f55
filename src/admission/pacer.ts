/**
 * Refusals that slow down whoever does not listen. Refusing costs more than half of what a small
 * request costs, so a producer that asks again at once, at twice what the sidecar can do, would
 * leave no time for work if it were answered at once. One that comes back before it was told to is
 * therefore kept waiting for its answer: until then its connection asks for nothing more. Whoever
 * heeds `Retry-After` is never held.
 *
 * Bounded in time, in number, and to one for each connection; beyond that answers are given at once.
 * On a connection that sends without waiting they queue behind the one that is held, and the server
 * reads no further than it can buffer answers. So what refusals can cost is known: at most one of
 * each connection in three quarters of `holdMs`.
 *
 * Those who were refused together must not come back together, or each of their waves is refused as
 * a whole while the loop stands idle between two: how long one is held is a matter of chance, and
 * the held lie on a ring of instants.
 */
import type { Scheduler } from '../resilience/scheduler.ts';

export interface PacerSettings {
  /** The longest an answer is held, and at least half of it. */
  readonly holdMs: number;
  readonly heldRefusals: number;
}

interface Held {
  readonly connection: object;
  readonly retryAfterMs: number;
  readonly answer: () => void;
}

/** One timer for everybody; a timer for each refusal would cost as much as the refusal. */
const STEP_MS = 10;

export class Pacer {
  readonly #scheduler: Scheduler;
  readonly #settings: PacerSettings;
  /** When a connection was told to come back; infinite while an answer to it is held. */
  readonly #toldUntil = new WeakMap<object, number>();
  /** Who is answered in the steps to come: the next one's are at `#step`. */
  readonly #ring: Held[][];
  #step = 0;
  #held = 0;
  #cancel: (() => void) | undefined;
  #closed = false;

  constructor(scheduler: Scheduler, settings: PacerSettings) {
    this.#scheduler = scheduler;
    this.#settings = settings;
    this.#ring = Array.from({ length: Math.max(1, Math.floor(settings.holdMs / STEP_MS)) }, () => []);
  }

  /** Refusals held back now. */
  get held(): number {
    return this.#held;
  }

  /** Calls `answer` once: at once, or later for a connection that was told to come back later. */
  refuse(connection: object, retryAfterMs: number, answer: () => void): void {
    const now = this.#scheduler.now();
    const toldUntil = this.#toldUntil.get(connection) ?? 0;
    if (now >= toldUntil) {
      this.#toldUntil.set(connection, now + retryAfterMs);
      answer();
      return;
    }
    const { holdMs, heldRefusals } = this.#settings;
    const waits = toldUntil === Number.POSITIVE_INFINITY;
    if (waits || this.#closed || holdMs === 0 || this.#held >= heldRefusals) {
      answer();
      return;
    }
    this.#toldUntil.set(connection, Number.POSITIVE_INFINITY);
    this.#hold({ connection, retryAfterMs, answer });
  }

  /** Answers everybody who waits, and from now on everybody at once. */
  close(): void {
    this.#closed = true;
    this.#cancel?.();
    this.#cancel = undefined;
    for (let steps = this.#ring.length; steps > 0; steps--) this.#answerNext();
  }

  #hold(held: Held): void {
    const { length } = this.#ring;
    const steps = Math.floor((length * (1 + this.#scheduler.random())) / 2);
    this.#ring[(this.#step + steps) % length]!.push(held);
    this.#held++;
    this.#cancel ??= this.#scheduler.after(STEP_MS, this.#turn);
  }

  readonly #turn = (): void => {
    this.#cancel = undefined;
    this.#answerNext();
    if (this.#held > 0) this.#cancel ??= this.#scheduler.after(STEP_MS, this.#turn);
  };

  #answerNext(): void {
    const due = this.#ring[this.#step]!;
    this.#ring[this.#step] = [];
    this.#step = (this.#step + 1) % this.#ring.length;
    this.#held -= due.length;
    const now = this.#scheduler.now();
    for (const { connection, retryAfterMs, answer } of due) {
      this.#toldUntil.set(connection, now + retryAfterMs);
      answer();
    }
  }
}
