/**
 * What the publisher needs of the outbox: for each stream the events that are committed and not yet
 * acknowledged, in order, and those acknowledged a while ago, in case the stream loses them.
 * Implemented by `outbox.ts`.
 */
import type { Fact } from '../core/fact.ts';
import type { StreamName } from './bus.ts';

/** One event before it is encoded. */
export interface OutboxEvent {
  readonly stream: StreamName;
  /** The run that committed it. */
  readonly actor: string;
  /** Contiguous from 1 for each run and stream. */
  readonly sequence: number;
  readonly fact: Fact;
}

/**
 * The events of one stream. Indices count everything ever appended here, over all runs:
 * `kept` ≤ `first` ≤ `visible`.
 */
export interface OutboxStream {
  readonly stream: StreamName;
  /** The oldest acknowledged event still held; equal to `first` when none is. */
  readonly kept: number;
  /** The oldest event not yet acknowledged. */
  readonly first: number;
  /** The first event that is not there to be published: not committed yet, or not existing. */
  readonly visible: number;
  /** The event at an index from `kept` up to, not including, `visible`. */
  at(index: number): OutboxEvent;
  /** Everything before `index` has been acknowledged. Never goes back. */
  acknowledge(index: number): void;
  /**
   * Where the stream stood when it last acknowledged something, as this sidecar's journal has it;
   * undefined: nothing was ever acknowledged. `noteStream` keeps it.
   */
  readonly lastSeen: SeenStream | undefined;
  noteStream(seen: SeenStream): void;
  /** Called, at most once per turn of the loop, when `visible` has grown. Set by the publisher. */
  onVisible: () => void;
}

/** A stream as it was when last seen: whether it is another one now, or went back, shows by it. */
export interface SeenStream {
  /** `StreamState.created`. */
  readonly created: string;
  /** The highest place in it that acknowledged one of ours. */
  readonly sequence: number;
}
