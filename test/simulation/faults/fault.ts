/**
 * A fault: something that goes wrong in the world, for a while or for good. A strike is one
 * occasion, as plain data: drawn ahead of the run, so that a schedule can be printed, replayed and
 * shrunk.
 */
import type { Chance } from '../kernel/chance.ts';
import type { Stricken } from './stricken.ts';

export interface Strike {
  readonly kind: string;
  /** After the beginning of the run. */
  readonly atMs: number;
  /** 0: until everything is healed, where it leaves something to heal. */
  readonly forMs: number;
  /** Whom: a sidecar, `ledger`, `bus`, or `all`. */
  readonly where: string;
  readonly detail: Readonly<Record<string, number | string | boolean>>;
}

export type Details = Strike['detail'];

export interface Fault {
  /** In words joined by hyphens. */
  readonly kind: string;
  /** One sentence for the documentation. */
  readonly what: string;
  /** How much more common than others it is; left out: as common as most. */
  readonly weight?: number;
  /** Whom it can strike. */
  readonly strikes: 'sidecar' | 'ledger' | 'bus' | 'all';
  /** What one strike is like; the rest of it is drawn for it. */
  draw(chance: Chance): { readonly forMs: number; readonly detail: Details };
  begin(world: Stricken, strike: Strike): void;
  /** Heals it. Called once, `forMs` later or when everything is healed, whichever is first. */
  end?(world: Stricken, strike: Strike): void;
}
