/** What reconciliation is told by the configuration. Durations in milliseconds. */
import type { NamespaceContract } from '../core/contract.ts';
import type { Terms } from '../ledger/ledger.ts';

export interface ReconcileSettings {
  /** The sidecar's display name. */
  readonly name: string;
  /** Where the ledger is, for the status page: without its password. */
  readonly url: string;
  /** The ledger's layout; every sidecar must have the same. */
  readonly partitions: number;
  readonly buckets: number;

  /** Between two heartbeats of a partition. */
  readonly beatMs: number;
  /** Between two looks at the change log, where copies of everything are kept. */
  readonly pullMs: number;
  readonly truthCheckMs: number;
  readonly sweepMs: number;

  /** How long an answer may take; that to a read that waits for it; that to a write that does. */
  readonly timeoutMs: number;
  readonly readThroughMs: number;
  readonly ackMs: number;

  /** W: how long what the ledger has acknowledged is kept, should it lose it (PROTOCOL §2.4). */
  readonly windowMs: number;
  /** ε: how far past a deadline somebody else than the owner must be. */
  readonly slackMs: number;
  /** σ: how far the ledger's clock may step. */
  readonly stepMs: number;
  /** ρ: how far the rate of a clock may be off. */
  readonly driftRatio: number;
  readonly maxSkewMs: number;
  readonly logEntries: number;

  /** Partitions worked on at the same time. */
  readonly requestsInFlight: number;
  /** Keys being asked for at the same time. */
  readonly readThroughs: number;
  /** Writes that wait for the ledger at the same time. */
  readonly waiters: number;
}

export type FlagState = 'off' | 'shadow' | 'on';

/** Transitions that an operator may switch off, or have decided and counted but not done. */
export interface Flags {
  readonly sweep: FlagState;
  readonly adoption: FlagState;
  readonly merge: FlagState;
}

/** What the ledger is told about a namespace with each request; the same at every sidecar. */
export function termsOf(contract: NamespaceContract, settings: ReconcileSettings): Terms {
  const { autonomyMs } = contract;
  const { slackMs, stepMs, driftRatio, maxSkewMs, logEntries } = settings;
  return {
    policy: contract.conflict,
    autonomyMs,
    silenceMs: Math.ceil(autonomyMs * (1 + 2 * driftRatio) + stepMs + slackMs),
    slackMs,
    // M + slack + T_max + ε of PROTOCOL §3.5, rule 7.
    horizonMs: autonomyMs + slackMs + contract.ttl.maxMs + slackMs,
    maxSkewMs,
    logEntries,
  };
}
