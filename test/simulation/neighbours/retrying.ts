/**
 * When a client asks again: transient refusals always, unknown outcomes where asking twice cannot do
 * a thing twice. Full jitter, so that clients refused together do not come back together.
 */
import type { Chance } from '../kernel/chance.ts';
import type { Answer, Asked } from '../history/operation.ts';

const BACKOFF_BASE_MS = 50;
const BACKOFF_MAX_MS = 2_000;
/** On top of what the sidecar asks for, as a share of it. */
const JITTER = 0.5;
const ATTEMPTS_MAX = 6;

/** Certainly without effect. */
const REFUSED_FOR_NOW: ReadonlySet<number> = new Set([408, 429, 503]);

/** Milliseconds until the next attempt; undefined: this answer stands. */
export function pauseBeforeRetry(
  asked: Asked,
  answer: Answer,
  attempts: number,
  chance: Chance,
): number | undefined {
  if (attempts >= ATTEMPTS_MAX || !isWorthRetrying(asked, answer)) return undefined;
  const askedForMs = retryAfterMs(answer);
  if (askedForMs !== undefined) return askedForMs * (1 + chance.fraction() * JITTER);
  return chance.between(0, Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** attempts));
}

function isWorthRetrying(asked: Asked, { status, code }: Answer): boolean {
  if (REFUSED_FOR_NOW.has(status) || code === 'idempotency-in-progress') return true;
  if (code === 'connection-refused') return true;
  const isUnknown = status === 0 || status >= 500;
  return isUnknown && mayBeAskedTwice(asked);
}

function mayBeAskedTwice(asked: Asked): boolean {
  switch (asked.kind) {
    case 'grant':
    case 'put':
    case 'increment':
      return asked.idempotencyKey !== undefined;
    case 'delete':
      return asked.ifMatch !== undefined;
    case 'batch':
      return false;
    default:
      return true;
  }
}

function retryAfterMs({ document, headers }: Answer): number | undefined {
  const said = (document as { readonly retryAfterMs?: number } | undefined)?.retryAfterMs;
  if (said !== undefined) return said;
  const seconds = headers['retry-after'];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}
