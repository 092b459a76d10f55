/**
 * How far the ledger's clock is ahead of the timeline, as an interval that is certain. An answer
 * that says `ledgerNow` was made between sending and receiving, so the offset lies in
 * [ledgerNow − received, ledgerNow − sent]; several answers narrow it (Cristian 1989, Marzullo
 * 1984), and clock drift widens it again with time. Intervals that do not overlap mean that the
 * ledger's clock has stepped.
 *
 * One per partition: the partitions of a cluster lie on machines with clocks of their own, and
 * each goes on from its own last instant after a failover.
 */

/** The ledger tells whole milliseconds, rounded down. */
const RESOLUTION_MS = 1;

export class LedgerClock {
  readonly #driftRatio: number;
  #low = Number.NEGATIVE_INFINITY;
  #high = Number.POSITIVE_INFINITY;
  #at = 0;

  /** `driftRatio`: how far both clocks' rates together may be off. */
  constructor(driftRatio: number) {
    this.#driftRatio = driftRatio;
  }

  get known(): boolean {
    return this.#high !== Number.POSITIVE_INFINITY;
  }

  /** Takes in an answer; true when the ledger's clock must have stepped since the last one. */
  sample(sentAt: number, receivedAt: number, ledgerNow: number): boolean {
    const low = ledgerNow - receivedAt;
    const high = ledgerNow + RESOLUTION_MS - sentAt;
    const drift = this.#drift(receivedAt);
    const narrowedLow = Math.max(low, this.#low - drift);
    const narrowedHigh = Math.min(high, this.#high + drift);
    const stepped = narrowedLow > narrowedHigh;
    this.#low = stepped ? low : narrowedLow;
    this.#high = stepped ? high : narrowedHigh;
    this.#at = receivedAt;
    return stepped;
  }

  /**
   * The latest the ledger's clock can be ahead: an instant sent with it is never earlier there
   * than here. Infinite while nothing is known.
   */
  upper(now: number): number {
    return this.#high + this.#drift(now);
  }

  /** The least the ledger's clock can be ahead. Negative infinity while nothing is known. */
  lower(now: number): number {
    return this.#low - this.#drift(now);
  }

  #drift(now: number): number {
    return Math.max(0, now - this.#at) * this.#driftRatio;
  }
}
