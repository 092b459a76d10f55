/** Spans of what reconciliation does of its own accord, with what it has found. */
import { LedgerError, type PartitionName } from '../ledger/ledger.ts';
import { ATTRIBUTES } from '../tracing/names.ts';
import type { Attributes, Tracing } from '../tracing/tracing.ts';

export interface Traced {
  /** Absent: nothing is traced. */
  readonly tracing?: Tracing;
}

/** Does `work`, as a span of its own where a lot says so. */
export function asDuty<T>(
  { tracing }: Traced,
  name: string,
  at: PartitionName | undefined,
  work: () => Promise<T>,
): Promise<T> {
  if (tracing === undefined) return work();
  return tracing.samples() ? recordDuty(tracing, name, at, work) : tracing.outside(work);
}

async function recordDuty<T>(
  tracing: Tracing,
  name: string,
  at: PartitionName | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const place: Attributes =
    at === undefined
      ? {}
      : { [ATTRIBUTES.namespace]: at.namespace, [ATTRIBUTES.partition]: at.partition };
  const span = tracing.start(name, { parent: 'none', attributes: place });
  try {
    return await tracing.within(span, work);
  } catch (error) {
    span.fail(error instanceof LedgerError ? error.fault : 'internal');
    throw error;
  } finally {
    span.end();
  }
}

/** What the duty under way has found, where it is recorded. */
export function found({ tracing }: Traced, what: Attributes): void {
  tracing?.active?.set(what);
}
