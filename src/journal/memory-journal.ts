/**
 * The journal of a sidecar without a data directory: it remembers nothing, and every group counts
 * as written and synced the moment it is committed. It keeps the promises of durability `memory`
 * and no others; configuration sees to it that nobody is promised more.
 */
import { Histogram } from '../measure/histogram.ts';
import type { Journal, JournalStatus, JournalTimings, SnapshotWriter } from './journal.ts';
import type { ReadBack } from './read-back.ts';

export class MemoryJournal implements Journal {
  readonly state = 'ok';
  readonly lag = 0;
  /** There is no disk to be waited for. */
  readonly timings: JournalTimings = { appendMs: new Histogram([]), syncMs: new Histogram([]) };
  onAdvance: () => void = () => {};
  onFailure: (error: Error) => void = () => {};
  #position = 0;
  #pendingBytes = 0;
  #pendingRecords = 0;

  get writtenPosition(): number {
    return this.#position;
  }
  get syncedPosition(): number {
    return this.#position;
  }
  get pendingPosition(): number {
    return this.#position + 1;
  }

  append(_bytes: Uint8Array, start: number, end: number): number {
    this.#pendingRecords += 1;
    this.#pendingBytes += end - start;
    return this.#position + 1;
  }

  commit(_nowMs: number, _wallMs: number): void {
    if (this.#pendingRecords === 0) return;
    this.#pendingRecords = 0;
    this.#pendingBytes = 0;
    this.#position += 1;
    this.onAdvance();
  }

  requestSync(): void {}

  shouldSnapshot(): boolean {
    return false;
  }

  /** Nothing is kept, so there is nothing to shorten; the writer takes records and drops them. */
  beginSnapshot(_nowMs: number, _wallMs: number): SnapshotWriter {
    return {
      append: () => true,
      drained: async () => {},
      finish: async () => {},
      abort: async () => {},
    };
  }

  extent(): undefined {
    return undefined;
  }

  async readBack(): Promise<ReadBack> {
    return { outcome: 'whole' };
  }

  status(): JournalStatus {
    return {
      kind: 'memory',
      state: 'ok',
      segments: 0,
      bytes: 0,
      bytesSinceSnapshot: 0,
      pendingBytes: this.#pendingBytes,
      writtenPosition: this.#position,
      syncedPosition: this.#position,
      snapshots: 0,
      lastSnapshotMs: undefined,
      lastSyncMs: undefined,
    };
  }

  async close(nowMs: number, wallMs: number): Promise<void> {
    this.commit(nowMs, wallMs);
  }
}
