/**
 * How a sidecar answered that was asked for more than it has: taken, or refused with a code and a
 * time to come back. Anything else is wrong, and so is a refusal of what is never refused.
 */

/** What takes room: it may be refused. */
export const GROWING = ['grant', 'put', 'repeatable put', 'body', 'watch'] as const;
/** Of what is held: a renewal or a release never takes room. A read may be refused, never answered wrongly. */
export const HOLDING = ['renew', 'read', 'delete', 'release'] as const;
export type Kind = (typeof GROWING)[number] | (typeof HOLDING)[number];

/** By code: its status. */
const REFUSALS: Readonly<Record<string, number>> = {
  capacity: 503, 'under-pressure': 503, 'journal-full': 503, 'quota-exceeded': 429,
  'value-too-large': 413, 'body-too-large': 413,
};
/** A body that does not come is not waited for. */
const OF_BODIES: Readonly<Record<string, number>> = { ...REFUSALS, 'request-timeout': 408 };
const PRESSED: Readonly<Record<string, number>> = { 'under-pressure': 503 };
const ALLOWED: Readonly<Record<Kind, Readonly<Record<string, number>>>> = {
  grant: REFUSALS, put: REFUSALS, 'repeatable put': REFUSALS, watch: REFUSALS, body: OF_BODIES,
  read: PRESSED, delete: PRESSED,
  renew: {}, release: {},
};
const COMPLAINTS_MAX = 30;

export interface Verdict {
  readonly kind: Kind;
  readonly status: number;
  /** Undefined where it was taken. */
  readonly code: string | undefined;
  /** What there is no more of, where the answer says so. */
  readonly resource?: string | undefined;
  readonly retryAfter: string | undefined;
}

export class Verdicts {
  readonly wrong: string[] = [];
  /** By kind: how many were taken. */
  readonly taken: Partial<Record<Kind, number>> = {};
  /** By kind, code and resource. */
  readonly refused: Record<string, number> = {};

  complain(sentence: string): void {
    if (this.wrong.length < COMPLAINTS_MAX) this.wrong.push(sentence);
  }

  /** Whether it was taken. */
  judge({ kind, status, code, resource, retryAfter }: Verdict): boolean {
    if (status >= 200 && status < 300) {
      this.taken[kind] = (this.taken[kind] ?? 0) + 1;
      return true;
    }
    if (code === undefined || ALLOWED[kind][code] !== status) {
      this.complain(`A ${kind} was answered ${status} ${code ?? 'without a code'}`);
      return false;
    }
    const what = `${kind}: ${code}${resource === undefined ? '' : ` of ${resource}`}`;
    this.refused[what] = (this.refused[what] ?? 0) + 1;
    const waits = status === 503 || status === 429;
    if (waits && !(Number(retryAfter) >= 1)) this.complain(`A ${what} came with Retry-After ${retryAfter}`);
    return false;
  }

  /** Whether there has been a refusal that begins with each of these. */
  haveRefused(...beginnings: readonly string[]): boolean {
    const refused = Object.keys(this.refused);
    return beginnings.every((beginning) => refused.some((what) => what.startsWith(beginning)));
  }
}
