/**
 * How many retries there may be at all, so that a server in trouble is not asked several times as
 * much as one in health. Each request pays in a share of a retry, each retry takes a whole one, and
 * the account holds little: over any stretch, retries <= share x requests + reserve. The idea is
 * Finagle's RetryBudget; given up is its window of time, which the small account makes unnecessary.
 */
export interface RetryBudgetSettings {
  /** Retries per request in the long run. */
  readonly share: number;
  /** Retries that may come on top, all at once at most. */
  readonly reserve: number;
}

const DEFAULTS: RetryBudgetSettings = { share: 0.2, reserve: 10 };

export class RetryBudget {
  /** What a retry takes and what the account holds, in requests: whole numbers do not drift. */
  readonly #cost: number;
  readonly #most: number;
  #balance: number;

  constructor(settings: Partial<RetryBudgetSettings> = {}) {
    const { share, reserve } = { ...DEFAULTS, ...settings };
    this.#cost = 1 / share;
    this.#most = reserve * this.#cost;
    this.#balance = this.#most;
  }

  /** A request went out that is not a retry. */
  requested(): void {
    this.#balance = Math.min(this.#most, this.#balance + 1);
  }

  /** Whether a retry may go out now; one that may is taken from the account. */
  permits(): boolean {
    if (this.#balance < this.#cost) return false;
    this.#balance -= this.#cost;
    return true;
  }
}
