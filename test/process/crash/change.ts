/**
 * Something a client asks of the sidecar, with what its answer, or the lack of one, means for the
 * client's belief. Each kind can stand alone in a request; some can also stand in a batch.
 */
import type { Answer, Ask } from '../requests.ts';
import { jsonOf } from '../requests.ts';
import type { World } from './belief.ts';
import type { Span } from './span.ts';

/** An answer, or one result of a batch, in the same words. */
export interface Outcome {
  readonly status: number;
  readonly etag?: string | undefined;
  /** Id of the lease it is about or the entry is under. */
  readonly lease?: string | undefined;
  readonly remainingMs?: number | undefined;
  readonly value?: Buffer | number | undefined;
  readonly code?: string | undefined;
  readonly results?: readonly Outcome[] | undefined;
}

export interface Change {
  /** For reports. */
  readonly what: string;
  /** How many entries it writes, when it takes effect. */
  readonly writes: number;
  /** Carries an Idempotency-Key: without an answer it is sent again. */
  readonly repeatable: boolean;
  ask(): Ask;
  /** As an operation of a batch. */
  operation(): object;
  /**
   * Takes the answer into `world`, which took effect within `effect` and was given within `told`.
   * Returns what is wrong with it.
   */
  acknowledge(world: World, outcome: Outcome, effect: Span, told: Span): string | undefined;
  /** No answer came: the worlds there may be if it took effect within `span`; `world` is its own. */
  worlds(world: World, span: Span): World[];
}

export function unexpected({ status, code }: Outcome): string {
  return `was answered ${status}${code === undefined ? '' : ` ${code}`}`;
}

function textOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

export function outcomeOf(answer: Answer): Outcome {
  const { status, headers, body } = answer;
  const remaining = textOf(headers['leasehold-remaining-ms']);
  const common = {
    status,
    etag: headers.etag,
    lease: textOf(headers['leasehold-lease']),
    remainingMs: remaining === undefined ? undefined : Number(remaining),
  };
  if (!/json/.test(headers['content-type'] ?? '')) return { ...common, value: body };
  const { code, value, etag, id, remainingMs, results } = jsonOf(answer);
  return {
    ...common,
    code,
    value,
    etag: common.etag ?? etag,
    lease: common.lease ?? id,
    remainingMs: common.remainingMs ?? remainingMs,
    results: results?.map(outcomeOfResult),
  };
}

// biome-ignore lint/suspicious/noExplicitAny: a document; the checks on its members follow.
function outcomeOfResult({ status, etag, lease, value, problem }: any): Outcome {
  if (typeof lease !== 'object') return { status, etag, lease, value, code: problem?.code };
  return { status, lease: lease.id, remainingMs: lease.remainingMs };
}
