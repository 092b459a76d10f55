/**
 * One counter that all clients increment, each time with an Idempotency-Key and until there is an
 * answer. So every value from 1 to the number of increments is answered exactly once.
 */
import { Lease, Run } from './belief.ts';
import { type Change, type Outcome, unexpected } from './change.ts';
import { Increment, type Place } from './entry-changes.ts';
import type { Span } from './span.ts';

export class Tally {
  readonly place: Place;
  readonly run: Run;
  readonly #defaultTtlMs: number;
  readonly #values = new Set<number>();

  constructor(place: Place, defaultTtlMs: number) {
    this.place = place;
    this.#defaultTtlMs = defaultTtlMs;
    const someTime = { from: performance.now(), to: Number.POSITIVE_INFINITY };
    this.run = new Run(`${place.namespace}/${place.key}`, new Lease(undefined, false, someTime, 0));
    this.run.fate.must = 'deleted';
  }

  get count(): number {
    return this.#values.size;
  }

  /** Increments that were counted twice or not at all; empty when the sum is right. */
  missing(): number[] {
    return Array.from({ length: this.count }, (_, index) => index + 1).filter((value) => !this.#values.has(value));
  }

  increment(idempotencyKey: string): Change {
    const asked = new Increment(this.place, 1, this.#defaultTtlMs, idempotencyKey);
    return {
      what: asked.what,
      writes: 1,
      repeatable: true,
      ask: () => asked.ask(),
      operation: () => asked.operation(),
      acknowledge: (_world, outcome: Outcome, _effect: Span) => {
        if (outcome.status !== 200) return unexpected(outcome);
        const value = outcome.value as number;
        if (this.#values.has(value)) return `came to ${value}, as another did`;
        this.#values.add(value);
        this.run.etags.push(outcome.etag!);
        return undefined;
      },
      worlds: () => [],
    };
  }
}
