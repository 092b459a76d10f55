/**
 * Retries as `docs/clients.md` asks for them: a request that was refused for now, or whose
 * connection broke, is sent again as it was, with its `Idempotency-Key`, when it was told to or
 * after a pause with full jitter, until its time is over. Whoever made the request sees the last
 * answer only; what was hidden from it is counted.
 */
import type { Exchange } from './http-client.ts';
import type { Random } from './random.ts';
import { header, type Response } from './response-parser.ts';

export interface RetryRules {
  /** Of the first pause at most; each further one may be twice as long, up to `capMs`. */
  readonly baseMs: number;
  readonly capMs: number;
  /** From the first attempt; what has not been answered for good by then has failed. */
  readonly budgetMs: number;
}

/** Those of `docs/clients.md`. */
export const DOCUMENTED_RULES: RetryRules = { baseMs: 50, capMs: 2_000, budgetMs: 30_000 };

/** Why a request is to be sent again, and when; undefined: the answer stands. */
export interface Again {
  readonly why: string;
  /** What the answer said; undefined: nothing. */
  readonly afterMs: number | undefined;
}

/** What is sent again without asking anybody; of 409 only what comes of sending something twice. */
const STATUSES: ReadonlySet<number> = new Set([408, 429, 503, 504]);
const IN_PROGRESS = 'idempotency-in-progress';
const BROKEN: Again = { why: 'connection broke', afterMs: undefined };
const NOT_TAKEN: Again = { why: 'behind the last answer', afterMs: undefined };

export function againAfter(status: number, body: string, retryAfter: string | undefined): Again | undefined {
  const code = /"code" *: *"([^"]*)"/.exec(body)?.[1] ?? String(status);
  if (!STATUSES.has(status) && !(status === 409 && code === IN_PROGRESS)) return undefined;
  const told = /"retryAfterMs" *: *(\d+)/.exec(body)?.[1];
  const seconds = retryAfter === undefined ? undefined : Number(retryAfter) * 1_000;
  return { why: code, afterMs: told === undefined ? seconds : Number(told) };
}

/** The pause before attempt `attempt` + 1. */
export function pauseMs(rules: RetryRules, attempt: number, again: Again, random: Random): number {
  // The sidecar has put a chance into it already.
  if (again.afterMs !== undefined) return again.afterMs;
  return random.next() * Math.min(rules.capMs, rules.baseMs * 2 ** (attempt - 1));
}

/** What all clients of a run had to hide from whoever asked, and what they could not. */
export class RetryCounts {
  readonly hidden: Record<string, number> = {};
  readonly failed: Record<string, number> = {};
  /** The longest from a first attempt to the answer that stood, of requests sent more than once. */
  longestMs = 0;

  note(where: 'hidden' | 'failed', why: string): void {
    this[where][why] = (this[where][why] ?? 0) + 1;
  }
}

/** Waiting to be sent again: a client has not so many in flight, unless nothing is answered. */
const WAITING_MAX = 4_096;

interface Retried {
  readonly first: Exchange;
  attempts: number;
  /** While it waits. */
  dueAt: number;
}

export class Retries {
  readonly #rules: RetryRules;
  readonly #random: Random;
  readonly #counts: RetryCounts;
  /** Everything that was sent once and is not over. */
  readonly #open = new Set<Retried>();
  readonly #waiting = new Set<Retried>();

  constructor(rules: RetryRules, random: Random, counts: RetryCounts) {
    this.#rules = rules;
    this.#random = random;
    this.#counts = counts;
  }

  /** True: nothing new should be asked before some of it is over. */
  get isFull(): boolean {
    return this.#waiting.size >= WAITING_MAX;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** When the oldest request that is not over was first sent; Infinity when there is none. */
  get oldestSentAt(): number {
    let oldest = Infinity;
    for (const { first } of this.#open) oldest = Math.min(oldest, first.sentAt);
    return oldest;
  }

  /** `first`, sent again as often as the rules say. */
  wrap(first: Exchange): Exchange {
    return this.#attempt({ first, attempts: 1, dueAt: 0 }, first.sentAt);
  }

  /** One whose pause is over. */
  due(now: number): Exchange | undefined {
    for (const retried of this.#waiting) {
      if (retried.dueAt > now) continue;
      this.#waiting.delete(retried);
      retried.attempts += 1;
      return this.#attempt(retried, now);
    }
    return undefined;
  }

  #attempt(retried: Retried, sentAt: number): Exchange {
    const { first } = retried;
    return {
      text: first.text,
      sentAt,
      onReply: (response, receivedAt) => {
        const again = againFrom(response);
        if (again !== undefined && this.#putBack(retried, again, receivedAt)) return;
        this.#over(retried, receivedAt);
        first.onReply(response, receivedAt);
      },
      onLost: (at, wasTaken) => {
        if (this.#putBack(retried, wasTaken ? BROKEN : NOT_TAKEN, at)) return;
        this.#over(retried, at);
        first.onLost(at, wasTaken);
      },
    };
  }

  /** False: its time is over. */
  #putBack(retried: Retried, again: Again, now: number): boolean {
    const dueAt = now + pauseMs(this.#rules, retried.attempts, again, this.#random);
    if (dueAt - retried.first.sentAt > this.#rules.budgetMs) {
      this.#counts.note('failed', again.why);
      return false;
    }
    this.#counts.note('hidden', again.why);
    retried.dueAt = dueAt;
    this.#open.add(retried);
    this.#waiting.add(retried);
    return true;
  }

  #over(retried: Retried, now: number): void {
    if (!this.#open.delete(retried)) return;
    this.#counts.longestMs = Math.max(this.#counts.longestMs, now - retried.first.sentAt);
  }
}

function againFrom({ status, body, head }: Response): Again | undefined {
  return status < 400 ? undefined : againAfter(status, body, header(head, 'retry-after'));
}
