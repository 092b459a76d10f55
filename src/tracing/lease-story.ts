/**
 * What spans of one lease must know of each other and the lease does not keep: which request renewed
 * it last, and under which span it ended. That of the grant is kept with the lease itself.
 */
import { TraceMemory } from './trace-memory.ts';
import type { Tracing } from './tracing.ts';

/** Leases whose last recorded renewal is remembered, and as many whose ending is. */
export const REMEMBERED_MAX = 10_000;

export interface LeaseStory {
  readonly tracing: Tracing;
  /** What may be told of a namespace: where it is sensitive, no lease is named. */
  readonly isSensitive: (namespace: string) => boolean;
  /** By lease, the last recorded request that renewed it. */
  readonly renewed: TraceMemory;
  /** By lease, the span of its ending: what is published of it belongs to that. */
  readonly ended: TraceMemory;
}

export function leaseStory(
  tracing: Tracing,
  isSensitive: (namespace: string) => boolean,
): LeaseStory {
  return {
    tracing, isSensitive,
    renewed: new TraceMemory(REMEMBERED_MAX),
    ended: new TraceMemory(REMEMBERED_MAX),
  };
}
