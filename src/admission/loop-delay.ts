/**
 * How long requests wait for their turn of the event loop. Whoever comes while the loop is busy is
 * seen in its next turn, and answered in the course of it: so the wait is about the length of one
 * turn, and the mean turn is what the loop was busy, divided by how often it went round. Both are
 * counted by the loop itself, so reading them ten times a second costs nothing, where a timer that
 * measures its own lateness would have to fire every few milliseconds to see as much.
 *
 * One long turn is no queue: a collection, or a page of a thousand entries, is over when it shows.
 * A queue stands, so of two windows in succession the smaller mean counts (the idea of CoDel: the
 * least delay of an interval, Nichols & Jacobson 2012). The time in the queue, rather than that of
 * the answer, as in DAGOR (Zhou et al., SoCC 2018): a slow disk is no reason to refuse reads.
 */
import type { LoopReading } from '../machine/machine.ts';

/** What the loop did since the last one. */
export interface LoopWindow {
  readonly turns: number;
  /** The mean turn. */
  readonly turnMs: number;
  /** Milliseconds that requests have been waiting, at least, for two windows. */
  readonly standingMs: number;
}

export class LoopDelay {
  readonly #read: () => LoopReading;
  #last: LoopReading;
  window: LoopWindow = { turns: 0, turnMs: 0, standingMs: 0 };

  constructor(read: () => LoopReading) {
    this.#read = read;
    this.#last = read();
  }

  /** Ends a window. */
  sample(): LoopWindow {
    const reading = this.#read();
    const turns = reading.turns - this.#last.turns;
    // At worst the window is one turn that is not counted yet.
    const turnMs = (reading.activeMs - this.#last.activeMs) / Math.max(1, turns);
    this.window = { turns, turnMs, standingMs: Math.min(turnMs, this.window.turnMs) };
    this.#last = reading;
    return this.window;
  }
}
