/** Several changes at once, all or none. */
import type { Ask } from '../requests.ts';
import type { World } from './belief.ts';
import { type Change, type Outcome, unexpected } from './change.ts';
import type { Span } from './span.ts';

export class AtomicBatch implements Change {
  readonly writes: number;
  readonly repeatable: boolean;
  readonly what: string;
  readonly #changes: readonly Change[];
  /** Its last operation cannot be done, so none may. */
  readonly #doomed: boolean;
  readonly #key: string | undefined;

  constructor(changes: readonly Change[], doomed: boolean, idempotencyKey: string | undefined) {
    this.#changes = changes;
    this.#doomed = doomed;
    this.#key = idempotencyKey;
    this.repeatable = idempotencyKey !== undefined;
    this.writes = doomed ? 0 : changes.reduce((sum, { writes }) => sum + writes, 0);
    this.what = `${doomed ? 'doomed ' : ''}batch of (${changes.map(({ what }) => what).join(', ')})`;
  }

  ask(): Ask {
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (this.#key !== undefined) headers['idempotency-key'] = `"${this.#key}"`;
    const operations = this.#changes.map((change) => change.operation());
    return { method: 'POST', path: '/v1/batch', headers, body: JSON.stringify({ atomic: true, operations }) };
  }

  operation(): object {
    throw new Error('A batch holds no batches');
  }

  acknowledge(world: World, outcome: Outcome, effect: Span, told: Span): string | undefined {
    const { results = [] } = outcome;
    if (outcome.code === 'batch-refused') return this.#refused(world, results, effect, told);
    if (outcome.status !== 200 || results.length !== this.#changes.length) return unexpected(outcome);
    if (this.#doomed) return 'took effect although a part of it could not';
    for (const [index, change] of this.#changes.entries()) {
      const wrong = change.acknowledge(world, results[index]!, effect, told);
      if (wrong !== undefined) return `${change.what} ${wrong}`;
    }
    return undefined;
  }

  /** Nothing was done. Unless it was doomed, a lease must have come to its end. */
  #refused(world: World, results: readonly Outcome[], effect: Span, told: Span): string | undefined {
    if (this.#doomed) return undefined;
    const ended = results.findIndex(({ code }) => code === 'lease-ended' || code === 'version-mismatch');
    if (ended < 0) return `was refused: ${JSON.stringify(results)}`;
    return this.#changes[ended]!.acknowledge(world, results[ended]!, effect, told);
  }

  worlds(world: World, span: Span): World[] {
    if (this.#doomed) return [];
    return this.#changes.reduce(
      (worlds, change) => worlds.flatMap((each) => change.worlds(each, span)),
      [world],
    );
  }
}
