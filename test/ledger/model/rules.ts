/** The numbers of the small world, and the rules of a sidecar that can be switched off in it. */
import type { Terms } from '../../../src/ledger/ledger.ts';
import { START, TERMS, TICK } from '../fixtures.ts';

/** In ticks: PROTOCOL §3.5. */
export const TTL = 3;
export const AUTONOMY = 4;
export const SLACK = 1;
export const SILENCE = TERMS.silenceMs / TICK;
export const HORIZON = TERMS.horizonMs / TICK;

/** What a sidecar keeps to; with one of them off, some schedule breaks the protocol. */
export interface Rules {
  /** Rule 4: a renewal promises no more than contact and autonomy allow. */
  readonly renewalCap: boolean;
  /** Rule 4: contact is journalled, and inherited at a restart. */
  readonly contactKept: boolean;
  /** Who has said goodbye promises nothing more without contact. */
  readonly retireEndsContact: boolean;
  /** Rule 5: a restarted process beats for the actors of its journal. */
  readonly heirs: boolean;
  /** Rule 5: a heartbeat vouches only with equal digests, or a history followed to its end. */
  readonly vouching: boolean;
  /** Rule 6: the ledger notices that its history is another one, and gives everybody time. */
  readonly epochs: boolean;
  /** Rule 8: a context is journalled and pushed only with the values it was computed with. */
  readonly contextWithValues: boolean;
  /** Rule 2: a sidecar selects on reading, and deletes no value of others. */
  readonly selectsOnRead: boolean;
  /** Rule 3: a value the ledger did not take is encoded again from its present state. */
  readonly encodesAgain: boolean;
  /** A change to rule 7: an owner says with a tombstone which deadlines it knew. */
  readonly tellsDeadlines: boolean;
  /** A sweep of its own says when it was asked for: what is due later may have been renewed. */
  readonly sweepsAsOf: boolean;
  /** D3 and §2.5: a value is written again only under a context that has the old write in it. */
  readonly restampCovers: boolean;
}
export const ALL_RULES: Rules = {
  renewalCap: true, contactKept: true, retireEndsContact: true, heirs: true, vouching: true,
  epochs: true, contextWithValues: true, selectsOnRead: true, encodesAgain: true,
  tellsDeadlines: true, sweepsAsOf: true, restampCovers: true,
};

export function at(tick: number): number {
  return START + tick * TICK;
}
export function tickOf(instant: number): number {
  return (instant - START) / TICK;
}

export function termsOf(policy: Terms['policy']): Terms {
  return { ...TERMS, policy };
}
