/**
 * A circuit breaker: who has failed several times in a row is left alone for a while, then asked by
 * one request, whose outcome decides. It only counts and judges; deadlines and retries are the
 * caller's. A refusal is an answer: report it as a success, or the breaker opens on a healthy
 * server that says no.
 */
import { fullJitter } from './backoff.ts';

export interface BreakerSettings {
  /** Failures in a row that open it. */
  readonly failures: number;
  /** The longest it is open the first time; doubled each time the probe fails. */
  readonly openMs: number;
  /** The longest it is ever open, and the longest a probe may stay unreported. */
  readonly maxOpenMs: number;
}

const DEFAULTS: BreakerSettings = { failures: 5, openMs: 1_000, maxOpenMs: 30_000 };

export type BreakerState = 'closed' | 'open' | 'half-open';

export class Breaker {
  readonly #settings: BreakerSettings;
  readonly #clock: { now(): number; random(): number };
  /** Failures in a row while closed. */
  #failures = 0;
  /** How often in a row it has opened; 0 while closed. */
  #openings = 0;
  #openUntil = 0;
  /** Until when the probe that is out counts; undefined without one. */
  #probeUntil: number | undefined;

  /** `clock.now()` in milliseconds, never going back; `clock.random()` from 0 to 1. */
  constructor(settings: Partial<BreakerSettings>, clock: { now(): number; random(): number }) {
    this.#settings = { ...DEFAULTS, ...settings };
    this.#clock = clock;
  }

  get state(): BreakerState {
    if (this.#openings === 0) return 'closed';
    return this.#clock.now() < this.#openUntil ? 'open' : 'half-open';
  }

  /** Milliseconds until a probe is let through; 0 when it is not open. */
  get opensIn(): number {
    return this.state === 'open' ? this.#openUntil - this.#clock.now() : 0;
  }

  /**
   * Whether a request may go out now. Whoever was let through reports with `succeeded` or `failed`;
   * a half-open breaker lets no second one through before that.
   */
  permits(): boolean {
    const state = this.state;
    if (state !== 'half-open') return state === 'closed';
    const now = this.#clock.now();
    // One that never reports must not keep everybody out for good.
    if (this.#probeUntil !== undefined && now < this.#probeUntil) return false;
    this.#probeUntil = now + this.#settings.maxOpenMs;
    return true;
  }

  /** An answer came, whatever it said. Closes it. */
  succeeded(): void {
    this.#failures = 0;
    this.#openings = 0;
    this.#probeUntil = undefined;
  }

  /** No answer came, or one that made no sense. */
  failed(): void {
    if (this.#openings > 0) {
      // Only the probe decides: others were sent before it opened and say nothing new.
      if (this.#probeUntil !== undefined) this.#open();
      return;
    }
    this.#failures += 1;
    if (this.#failures >= this.#settings.failures) this.#open();
  }

  #open(): void {
    const { openMs: baseMs, maxOpenMs: capMs } = this.#settings;
    const openForMs = fullJitter(this.#openings, { baseMs, capMs }, () => this.#clock.random());
    this.#openUntil = this.#clock.now() + openForMs;
    this.#openings += 1;
    this.#failures = 0;
    this.#probeUntil = undefined;
  }
}
