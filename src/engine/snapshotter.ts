/**
 * Compaction while everything goes on: when the journal says that a snapshot would pay, the state
 * of that instant is written row by row between requests, and the segments before it go. Rows that
 * change meanwhile are written before they change (core/tables.ts).
 */
import type { Core } from '../core/core.ts';
import type { Journal, SnapshotWriter } from '../journal/journal.ts';
import type { Timers } from '../machine/machine.ts';
import type { IdempotencyMemory } from './idempotency.ts';
import { ENDINGS_STREAM, EVENTS_STREAM } from '../core/told.ts';
import type { Outbox, OutboxPosition } from '../events/outbox.ts';
import type { OutboxLog } from '../events/outbox-log.ts';
import {
  acknowledgedRecord, answerRecord, owedRecord, RESTATED_RECORD, runRecord, writeHeader,
} from './records.ts';
import type { Timeline } from './timeline.ts';

/** Rows between two turns of the loop: about a millisecond. */
const SLICE_ROWS = 1000;
/** Rows handed out between two questions whether to rest: of values of 1 MiB about two milliseconds. */
const CAPTURED_ROWS = 4;

export interface SnapshotterParts {
  readonly core: Core;
  readonly journal: Journal;
  readonly idempotency: IdempotencyMemory;
  readonly timeline: Timeline;
  readonly timers: Timers;
  readonly feed: { readonly sequence: number };
  /** Absent without a bus. */
  readonly outbox?: Outbox;
  readonly onDone: (outcome: { readonly durationMs: number; readonly records: number }) => void;
  readonly onError: (error: Error) => void;
}

export class Snapshotter {
  readonly #parts: SnapshotterParts;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: SnapshotterParts) {
    this.#parts = parts;
  }

  get running(): boolean {
    return this.#running !== undefined;
  }

  /** To be called right after a commit, with no group pending. */
  considerAfterCommit(): void {
    if (this.#stopped || this.#running !== undefined) return;
    if (!this.#parts.journal.shouldSnapshot()) return;
    void this.begin();
  }

  /**
   * Begins now, with no group pending. Resolves with whether the snapshot stands in the end. Throws when
   * none can be begun.
   */
  begin(): Promise<boolean> {
    const { journal, core, timeline, feed, outbox } = this.#parts;
    const writer = journal.beginSnapshot(timeline.now(), timeline.wallMs());
    core.beginSnapshot();
    // Whose facts follow goes into the new segment: the old ones will be deleted.
    const actor = core.actor;
    const told = outbox === undefined ? {} : { told: outbox.last };
    const run = runRecord({ actor, sequence: feed.sequence, ...told });
    journal.append(run, 0, run.length);
    journal.commit(timeline.now(), timeline.wallMs());
    const owed = outbox === undefined ? undefined : owedNow(outbox);
    return this.#run(this.#write(writer, owed));
  }

  /**
   * Hands every row to `take` as it is now, with no group pending, and writes nothing: for whoever
   * compares memory with something else. Rejects with what `take` or `rest` threw. A snapshot that falls
   * due meanwhile waits. Throws when a snapshot is under way.
   */
  capture(
    take: (bytes: Uint8Array, start: number, end: number) => void,
    restWhenDue: () => Promise<void> | undefined,
  ): Promise<void> {
    const { core } = this.#parts;
    core.beginSnapshot();
    return this.#run(this.#hand(take, restWhenDue));
  }

  async #hand(
    take: (bytes: Uint8Array, start: number, end: number) => void,
    restWhenDue: () => Promise<void> | undefined,
  ): Promise<void> {
    const { core } = this.#parts;
    try {
      while (!core.snapshotNext(CAPTURED_ROWS, take)) await restWhenDue();
    } catch (error) {
      core.abandonSnapshot();
      throw error;
    }
  }

  async #run<T>(work: Promise<T>): Promise<T> {
    const running = work.then(() => {}, () => {});
    this.#running = running;
    try {
      return await work;
    } finally {
      this.#running = undefined;
    }
  }

  async #write(writer: SnapshotWriter, owed: OwedNow | undefined): Promise<boolean> {
    const { core, idempotency, timeline, onDone, onError } = this.#parts;
    const startedAt = timeline.monotonicMs();
    let records = 0;
    let keepsUp = true;
    const take = (bytes: Uint8Array, start: number, end: number) => {
      writeHeader(bytes, start, RESTATED_RECORD, 0);
      keepsUp = writer.append(bytes, start, end);
      records++;
    };
    try {
      while (!core.snapshotNext(SLICE_ROWS, take)) {
        if (this.#stopped) throw new Error('the sidecar is stopping');
        await (keepsUp ? this.#nextTurn() : writer.drained());
      }
      for (const [key, { fingerprint, at, essence }] of idempotency.completed()) {
        const answer = answerRecord({ key, fingerprint, at, essence });
        keepsUp = writer.append(answer, 0, answer.length);
        if (++records % SLICE_ROWS === 0 || !keepsUp) {
          if (this.#stopped) throw new Error('the sidecar is stopping');
          await (keepsUp ? this.#nextTurn() : writer.drained());
        }
      }
      for (const record of owed === undefined ? [] : owedRecords(owed, timeline.now())) {
        keepsUp = writer.append(record, 0, record.length);
        if (++records % SLICE_ROWS === 0 || !keepsUp) {
          if (this.#stopped) throw new Error('the sidecar is stopping');
          await (keepsUp ? this.#nextTurn() : writer.drained());
        }
      }
      await writer.finish();
      onDone({ durationMs: Math.round(timeline.monotonicMs() - startedAt), records });
      return true;
    } catch (error) {
      core.abandonSnapshot();
      await writer.abort();
      if (!this.#stopped) onError(error as Error);
      return false;
    }
  }

  #nextTurn(): Promise<void> {
    return new Promise((resolve) => this.#parts.timers.soon(resolve));
  }

  /** Gives up a snapshot under way, since the journal alone is enough. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }
}

/** What the outbox held at the snapshot's instant. */
interface OwedNow {
  readonly logs: readonly { readonly number: number; readonly log: OutboxLog; readonly head: number }[];
  readonly positions: readonly OutboxPosition[];
}

function owedNow(outbox: Outbox): OwedNow {
  const { endings, events } = outbox;
  return {
    logs: [
      { number: ENDINGS_STREAM, log: endings, head: endings.head },
      { number: EVENTS_STREAM, log: events, head: events.head },
    ],
    positions: outbox.positions(),
  };
}

/** What is let go while the snapshot is written has been acknowledged long enough: it is left out. */
function* owedRecords({ logs, positions }: OwedNow, at: number): IterableIterator<Uint8Array> {
  for (const { number, log, head } of logs) {
    for (let index = log.kept; index < head; index = Math.max(index + 1, log.kept)) {
      const { actor, sequence } = log.numberOf(index);
      yield owedRecord(number, sequence, actor, log.factBytes(index));
    }
  }
  for (const position of positions) yield acknowledgedRecord({ ...position, at });
}

