/**
 * Those who cannot be served at once. Refusing costs more than half of what a small request costs,
 * so a producer that asks again at once, at twice what the sidecar can do, would leave no time for
 * work if each of its requests were refused at once. While an answer is held back its connection
 * asks for nothing more: the producer slows down instead.
 *
 * Who finds no room in the loop waits for some, by class and then by age, and is refused when none
 * came in time. Where waiting is of no use, because something is full or a quota used up, only a
 * connection is held that comes back before it was told to: whoever heeds `Retry-After` is answered
 * at once.
 *
 * Bounded in time and in number; beyond that answers are given at once. So what refusals cost is
 * known: one for each connection in three quarters of `holdMs`, on average. That is true as long as
 * no more connections ask without pause than answers may be held. How long one is held is a matter
 * of chance: those who were refused together must not come back together.
 */
import type { Scheduler } from '../resilience/scheduler.ts';
import { SHEDDABLE, type Sheddable } from './classes.ts';

export interface PacerSettings {
  /** The longest an answer is held; at least it is half of it. */
  readonly holdMs: number;
  readonly heldRefusals: number;
}

/** Refuses, or takes the request on after all; each is called at most once, and only one of them. */
interface Held {
  readonly refuse: () => void;
  readonly admit: () => void;
  /** Whose room it waits for; undefined: none would help. */
  readonly kind: Sheddable | undefined;
  over: boolean;
}

/** One timer for everybody; a timer for each refusal would cost as much as the refusal. */
const STEP_MS = 10;
const nothing = (): void => {};

export class Pacer {
  readonly #scheduler: Scheduler;
  readonly #settings: PacerSettings;
  /** Called in every step in which somebody waits for room. */
  readonly #onWaiting: () => void;
  /** When a connection was told to come back; infinite while an answer to it is held. */
  readonly #toldUntil = new WeakMap<object, number>();
  /** Whose time is over in the steps to come: the next one's is at `#step`. */
  readonly #ring: Held[][];
  readonly #waiting: Readonly<Record<Sheddable, Set<Held>>> = {
    read: new Set(), put: new Set(), grant: new Set(), list: new Set(),
  };
  #step = 0;
  #held = 0;
  #cancel: (() => void) | undefined;
  #closed = false;

  constructor(scheduler: Scheduler, settings: PacerSettings, onWaiting: () => void) {
    this.#scheduler = scheduler;
    this.#settings = settings;
    this.#onWaiting = onWaiting;
    this.#ring = Array.from({ length: Math.max(1, Math.floor(settings.holdMs / STEP_MS)) }, () => []);
  }

  /** Answers held back now. */
  get held(): number {
    return this.#held;
  }

  /** For a refusal that stands: now, or later for a connection that was told to come back later. */
  refuse(connection: object, retryAfterMs: number, refuse: () => void): void {
    const toldUntil = this.#toldUntil.get(connection) ?? 0;
    const tell = (): void => {
      this.#toldUntil.set(connection, this.#scheduler.now() + retryAfterMs);
      refuse();
    };
    if (this.#scheduler.now() >= toldUntil) return tell();
    if (toldUntil === Number.POSITIVE_INFINITY || this.#full) return refuse();
    this.#toldUntil.set(connection, Number.POSITIVE_INFINITY);
    this.#hold({ refuse: tell, admit: nothing, kind: undefined, over: false });
  }

  /** For a request that found no room: it waits for some. Returns what ends the wait early. */
  wait(kind: Sheddable, admit: () => void, refuse: () => void): () => void {
    if (this.#full) {
      refuse();
      return nothing;
    }
    const held: Held = { admit, refuse, kind, over: false };
    this.#hold(held);
    this.#waiting[kind].add(held);
    return () => {
      if (this.#leave(held)) refuse();
    };
  }

  /** There is room for so many of those who wait. */
  admit(room: number): void {
    let left = room;
    for (const kind of SHEDDABLE) {
      for (const held of this.#waiting[kind]) {
        if (left-- <= 0) return;
        if (this.#leave(held)) held.admit();
      }
    }
  }

  /** Refuses everybody who waits, and from now on everybody at once. */
  close(): void {
    this.#closed = true;
    this.#cancel?.();
    this.#cancel = undefined;
    for (let steps = this.#ring.length; steps > 0; steps--) this.#endNext();
  }

  get #full(): boolean {
    const { holdMs, heldRefusals } = this.#settings;
    return this.#closed || holdMs === 0 || this.#held >= heldRefusals;
  }

  #hold(held: Held): void {
    const { length } = this.#ring;
    const steps = Math.floor((length * (1 + this.#scheduler.random())) / 2);
    this.#ring[(this.#step + steps) % length]!.push(held);
    this.#held++;
    this.#cancel ??= this.#scheduler.after(STEP_MS, this.#turn);
  }

  /** false: it has left already. */
  #leave(held: Held): boolean {
    if (held.over) return false;
    held.over = true;
    this.#held--;
    if (held.kind !== undefined) this.#waiting[held.kind].delete(held);
    return true;
  }

  readonly #turn = (): void => {
    this.#cancel = undefined;
    this.#endNext();
    if (this.#held === 0) return;
    this.#cancel ??= this.#scheduler.after(STEP_MS, this.#turn);
    this.#onWaiting();
  };

  #endNext(): void {
    const due = this.#ring[this.#step]!;
    this.#ring[this.#step] = [];
    this.#step = (this.#step + 1) % this.#ring.length;
    for (const held of due) if (this.#leave(held)) held.refuse();
  }
}
