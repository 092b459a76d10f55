/**
 * Writes whose clients wait for the ledger (durability `ledger`). A waiter stands at each key it
 * has changed until a push has taken the key along, travels with that push, and is told its
 * outcome. Changes that come later to the same key do not hold it up.
 */
export type AckOutcome =
  /** The ledger has it, as far as was asked for. */
  | 'confirmed'
  /** `firstWins`: another value was there first. */
  | 'held'
  /** It cannot be told. */
  | 'unknown';

/** Called once. */
export type Waiter = (outcome: AckOutcome) => void;

/** Those at keys of one partition that no push has taken along yet. */
export class StandingWaiters {
  readonly #byKey = new Map<string, Waiter[]>();

  stand(id: string, waiters: readonly Waiter[]): void {
    if (waiters.length === 0) return;
    const others = this.#byKey.get(id);
    if (others === undefined) this.#byKey.set(id, [...waiters]);
    else others.push(...waiters);
  }

  /** Those who wait for the key, to travel with a push. */
  take(id: string): Waiter[] {
    const waiters = this.#byKey.get(id) ?? [];
    this.#byKey.delete(id);
    return waiters;
  }

  /** Keys that somebody waits for. */
  ids(): readonly string[] {
    return [...this.#byKey.keys()];
  }
}
