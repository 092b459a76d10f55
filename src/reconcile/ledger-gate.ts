/**
 * The one way to the ledger: every request goes through here, with a deadline, under the breaker,
 * and counted. What an answer means is decided elsewhere; what counts as none is decided here.
 */
import { type Ledger, LedgerError, type LedgerFault } from '../ledger/ledger.ts';
import type { Breaker } from '../resilience/breaker.ts';
import { withDeadline } from '../resilience/deadline.ts';
import { RetryBudget } from '../resilience/retry-budget.ts';
import type { Scheduler } from '../resilience/scheduler.ts';
import type { Tally } from './tally.ts';

/** Not even asked: the breaker is open, or its probe is out. */
export class GateClosedError extends LedgerError {}

export interface Answered<R> {
  readonly reply: R;
  /** Timeline instants. */
  readonly sentAt: number;
  readonly receivedAt: number;
}

export class LedgerGate {
  readonly #ledger: Ledger;
  readonly #breaker: Breaker;
  readonly #scheduler: Scheduler;
  readonly #tally: Tally;
  readonly #retries = new RetryBudget();
  #tripped = false;
  /** Called after the first answer that follows a time when the breaker was open. */
  onReconnect: () => void = () => {};

  /** Send instant of the last request that was answered; undefined before the first. */
  answeredAt: number | undefined;
  /** The fault of the last request, undefined when it was answered. */
  lastFault: LedgerFault | undefined;
  /** The last message of that kind, for the status page. */
  lastMessage = '';
  requestsInFlight = 0;

  constructor(parts: {
    readonly ledger: Ledger;
    readonly breaker: Breaker;
    readonly scheduler: Scheduler;
    readonly tally: Tally;
  }) {
    this.#ledger = parts.ledger;
    this.#breaker = parts.breaker;
    this.#scheduler = parts.scheduler;
    this.#tally = parts.tally;
  }

  /** `open`: nothing may be asked for `opensInMs`; `half-open`: one thing at a time. */
  get state(): 'closed' | 'open' | 'half-open' {
    return this.#breaker.state;
  }

  get opensInMs(): number {
    return this.#breaker.opensIn;
  }

  get traffic(): { readonly sent: number; readonly received: number } {
    return this.#ledger.traffic;
  }

  /**
   * Asks, and waits `limitMs` at most. `sound` says what is wrong with an answer that makes no
   * sense. Rejects with `LedgerError` only.
   */
  async ask<R>(
    limitMs: number,
    send: (ledger: Ledger) => Promise<R>,
    sound: (reply: R) => string | undefined = () => undefined,
  ): Promise<Answered<R>> {
    if (!this.#breaker.permits()) {
      throw new GateClosedError('unavailable', 'Cannot ask the ledger: it has been failing');
    }
    const sentAt = this.#scheduler.now();
    this.#retries.requested();
    this.requestsInFlight += 1;
    try {
      const reply = await withDeadline(
        attempt(() => send(this.#ledger)),
        limitMs,
        this.#scheduler,
        () => new LedgerError('timeout', `No answer from the ledger within ${limitMs} ms`),
      );
      const complaint = sound(reply);
      if (complaint !== undefined) throw new LedgerError('nonsense', complaint);
      this.#answered(sentAt);
      return { reply, sentAt, receivedAt: this.#scheduler.now() };
    } catch (error) {
      throw this.#failed(error);
    } finally {
      this.requestsInFlight -= 1;
    }
  }

  /**
   * Whether what failed may be tried again soon. When it may not, so much is failing that trying
   * again is part of the trouble.
   */
  mayRetrySoon(): boolean {
    return this.#retries.permits();
  }

  #answered(sentAt: number): void {
    this.#breaker.succeeded();
    this.lastFault = undefined;
    this.answeredAt = Math.max(this.answeredAt ?? sentAt, sentAt);
    if (!this.#tripped) return;
    this.#tripped = false;
    this.onReconnect();
  }

  #failed(cause: unknown): LedgerError {
    const error =
      cause instanceof LedgerError
        ? cause
        : new LedgerError('nonsense', `The ledger failed: ${(cause as Error).message}`, { cause });
    this.#tally.faults[error.fault] += 1;
    this.lastFault = error.fault;
    this.lastMessage = error.message;
    // A ledger without memory still answers, and must be asked on: endings need no room there.
    if (error.fault === 'full') this.#breaker.succeeded();
    else this.#breaker.failed();
    if (this.#breaker.state === 'open') this.#tripped = true;
    return error;
  }
}

/** A port that throws instead of rejecting is treated alike. */
async function attempt<R>(send: () => Promise<R>): Promise<R> {
  return send();
}
