/**
 * The closed catalogue of reasons why a sidecar is not simply ready. Each part names its own; the
 * answer of `/readyz`, the OpenAPI document and the runbook are made from, or checked against, this
 * table. Every reason has a page in `docs/runbook`.
 *
 * A sidecar that cannot reach its neighbours goes on serving its own service, so most reasons leave
 * it ready: taking it out would take its service out too.
 */

export type ReadinessState = 'ready' | 'degraded' | 'recovering' | 'draining' | 'failed';

export interface ReadinessKind {
  /** What the sidecar is while it has this reason. */
  readonly state: Exclude<ReadinessState, 'ready'>;
  /** Whether it stays in service all the same. */
  readonly ready: boolean;
  /** What it means, in a sentence. */
  readonly meaning: string;
}

/** In the order in which they are told: what stops the sidecar first, then what hurts most. */
export const READINESS_REASONS = {
  recovering: {
    state: 'recovering', ready: false,
    meaning: 'It reads back its journal, and answers nothing else until it has.',
  },
  draining: {
    state: 'draining', ready: false,
    meaning: 'It was asked to stop, finishes what is under way and takes nothing new.',
  },
  'journal-failed': {
    state: 'failed', ready: false,
    meaning: 'Its journal could not be written, so nothing more may be acknowledged: it stops.',
  },
  'journal-full': {
    state: 'degraded', ready: true,
    meaning: 'The disk of its journal is full: nothing new is taken, what there is goes on.',
  },
  'ledger-misconfigured': {
    state: 'degraded', ready: true,
    meaning: 'The ledger answers, but it or this sidecar is set so that they cannot work together.',
  },
  'ledger-unavailable': {
    state: 'degraded', ready: true,
    meaning: 'The ledger cannot be reached, or was not joined yet.',
  },
  'ledger-full': {
    state: 'degraded', ready: true,
    meaning: 'The ledger has no memory left for what it should be told.',
  },
  'ledger-read-only': {
    state: 'degraded', ready: true,
    meaning: 'The ledger refuses writes: it is a replica, or lacks the replicas it demands.',
  },
  isolated: {
    state: 'degraded', ready: true,
    meaning: 'Some namespace has had no contact with the ledger for longer than it may promise anything.',
  },
  'clock-ahead': {
    state: 'degraded', ready: true,
    meaning: 'The ledger refused writes because the clock here is ahead of its own.',
  },
  'tokens-refused': {
    state: 'degraded', ready: true,
    meaning: 'The file of tokens has changed and cannot be taken; the tokens there were before go on holding.',
  },
  repairing: {
    state: 'degraded', ready: false,
    meaning: 'What is held here differs from what holds, and is being put right.',
  },
  'bus-away': {
    state: 'degraded', ready: true,
    meaning: 'The bus cannot be reached; events wait.',
  },
  'stream-full': {
    state: 'degraded', ready: true,
    meaning: 'A stream of the bus is full and refuses more; events wait.',
  },
  'stream-absent': {
    state: 'degraded', ready: true,
    meaning: 'A stream that events belong in is not there; events wait.',
  },
  'bus-denied': {
    state: 'degraded', ready: true,
    meaning: 'The bus does not allow this sidecar to publish; events wait.',
  },
  'bus-refuses': {
    state: 'degraded', ready: true,
    meaning: 'The bus refuses an event as it is; those behind it wait.',
  },
  'under-pressure': {
    state: 'degraded', ready: true,
    meaning: 'Something bounded is nearly full: grants and writes that add to it are refused.',
  },
} as const satisfies Record<string, ReadinessKind>;

export type ReadinessReason = keyof typeof READINESS_REASONS;

/** Every reason, as the catalogue orders them. */
export const READINESS_CODES = Object.keys(READINESS_REASONS) as readonly ReadinessReason[];

/** Reasons that some part may give while the sidecar runs. */
export type DegradedReason = {
  [Reason in ReadinessReason]: (typeof READINESS_REASONS)[Reason]['state'] extends 'degraded' ? Reason : never;
}[ReadinessReason];

/** Each once, in the order of the catalogue. */
export function ordered(reasons: Iterable<DegradedReason>): readonly DegradedReason[] {
  const given = new Set<ReadinessReason>(reasons);
  return READINESS_CODES.filter((code): code is DegradedReason => given.has(code));
}
