/**
 * Virtual time: one queue of events for the whole world, and the loop that takes them one by one.
 * After each, everything it set free by promises has run, and whoever wants to look at the world
 * looks: nothing else ever runs.
 */
import { Chance } from './chance.ts';
import { EventQueue, type QueuedEvent } from './event-queue.ts';
import { Trace } from './trace.ts';

/** Among things due at the same moment, the smaller first. */
export const PRIORITY = {
  /** What breaks or heals. */
  fault: 0,
  /** The next turn of an event loop. */
  turn: 1,
  /** What arrives: answers of a disk, a network. */
  arrival: 2,
  timer: 3,
} as const;
export type Priority = (typeof PRIORITY)[keyof typeof PRIORITY];

export type Cancel = () => void;

export interface KernelOptions {
  readonly seed: number;
  /** Where virtual time begins, in Unix milliseconds. */
  readonly startMs: number;
  /** For a readable timeline. */
  readonly keepsLines?: boolean;
  /** More events than this and the run is given up: something goes round in a circle. */
  readonly eventsMax?: number;
}

const EVENTS_MAX = 2_000_000;
/** Then the real event loop has its turn: somebody may want to stop us. */
const EVENTS_AT_ONCE = 5_000;

export class Kernel {
  readonly seed: number;
  readonly startMs: number;
  readonly chance: Chance;
  readonly trace: Trace;
  /** Called after every event, when everything it set free has run. Throws to end the run. */
  afterEvent: () => void = () => {};
  readonly #queue = new EventQueue();
  readonly #ties: Chance;
  readonly #eventsMax: number;
  #nowMs: number;
  #order = 0;
  #failure: unknown;

  constructor({ seed, startMs, keepsLines = false, eventsMax = EVENTS_MAX }: KernelOptions) {
    this.seed = seed;
    this.startMs = startMs;
    this.#nowMs = startMs;
    this.#eventsMax = eventsMax;
    this.chance = new Chance(seed);
    this.#ties = this.chance.fork('ties');
    this.trace = new Trace(keepsLines);
  }

  /** True time: what no process can see. Unix milliseconds, fractional. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Since the beginning. */
  get elapsedMs(): number {
    return this.#nowMs - this.startMs;
  }

  at(atMs: number, priority: Priority, label: string, work: () => void): Cancel {
    const event: QueuedEvent = {
      at: Math.max(atMs, this.#nowMs), priority, tie: this.#ties.bits(), order: this.#order++,
      label, work, cancelled: false,
    };
    this.#queue.push(event);
    return () => {
      event.cancelled = true;
    };
  }

  after(delayMs: number, priority: Priority, label: string, work: () => void): Cancel {
    return this.at(this.#nowMs + delayMs, priority, label, work);
  }

  /** A line of the timeline. `what` is only asked for when it counts: it goes into the hash. */
  note(who: string, what: string): void {
    this.trace.note(this.#nowMs, who, what);
  }

  /** Ends the run with `error` after the event under way. */
  fail(error: unknown): void {
    this.#failure ??= error;
  }

  /** Runs until nothing is due before `untilMs`, which is then the time. */
  async runUntil(untilMs: number): Promise<void> {
    while (await inATurn(() => this.#runSome(untilMs)));
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** false: nothing more is due. */
  #runSome(untilMs: number): boolean {
    settle();
    this.#afterEvent();
    for (let count = 0; count < EVENTS_AT_ONCE; count++) {
      const next = this.#queue.peek();
      if (next === undefined || next.at > untilMs) return false;
      this.#queue.pop();
      this.#nowMs = next.at;
      this.trace.event(next.at, next.label);
      if (this.trace.events > this.#eventsMax) {
        throw new Error(`More than ${this.#eventsMax} events: something goes round in a circle`);
      }
      next.work();
      settle();
      this.#afterEvent();
    }
    return true;
  }

  run(forMs: number): Promise<void> {
    return this.runUntil(this.#nowMs + forMs);
  }

  #afterEvent(): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.afterEvent();
  }
}

/**
 * Everything that waits for nothing but its turn has run after this: ticks, promises, and what is
 * told of rejections. A turn of the real event loop for each event would do the same, at five times
 * the cost. Only outside of promises, so the loop above must be called by the event loop itself.
 */
const settle = (process as unknown as { readonly _tickCallback: () => void })._tickCallback;

/** Calls `work` from the event loop. */
function inATurn<T>(work: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(work());
      } catch (error) {
        reject(error as Error);
      }
    });
  });
}
