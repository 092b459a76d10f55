/** A journal whose watermarks move only when the test says so. */
import type {
  Journal, JournalState, JournalTimings, SnapshotWriter,
} from '../../src/journal/journal.ts';
import { Histogram } from '../../src/measure/histogram.ts';

export class HeldJournal implements Journal {
  readonly groups: Uint8Array[][] = [];
  #pending: Uint8Array[] = [];
  writtenPosition = 0;
  syncedPosition = 0;
  syncRequests = 0;
  readonly lag = 0;
  readonly timings: JournalTimings = { appendMs: new Histogram([]), syncMs: new Histogram([]) };
  state: JournalState = 'ok';
  /** true: a commit is written at once, as it usually is. */
  prompt: boolean;
  onAdvance: () => void = () => {};
  onFailure: (error: Error) => void = () => {};

  constructor(prompt = true) {
    this.prompt = prompt;
  }

  get pendingPosition(): number {
    return this.groups.length + 1;
  }

  append(bytes: Uint8Array, start: number, end: number): number {
    this.#pending.push(bytes.slice(start, end));
    return this.pendingPosition;
  }

  commit(): void {
    if (this.#pending.length > 0) {
      this.groups.push(this.#pending);
      this.#pending = [];
    }
    if (this.prompt) this.write();
  }

  write(): void {
    if (this.writtenPosition === this.groups.length) return;
    this.writtenPosition = this.groups.length;
    this.onAdvance();
  }

  sync(): void {
    this.syncedPosition = this.writtenPosition;
    this.onAdvance();
  }

  requestSync(): void {
    this.syncRequests++;
  }

  /** Everything written so far, as recovery would read it. */
  records(): Uint8Array[] {
    return this.groups.slice(0, this.writtenPosition).flat();
  }

  shouldSnapshot(): boolean {
    return false;
  }

  beginSnapshot(_nowMs: number): SnapshotWriter {
    throw new Error('This journal takes no snapshots');
  }

  extent(): undefined {
    return undefined;
  }

  readBack(): never {
    throw new Error('This journal is read back with `records`');
  }

  status(): never {
    throw new Error('This journal has no status');
  }

  async close(): Promise<void> {
    this.commit();
    this.write();
    this.sync();
  }
}
