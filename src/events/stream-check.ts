/**
 * Looks at the streams: whenever the bus has come (back), whenever something about them is in
 * doubt, and every `checkMs` in between. It creates what is absent, by `Bus.prepare`, and tells an
 * operator how a stream is set otherwise than it should be.
 */
import type { Log } from '../log/log.ts';
import { fullJitter } from '../resilience/backoff.ts';
import { withDeadline } from '../resilience/deadline.ts';
import type { Scheduler } from '../resilience/scheduler.ts';
import { type Bus, STREAMS, type StreamName, type StreamState } from './bus.ts';

export type PublisherLog = Pick<Log, 'info' | 'warn'>;

export type StreamStates = Readonly<Record<StreamName, StreamState>>;

export interface StreamCheckParts {
  readonly bus: Pick<Bus, 'prepare'>;
  readonly scheduler: Scheduler;
  readonly log: PublisherLog;
  readonly settings: { readonly checkMs: number; readonly retryCapMs: number };
  /** The streams are being asked for: what they are compared with is what holds now. */
  readonly asked: () => void;
  /** How they are; undefined when that could not be learnt. */
  readonly answered: (states: StreamStates | undefined) => void;
}

/** No answer is waited for longer; the adapter has shorter limits of its own. */
const ANSWER_LIMIT_MS = 15_000;
const RETRY_BASE_MS = 200;
/** From here on the wait is the longest. */
const ATTEMPT_MAX = 16;
/** The same complaint is not repeated sooner. */
const COMPLAIN_MS = 60_000;

export class StreamCheck {
  readonly #parts: StreamCheckParts;
  readonly #differences = new Map<StreamName, string>();
  #cancelTimer: (() => void) | undefined;
  /** The check whose answer counts; another number: it was called off. */
  #run = 0;
  #running = false;
  #again = false;
  #attempt = 0;
  #complaint = '';
  #complainedAt = Number.NEGATIVE_INFINITY;
  /** Why the last check failed; undefined when it did not. */
  lastError: string | undefined;
  /** Timeline instant of the last answer. */
  checkedAt: number | undefined;
  states: StreamStates | undefined;

  constructor(parts: StreamCheckParts) {
    this.#parts = parts;
  }

  /** Looks now; when a look is under way, again after it, since it may have come too early. */
  now(): void {
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#cancelTimer?.();
    this.#running = true;
    void this.#look(++this.#run);
  }

  /** Until the next `now`. What is under way counts no more. */
  stop(): void {
    this.#run += 1;
    this.#running = false;
    this.#again = false;
    this.#cancelTimer?.();
  }

  async #look(run: number): Promise<void> {
    const { bus, scheduler, asked } = this.#parts;
    asked();
    let states: StreamStates | undefined;
    let error: string | undefined;
    try {
      states = await withDeadline(
        bus.prepare(), ANSWER_LIMIT_MS, scheduler,
        () => new Error(`No answer about the streams within ${ANSWER_LIMIT_MS} ms`),
      );
    } catch (cause) {
      error = (cause as Error).message;
    }
    if (run !== this.#run) return;
    this.#running = false;
    if (this.#again) {
      this.#again = false;
      this.now();
      return;
    }
    this.#finished(states, error);
  }

  #finished(states: StreamStates | undefined, error: string | undefined): void {
    const { scheduler, settings, log, answered } = this.#parts;
    if (error === undefined) {
      if (this.lastError !== undefined) log.info({}, 'The streams can be looked at again');
      this.#attempt = 0;
      this.checkedAt = scheduler.now();
      this.states = states;
      if (states !== undefined) this.#compareSettings(states);
    } else {
      this.#complain(error);
    }
    this.lastError = error;
    // Spread, so that sidecars that were started together do not ask together.
    const regularMs = settings.checkMs * (0.8 + 0.4 * scheduler.random());
    const waitMs = error === undefined ? regularMs : this.#retryMs();
    this.#cancelTimer = scheduler.after(waitMs, () => this.now());
    answered(states);
  }

  #retryMs(): number {
    const { scheduler, settings } = this.#parts;
    const bounds = { baseMs: RETRY_BASE_MS, capMs: settings.retryCapMs };
    const waitMs = fullJitter(this.#attempt, bounds, () => scheduler.random());
    this.#attempt = Math.min(this.#attempt + 1, ATTEMPT_MAX);
    return waitMs;
  }

  #complain(error: string): void {
    const now = this.#parts.scheduler.now();
    if (error === this.#complaint && now - this.#complainedAt < COMPLAIN_MS) return;
    this.#complaint = error;
    this.#complainedAt = now;
    this.#parts.log.warn({ detail: error }, 'Cannot look at the streams of the bus');
  }

  /** Once per change: a stream that stays as it is need not be read about again. */
  #compareSettings(states: StreamStates): void {
    const { log } = this.#parts;
    for (const stream of STREAMS) {
      const { name, differences } = states[stream];
      const text = differences.join('; ');
      const before = this.#differences.get(stream) ?? '';
      if (text === before) continue;
      this.#differences.set(stream, text);
      if (text === '') log.info({ stream: name }, 'A stream is set as it should be');
      else log.warn({ stream: name, differences }, 'A stream is set otherwise than it should be');
    }
  }
}
