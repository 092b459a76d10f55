/** What became of the requests of one phase: in all by class, and in half-second steps. */
import type { PressureLevel } from '../../src/admission/signals.ts';
import { Histogram } from '../replay/histogram.ts';
import { CLASSES, type PerClass, type RequestClass, VITAL } from './neighbours.ts';
import type { ReplyReader } from './reply-reader.ts';

export const STEP_MS = 500;
/** As `docs` say of `Retry-After`: bases up to 30 s, and as much again for jitter. */
const RETRY_AFTER_S_MAX = 60;

/** Fewer waits than that have no tenths. */
const SPREAD_LEAST = 20;

export const LEVELS: readonly PressureLevel[] = ['nominal', 'elevated', 'high', 'critical'];

export interface ClassReport {
  /** How often one was wanted. */
  readonly due: number;
  /** The client had been told to come back later, and it was not later yet. */
  readonly withheld: number;
  /** Given up while they waited for a connection. */
  readonly givenUp: number;
  readonly ok: number;
  /** 429 and 503. */
  readonly refused: number;
  /** Any other status. */
  readonly failed: number;
  /** No reply. */
  readonly lost: number;
  /** Refusals with a `Retry-After` of 1 to 60 s and a `retryAfterMs` that is not longer. */
  readonly usable: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** `retryAfterMs` of the usable refusals. */
  readonly retryAfterMs: { readonly p50: number; readonly p99: number };
  /** The first failure or loss. */
  readonly firstFailure?: string;
}

export interface Step {
  readonly due: number;
  readonly ok: number;
  readonly refused: PerClass<number>;
  /** Of renewals and releases; 0 when there were none. */
  readonly vitalP99Ms: number;
  /** The highest that a reply announced, as an index of `LEVELS`. */
  readonly level: number;
  /** p90 over p10 of what refused grants were told to wait; 0: too few were. */
  readonly spread: number;
}

export interface PhaseReport {
  /** Unix time in milliseconds. */
  readonly startedAt: number;
  readonly durationMs: number;
  readonly byClass: PerClass<ClassReport>;
  /** Of `STEP_MS` each; what came after the last whole one belongs to none. */
  readonly steps: readonly Step[];
  /** How late requests were looked at by the generator itself. */
  readonly latenessP99Ms: number;
}

class ClassTally {
  due = 0;
  withheld = 0;
  givenUp = 0;
  ok = 0;
  refused = 0;
  failed = 0;
  lost = 0;
  usable = 0;
  firstFailure: string | undefined;
  /** Of what was done; a quick no is not a quick answer. */
  readonly latency = new Histogram();
  readonly retryAfterMs = new Histogram();

  report(): ClassReport {
    const { due, withheld, givenUp, ok, refused, failed, lost, usable, latency, retryAfterMs } = this;
    return {
      due, withheld, givenUp, ok, refused, failed, lost, usable,
      p50Ms: latency.percentile(0.5),
      p99Ms: latency.percentile(0.99),
      maxMs: latency.max,
      retryAfterMs: {
        p50: retryAfterMs.percentile(0.5),
        p99: retryAfterMs.percentile(0.99),
      },
      ...(this.firstFailure === undefined ? {} : { firstFailure: this.firstFailure }),
    };
  }
}

class StepTally {
  due = 0;
  ok = 0;
  readonly refused = perClass(() => 0);
  readonly vital = new Histogram();
  readonly grantWaits = new Histogram();
  level = 0;
}

export function perClass<T>(make: (kind: RequestClass) => T): Record<RequestClass, T> {
  return Object.fromEntries(CLASSES.map((kind) => [kind, make(kind)])) as Record<RequestClass, T>;
}

export class Tally {
  readonly #startedAt = performance.now();
  readonly #byClass = perClass(() => new ClassTally());
  readonly #steps: StepTally[] = [];
  readonly #lateness = new Histogram();

  due(kind: RequestClass, dueAt: number, now: number): void {
    this.#byClass[kind].due += 1;
    this.#stepAt(dueAt).due += 1;
    this.#lateness.record(now - dueAt);
  }

  withheld(kind: RequestClass): void {
    this.#byClass[kind].withheld += 1;
  }

  givenUp(kind: RequestClass): void {
    this.#byClass[kind].givenUp += 1;
  }

  lost(kind: RequestClass, why: string): void {
    const tally = this.#byClass[kind];
    tally.lost += 1;
    tally.firstFailure ??= why;
  }

  replied(kind: RequestClass, dueAt: number, reply: ReplyReader, at: number): void {
    const tally = this.#byClass[kind];
    const step = this.#stepAt(at);
    const { status } = reply;
    step.level = Math.max(step.level, LEVELS.indexOf(reply.level));
    if (status === 503 || status === 429) {
      tally.refused += 1;
      step.refused[kind] += 1;
      if (isUsable(reply)) {
        tally.usable += 1;
        tally.retryAfterMs.record(reply.retryAfterMs!);
        if (kind === 'grant') step.grantWaits.record(reply.retryAfterMs!);
      }
      return;
    }
    if (status >= 300) {
      tally.failed += 1;
      tally.firstFailure ??= `${status} ${reply.body}`;
      return;
    }
    tally.ok += 1;
    step.ok += 1;
    tally.latency.record(at - dueAt);
    if (VITAL.has(kind)) step.vital.record(at - dueAt);
  }

  report(durationMs: number): PhaseReport {
    const whole = Math.floor(durationMs / STEP_MS);
    return {
      startedAt: performance.timeOrigin + this.#startedAt,
      durationMs,
      byClass: perClass((kind) => this.#byClass[kind].report()),
      steps: Array.from({ length: whole }, (_, index) => {
        const { due, ok, refused, vital, level, grantWaits } = this.#steps[index] ?? new StepTally();
        return { due, ok, refused, vitalP99Ms: vital.percentile(0.99), level, spread: spreadOf(grantWaits) };
      }),
      latenessP99Ms: this.#lateness.percentile(0.99),
    };
  }

  #stepAt(instant: number): StepTally {
    const index = Math.max(0, Math.floor((instant - this.#startedAt) / STEP_MS));
    while (this.#steps.length <= index) this.#steps.push(new StepTally());
    return this.#steps[index]!;
  }
}

function spreadOf(waits: Histogram): number {
  return waits.count < SPREAD_LEAST ? 0 : waits.percentile(0.9) / waits.percentile(0.1);
}

function isUsable({ retryAfterS, retryAfterMs }: ReplyReader): boolean {
  return (
    retryAfterS !== undefined && retryAfterS >= 1 && retryAfterS <= RETRY_AFTER_S_MAX &&
    retryAfterMs !== undefined && retryAfterMs > 0 && retryAfterMs <= retryAfterS * 1_000
  );
}
