/**
 * The journal port: an append-only record of everything acknowledged, in groups.
 *
 * A record is opaque bytes. Records appended between two `commit`s form one group: it is written
 * and read back whole or not at all, so what one command did can never come back by halves.
 * Positions number the groups of this run from 1. Two watermarks say how far a group has got:
 * `written` (it survives the process) and `synced` (it survives the machine).
 */
import type { Histogram } from '../measure/histogram.ts';
import type { JournalExtent, OnReadBack, ReadBack, ReadPace } from './read-back.ts';

export type JournalState =
  /** Everything works. */
  | 'ok'
  /** The disk has no room: only endings and renewals are taken, from reserved space. */
  | 'full'
  /** An append failed for good; the process must stop. */
  | 'failed';

export interface JournalStatus {
  readonly kind: 'file' | 'memory';
  readonly state: JournalState;
  readonly segments: number;
  readonly bytes: number;
  readonly bytesSinceSnapshot: number;
  readonly pendingBytes: number;
  readonly writtenPosition: number;
  readonly syncedPosition: number;
  readonly snapshots: number;
  readonly lastSnapshotMs: number | undefined;
  readonly lastSyncMs: number | undefined;
}

/** How long the disk took, each time. */
export interface JournalTimings {
  /** Handing a group to the kernel; those written asynchronously too. */
  readonly appendMs: Histogram;
  /** Waiting for the disk to have what the kernel has. */
  readonly syncMs: Histogram;
}

export interface Journal {
  /**
   * Copies `bytes[start, end)` into the group that the next `commit` writes.
   * Returns that group's position.
   */
  append(bytes: Uint8Array, start: number, end: number): number;
  /**
   * Ends the pending group, if it holds anything, and hands it to the file. Normally one
   * synchronous write; asynchronous for a while after the kernel has stalled one.
   * `nowMs` (timeline) and `wallMs` are stored with the group: restart measures downtime by them.
   */
  commit(nowMs: number, wallMs: number): void;
  /** Asks for everything committed so far to reach the disk; gathered, at most one in flight. */
  requestSync(): void;
  readonly writtenPosition: number;
  readonly syncedPosition: number;
  /** Position the pending group will have; equals `writtenPosition + 1` when nothing is in flight. */
  readonly pendingPosition: number;
  readonly state: JournalState;
  /** What waits for the disk, as a share of what may: at 1 the journal fails. */
  readonly lag: number;
  readonly timings: JournalTimings;
  /** Called after a watermark or the state moved. Set once, by the engine. */
  onAdvance: () => void;
  /** Called once, when an append has failed for good. Set once, by the engine. */
  onFailure: (error: Error) => void;
  /** True when enough has been written since the last snapshot that a new one would pay. */
  shouldSnapshot(): boolean;
  /**
   * Starts a snapshot of the state as of the last commit: what is committed from here on goes to
   * a new segment. Call it with no group pending. One at a time.
   */
  beginSnapshot(nowMs: number, wallMs: number): SnapshotWriter;
  /**
   * What a restart would read now, where that is every group so far. undefined: some of them are on
   * their way to the file, or nothing is kept at all.
   */
  extent(): JournalExtent | undefined;
  /** Reads `extent` back while everything goes on; see `readBack` in read-back.ts. */
  readBack(extent: JournalExtent, onRecord: OnReadBack, pace: ReadPace): Promise<ReadBack>;
  status(): JournalStatus;
  /** Writes and syncs what is pending, marks the end as clean, and lets go of the directory. */
  close(nowMs: number, wallMs: number): Promise<void>;
}

export interface SnapshotWriter {
  /** Copies one record; returns false when the caller should wait for `drained()`. */
  append(bytes: Uint8Array, start: number, end: number): boolean;
  drained(): Promise<void>;
  /** Syncs and installs the snapshot, then deletes the segments it makes superfluous. */
  finish(): Promise<void>;
  abort(): Promise<void>;
}

export interface RecoveredRecord {
  readonly bytes: Uint8Array;
  /** Of the group it was in. */
  readonly nowMs: number;
  readonly wallMs: number;
  /** true while the snapshot is read back, false for the groups after it. */
  readonly snapshot: boolean;
}

export interface RecoveryReport {
  /** false: the directory was empty. */
  readonly found: boolean;
  /** The last run closed the journal itself. */
  readonly clean: boolean;
  readonly snapshotRecords: number;
  readonly groups: number;
  readonly records: number;
  readonly bytes: number;
  /** Bytes of a group that was being written when the process died, cut off. */
  readonly tornBytes: number;
  /** Clock of the last group: the timeline went to `lastNowMs` when the wall clock read `lastWallMs`. */
  readonly lastNowMs: number | undefined;
  readonly lastWallMs: number | undefined;
}
