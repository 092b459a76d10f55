/**
 * What the edges (HTTP, and later others) ask of the engine. Implemented by `engine.ts`.
 */
import type { Command, Reply } from '../core/command.ts';
import type { Fact } from '../core/fact.ts';
import type { Rejection } from '../errors.ts';

/** A client's Idempotency-Key, scoped to its route, with the digest of what was sent. */
export interface IdempotencyRequest {
  readonly key: string;
  readonly fingerprint: string;
}

export type Outcome<C extends Command = Command> = Reply<C> | Rejection;

export interface Service {
  /**
   * Executes `command` at once and calls `respond` when the reply may be released: never before
   * the journal has got as far as the namespace's durability promises. `respond` is called exactly
   * once; synchronously when there is nothing to wait for.
   *
   * With `idempotency`, a repeat of the same key and fingerprint is answered from memory
   * (`replayed` true), with what remains computed anew.
   */
  submit<C extends Command>(
    command: C,
    respond: (outcome: Outcome<C>, replayed: boolean) => void,
    idempotency?: IdempotencyRequest,
  ): void;
  /** Timeline instant, fractional milliseconds. */
  now(): number;
  /** Wall-clock milliseconds of a timeline instant. */
  toWallMs(instant: number): number;
}

/** A place in the feed: facts after it are still to be seen. Text form: `<actor>.<sequence>`. */
export interface FeedFact {
  readonly actor: string;
  readonly sequence: number;
  readonly fact: Fact;
}

export interface ResyncNotice {
  /** The cursor the reader was at, and the one it goes on from. */
  readonly from: string;
  readonly to: string;
  readonly reason: 'fell-behind' | 'unknown-cursor' | 'not-held';
}

/** One reader of the feed: a position, nothing else; a slow one costs nobody anything. */
export interface FeedReader {
  /**
   * Up to `max` facts, in order, or a notice that some were lost, after which reading goes on
   * from the notice's `to`. An empty array: nothing new; `onFact` will be called.
   */
  read(max: number): readonly FeedFact[] | ResyncNotice;
  /** Called (at most once per turn of the loop) when there may be more to read. */
  onFact: () => void;
  /** Cursor after the last fact read. */
  readonly cursor: string;
  close(): void;
}

export interface FeedPort {
  /**
   * Cursor of the newest committed fact. Taken before a command is submitted, it stands for a
   * state no newer than the reply's: list, then watch from here, misses nothing.
   */
  readonly cursor: string;
  /** `since` absent: from now on. Never throws on a strange cursor: the first read gives a notice. */
  open(since?: string): FeedReader;
}
