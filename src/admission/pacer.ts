/**
 * Refusals that slow down whoever does not listen. Refusing costs more than half of what a small
 * request costs, so a producer that asks again at once, at twice what the sidecar can do, would
 * leave no time for work if it were answered at once. One that comes back before it was told to is
 * therefore kept waiting for its answer: until then its connection asks for nothing more. Whoever
 * heeds `Retry-After` is never held.
 *
 * Bounded in time, in number, and to one for each connection; beyond that answers are given at once.
 * On a connection that sends without waiting they queue behind the one that is held, and the server
 * reads no further than it can buffer answers.
 */
import type { Scheduler } from '../resilience/scheduler.ts';

export interface PacerSettings {
  readonly holdMs: number;
  readonly heldRefusals: number;
}

interface Held {
  readonly connection: object;
  readonly retryAfterMs: number;
  readonly dueAt: number;
  readonly answer: () => void;
}

/** A timer for each refusal would cost as much as the refusal. */
const COARSENESS_MS = 10;

export class Pacer {
  readonly #scheduler: Scheduler;
  readonly #settings: PacerSettings;
  /** When a connection was told to come back; infinite while an answer to it is held. */
  readonly #toldUntil = new WeakMap<object, number>();
  /** All held equally long: in the order of their instants. */
  #held: Held[] = [];
  #next = 0;
  #cancel: (() => void) | undefined;
  #closed = false;

  constructor(scheduler: Scheduler, settings: PacerSettings) {
    this.#scheduler = scheduler;
    this.#settings = settings;
  }

  /** Refusals held back now. */
  get held(): number {
    return this.#held.length - this.#next;
  }

  /** Calls `answer` once: at once, or after `holdMs` for one that was told to come back later. */
  refuse(connection: object, retryAfterMs: number, answer: () => void): void {
    const now = this.#scheduler.now();
    const toldUntil = this.#toldUntil.get(connection) ?? 0;
    const { holdMs, heldRefusals } = this.#settings;
    if (now >= toldUntil) {
      this.#toldUntil.set(connection, now + retryAfterMs);
      answer();
      return;
    }
    const waits = toldUntil === Number.POSITIVE_INFINITY;
    if (waits || this.#closed || holdMs === 0 || this.held >= heldRefusals) {
      answer();
      return;
    }
    this.#toldUntil.set(connection, Number.POSITIVE_INFINITY);
    this.#held.push({ connection, retryAfterMs, dueAt: now + holdMs, answer });
    this.#cancel ??= this.#scheduler.after(holdMs, () => this.#release());
  }

  /** Answers everybody who waits, and from now on everybody at once. */
  close(): void {
    this.#closed = true;
    this.#cancel?.();
    this.#cancel = undefined;
    while (this.held > 0) this.#answerNext(this.#scheduler.now());
  }

  #release(): void {
    this.#cancel = undefined;
    const now = this.#scheduler.now();
    while (this.held > 0 && this.#held[this.#next]!.dueAt <= now) this.#answerNext(now);
    if (this.held === 0) return;
    const waitMs = Math.max(this.#held[this.#next]!.dueAt - now, COARSENESS_MS);
    this.#cancel = this.#scheduler.after(waitMs, () => this.#release());
  }

  #answerNext(now: number): void {
    const { connection, retryAfterMs, answer } = this.#held[this.#next++]!;
    this.#toldUntil.set(connection, now + retryAfterMs);
    // Those who are gone are cut off now and then, not one by one.
    if (this.#next * 2 > this.#held.length) {
      this.#held = this.#held.slice(this.#next);
      this.#next = 0;
    }
    answer();
  }
}
