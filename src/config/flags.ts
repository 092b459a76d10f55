/**
 * Feature flags: risky transitions that can be watched before they act, and stopped without a
 * restart. They are the one part of the configuration that changes while the process runs.
 */
export type FlagState = 'off' | 'shadow' | 'on';

export interface Flags {
  /** Ending the values of owners that have fallen silent. */
  readonly sweep: FlagState;
  /** Taking over the leases of a sidecar that handed them over. */
  readonly adoption: FlagState;
  /** Taking in what others wrote. */
  readonly merge: FlagState;
  /** Ending entries early to make room. */
  readonly eviction: FlagState;
}

export const FLAG_STATES = ['off', 'shadow', 'on'] as const satisfies readonly FlagState[];

/** Holds what the flags are now. Whoever needs one asks each time. */
export class LiveFlags {
  #flags: Flags;

  constructor(flags: Flags) {
    this.#flags = flags;
  }

  /** Bound, so that it can be handed on as `() => Flags`. */
  readonly current = (): Flags => this.#flags;

  /** The flags that changed, as `sweep: on -> shadow`; nothing when all are as they were. */
  replace(flags: Flags): readonly string[] {
    const before = this.#flags;
    this.#flags = flags;
    return (Object.keys(flags) as (keyof Flags)[])
      .filter((name) => flags[name] !== before[name])
      .map((name) => `${name}: ${before[name]} -> ${flags[name]}`);
  }
}
