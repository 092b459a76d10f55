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
const COMPLAINTS_MAX = 50;

const TAKEN = new Set([200, 201, 204]);
const GONE = new Set([404, 410]);
/** What only pressure from below may answer, and only to what asks for more. */
const REFUSALS: Readonly<Record<string, number>> = {
  'under-pressure': 503, capacity: 503, 'journal-full': 503, 'quota-exceeded': 429,
};
const REFUSABLE: readonly Kind[] = ['grant', 'put'];

export class Traffic {
  readonly wrong: string[] = [];
  readonly taken: Record<Kind, number> = { grant: 0, put: 0, renew: 0, release: 0, delete: 0 };
  /** By code. */
  readonly refused: Record<string, number> = {};
  /** What was given as `retryAfterMs`, each once. */
  readonly waitsMs = new Set<number>();
  /** From asking to the answer, of renewals and releases. */
  readonly tookMs: number[] = [];

  get refusals(): number {
    return Object.values(this.refused).reduce((sum, count) => sum + count, 0);
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
    const { code, retryAfterMs } = problemOf(text);
    if (code === undefined || REFUSALS[code] !== status || !REFUSABLE.includes(kind)) {
      this.complain(`A ${kind} was answered ${status}: ${text}`);
      return 'gone';
    }
    this.refused[code] = (this.refused[code] ?? 0) + 1;
    if (retryAfterMs !== undefined) this.waitsMs.add(retryAfterMs);
    const seconds = headers['retry-after'];
    if (seconds === undefined || !/^[1-9]\d*$/.test(seconds)) {
      this.complain(`A ${kind} was refused as ${code} with Retry-After ${seconds}`);
      return { waitMs: 1000 };
    }
    return { waitMs: Number(seconds) * 1000 };
  }
}

function problemOf(text: string): { code?: string; retryAfterMs?: number } {
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
