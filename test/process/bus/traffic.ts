/**
 * How requests were answered, and what no client should have met: a refusal of what is never
 * refused, one that does not say when to come back, a fault, an answer that does not come.
 */
import type { Answer } from '../requests.ts';

export const KINDS = ['grant', 'put', 'renew', 'release', 'delete'] as const;
export type Kind = (typeof KINDS)[number];

/** Taken; or what it was about is over; or refused, and to be asked again after so long. */
export type Verdict = 'taken' | 'gone' | { readonly waitMs: number };

/** Against never: a refusal may be held back for a second, and the machine may be busy. */
export const ANSWER_MAX_MS = 10_000;
/** Whoever is told to wait for longer does not come back when the bus does. */
const WAIT_MAX_S = 60;
const COMPLAINTS_MAX = 50;

const TAKEN = new Set([200, 201, 204]);
const GONE = new Set([404, 410]);
/** What only pressure from below may answer, and only to what asks for more. */
const REFUSALS: Readonly<Record<string, number>> = {
  'under-pressure': 503, capacity: 503, 'journal-full': 503, 'quota-exceeded': 429,
};
/** By a sidecar that is about to stop, to anything. */
const DRAINING = { code: 'draining', status: 503 };
const REFUSABLE: readonly Kind[] = ['grant', 'put'];
/** The event loop is short for everybody; what a full outbox refuses is only what would fill it. */
const REFUSABLE_BY_LOOP: readonly Kind[] = [...REFUSABLE, 'delete'];
const LOOP = 'loop';

export class Traffic {
  /** Sidecars are stopped under it. */
  mayDrain = false;
  readonly wrong: string[] = [];
  readonly taken: Record<Kind, number> = { grant: 0, put: 0, renew: 0, release: 0, delete: 0 };
  /** By code and what was full. */
  readonly refused: Record<string, number> = {};
  /** What was given as `retryAfterMs`, each once. */
  readonly waitsMs = new Set<number>();
  /** By Retry-After. */
  longestWaitMs = 0;
  /** From asking to the answer, of renewals and releases. */
  readonly tookMs: number[] = [];

  /** But for those that say that the machine is busy. */
  get refusals(): number {
    return Object.entries(this.refused)
      .filter(([why]) => !why.endsWith(LOOP))
      .reduce((sum, [, count]) => sum + count, 0);
  }

  complain(sentence: string): void {
    if (this.wrong.length < COMPLAINTS_MAX) this.wrong.push(sentence);
  }

  judge(kind: Kind, answer: Answer, tookMs: number): Verdict {
    if (kind === 'renew' || kind === 'release') this.tookMs.push(tookMs);
    const { status } = answer;
    if (TAKEN.has(status)) {
      this.taken[kind]++;
      return 'taken';
    }
    if (GONE.has(status) && kind !== 'grant') return 'gone';
    return this.#refusal(kind, answer);
  }

  #refusal(kind: Kind, { status, headers, body }: Answer): Verdict {
    const text = body.toString();
    const { code, retryAfterMs, source, resource } = problemOf(text);
    const refusable = source === LOOP ? REFUSABLE_BY_LOOP : REFUSABLE;
    const isDraining = this.mayDrain && code === DRAINING.code && status === DRAINING.status;
    const isPressed = code !== undefined && REFUSALS[code] === status && refusable.includes(kind);
    if (!isDraining && !isPressed) {
      this.complain(`A ${kind} was answered ${status}: ${text}`);
      return 'gone';
    }
    const why = [code, source ?? resource ?? ''].join(' ').trim();
    this.refused[why] = (this.refused[why] ?? 0) + 1;
    if (retryAfterMs !== undefined) this.waitsMs.add(retryAfterMs);
    const seconds = Number(headers['retry-after'] ?? 0);
    this.longestWaitMs = Math.max(this.longestWaitMs, seconds * 1000);
    if (!Number.isSafeInteger(seconds) || seconds < 1 || seconds > WAIT_MAX_S) {
      this.complain(`A ${kind} was refused as ${code} with Retry-After ${headers['retry-after']}`);
      return { waitMs: 1000 };
    }
    return { waitMs: seconds * 1000 };
  }
}

interface Problem {
  readonly code?: string;
  readonly retryAfterMs?: number;
  readonly source?: string;
  readonly resource?: string;
}

function problemOf(text: string): Problem {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** The value that `share` of them do not exceed; 0 of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}
