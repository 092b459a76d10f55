/**
 * What admission needs to know of the parts it protects. Each part declares how full it is; nobody
 * is asked more often than a few times a second, but for the outbox, whose room is asked for by each
 * command that needs it.
 */

/** Where pressure can come from, as `Leasehold-Pressure` names it. */
export type PressureSource = 'outbox' | 'ledger' | 'journal' | 'memory' | 'loop';

export type PressureLevel = 'nominal' | 'elevated' | 'high' | 'critical';

/** How full one bounded thing is: 0 empty, 1 at its limit, more where it can be exceeded. */
export interface Signal {
  readonly source: PressureSource;
  /** Which of the source's bounds this is, for the status page: `endings`, `unpushed`, … */
  readonly what: string;
  fill(): number;
  /**
   * Milliseconds until there is room again at the rate at which it drains now; undefined where it
   * cannot be told (it does not drain, or is not a queue).
   */
  drainMs?(): number | undefined;
}

export interface Pressure {
  readonly level: PressureLevel;
  /** Of the fullest signal. */
  readonly source: PressureSource;
  readonly fill: number;
}
