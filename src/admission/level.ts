/**
 * The level of one signal. It rises at once and falls late: only when the fill has been below the
 * threshold, less the hysteresis, for the settling time, so that a fill that swings around a
 * threshold is told once. Where it has been so for all of that time it falls to, however many
 * levels that is.
 */
import { LEVELS } from './classes.ts';
import type { PressureLevel } from './signals.ts';

/** Fills at which elevated, high and critical are entered. */
export type Thresholds = readonly [elevated: number, high: number, critical: number];

export interface Settling {
  readonly hysteresis: number;
  readonly settleMs: number;
}

export class Level {
  readonly #thresholds: Thresholds;
  readonly #settling: Settling;
  /** A place in `LEVELS`. */
  #current = 0;
  /** Since when the fill has been below, and the highest it has been since. */
  #belowSince: number | undefined;
  #highestBelow = 0;

  constructor(thresholds: Thresholds, settling: Settling) {
    this.#thresholds = thresholds;
    this.#settling = settling;
  }

  get rank(): number {
    return this.#current;
  }

  get name(): PressureLevel {
    return LEVELS[this.#current]!;
  }

  /** Takes the fill at an instant. */
  note(fill: number, now: number): void {
    const reached = this.#reached(fill);
    if (reached >= this.#current) {
      this.#current = reached;
      this.#belowSince = undefined;
      return;
    }
    if (this.#belowSince === undefined) {
      this.#belowSince = now;
      this.#highestBelow = reached;
    }
    this.#highestBelow = Math.max(this.#highestBelow, reached);
    if (now - this.#belowSince < this.#settling.settleMs) return;
    this.#current = this.#highestBelow;
    this.#belowSince = undefined;
  }

  /** The highest level that this fill enters, or has not left yet. */
  #reached(fill: number): number {
    let reached = 0;
    for (const [index, threshold] of this.#thresholds.entries()) {
      const held = index < this.#current;
      if (fill >= (held ? threshold - this.#settling.hysteresis : threshold)) reached = index + 1;
    }
    return reached;
  }
}
