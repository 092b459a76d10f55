/**
 * The rebuilds of the namespaces that share one hook: at most so many at once, once per key however
 * many ask, none while the neighbour is in trouble, and a key that it did not know is not asked for
 * again at once. Whoever comes too late or in vain is told so; nothing queues here.
 */
import { Breaker } from '../resilience/breaker.ts';
import type { Scheduler } from '../resilience/scheduler.ts';
import { Hook, type HookAnswer, type HookSettings } from './hook.ts';

/** How long a neighbour's "there is none" is believed. */
const ABSENT_MS = 1_000;
/** Absent keys remembered: a scan over keys that are nowhere must not fill the memory. */
const ABSENT_KEYS_MAX = 4_096;

export interface RebuildSettings extends HookSettings {
  /** Keys asked for at once. */
  readonly concurrency: number;
}

/** Counted since the start. */
export interface RebuildCounts {
  /** Questions that went out. */
  asked: number;
  /** Entries that were put with what came back. */
  rebuilt: number;
  /** Somebody else had put the entry meanwhile. */
  outrun: number;
  absent: number;
  /** No answer, or none of use, or none that could be put. */
  failed: number;
  /** Not asked: too many at once, the breaker was open, or just found absent. */
  notAsked: { busy: number; open: number; absent: number };
}

export type PutOutcome = 'rebuilt' | 'outrun' | 'failed';

/** Puts what came back, and tells what became of it. */
type Put = (value: Uint8Array, contentType: string, told: (outcome: PutOutcome) => void) => void;
type Done = () => void;

export class Rebuilds {
  readonly #settings: RebuildSettings;
  readonly #scheduler: Scheduler;
  readonly #hook: Hook;
  readonly #breaker: Breaker;
  /** Who waits, by key in flight. */
  readonly #inFlight = new Map<string, Done[]>();
  /** Until when a key is absent, oldest first. */
  readonly #absentUntil = new Map<string, number>();
  readonly counts: RebuildCounts = {
    asked: 0, rebuilt: 0, outrun: 0, absent: 0, failed: 0,
    notAsked: { busy: 0, open: 0, absent: 0 },
  };

  constructor(settings: RebuildSettings, scheduler: Scheduler) {
    this.#settings = settings;
    this.#scheduler = scheduler;
    this.#hook = new Hook(settings, scheduler);
    this.#breaker = new Breaker({}, scheduler);
  }

  /**
   * false: nothing is going to be rebuilt, and `done` is not called. true: `done` is called once the
   * rebuild is over, whatever came of it; `put` of the first who asks is called before that with
   * what the neighbour gave.
   */
  begin(namespace: string, key: string, put: Put, done: Done): boolean {
    const name = `${namespace}/${key}`;
    const waiting = this.#inFlight.get(name);
    if (waiting !== undefined) {
      waiting.push(done);
      return true;
    }
    if (!this.#mayAsk(name)) return false;
    this.#inFlight.set(name, [done]);
    this.counts.asked++;
    this.#hook.ask(namespace, key, (answer) => {
      this.#judge(answer);
      if (answer.kind !== 'value') {
        if (answer.kind === 'absent') this.#rememberAbsent(name);
        this.counts[answer.kind === 'absent' ? 'absent' : 'failed']++;
        this.#finish(name);
        return;
      }
      put(answer.value, answer.contentType, (outcome) => {
        this.counts[outcome]++;
        this.#finish(name);
      });
    });
    return true;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  get breaker(): Breaker['state'] {
    return this.#breaker.state;
  }

  /** Breaks off what is under way; everybody who waits is told. */
  close(): void {
    this.#hook.close();
  }

  #mayAsk(name: string): boolean {
    const { notAsked } = this.counts;
    const absentUntil = this.#absentUntil.get(name);
    if (absentUntil !== undefined && this.#scheduler.now() < absentUntil) {
      notAsked.absent++;
      return false;
    }
    if (this.#inFlight.size >= this.#settings.concurrency) {
      notAsked.busy++;
      return false;
    }
    if (!this.#breaker.permits()) {
      notAsked.open++;
      return false;
    }
    return true;
  }

  #judge({ kind }: HookAnswer): void {
    if (kind === 'failed') this.#breaker.failed();
    else this.#breaker.succeeded();
  }

  #rememberAbsent(name: string): void {
    const now = this.#scheduler.now();
    this.#absentUntil.delete(name);
    this.#absentUntil.set(name, now + ABSENT_MS);
    for (const [oldest, until] of this.#absentUntil) {
      if (now < until && this.#absentUntil.size <= ABSENT_KEYS_MAX) return;
      this.#absentUntil.delete(oldest);
    }
  }

  #finish(name: string): void {
    const waiting = this.#inFlight.get(name) ?? [];
    this.#inFlight.delete(name);
    for (const done of waiting) done();
  }
}
