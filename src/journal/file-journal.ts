/**
 * The journal on a disk. A commit is one synchronous write at an explicit position: two
 * microseconds into the page cache, where handing the same bytes to another thread would cost
 * more than it saves. That holds until the kernel makes a write wait; then, for a second, groups
 * are written asynchronously, one write in flight and the next gathering behind it, so that a slow
 * disk slows down replies and not the whole process.
 *
 * Segments change at a barrier: the new one takes its first group when everything in the old one
 * is synced, and commits gather in memory meanwhile. So after a power cut only the newest segment
 * can have a torn end, and a torn end anywhere else is damage. To keep the barrier short, a
 * segment is synced in the background as it grows.
 *
 * A write that finds no room is done again, at the same place, in the space the reserve gives
 * back; from then on the state is `full` until the reserve can be had again. While it is full,
 * neither snapshots nor new segments are begun: they would eat the reserve. A sync that fails is
 * final, as the kernel may already have forgotten the pages it could not write.
 */
import { repeat } from '../machine/machine.ts';
import { APPEND_MS, SYNC_MS } from '../measure/buckets.ts';
import { Histogram } from '../measure/histogram.ts';
import type { DirectoryLock } from './directory-lock.ts';
import { segmentName } from './directory.ts';
import { failpoint } from './failpoint.ts';
import { writeAll, writeAllSync } from './file-system.ts';
import { encodeFileHeader, FILE_HEADER_BYTES, FLAG_CLEAN, fileHeaderCrc } from './frame.ts';
import { GroupBuffer } from './group-buffer.ts';
import { isNoRoom } from './journal-errors.ts';
import type { JournalHost } from './journal-host.ts';
import type {
  Journal, JournalState, JournalStatus, JournalTimings, SnapshotWriter,
} from './journal.ts';
import { type JournalExtent, type OnReadBack, type ReadBack, type ReadPace, readBack } from './read-back.ts';
import type { Recovered } from './recover.ts';
import { Reserve } from './reserve.ts';
import { SnapshotFile } from './snapshot-file.ts';

/**
 * Most that may wait for a disk that does not take it. Twice what a full house of requests in
 * flight can hold, so it is met only when the disk hangs; then the journal fails.
 */
const PENDING_BYTES_MAX = 128 * 1024 * 1024;
/** How long groups are written asynchronously after a stall. */
const ASYNC_AFTER_STALL_MS = 1000;
/** How often a full disk is asked whether it still is. */
const SPACE_CHECK_MS = 1000;
/** A segment is synced in the background this often as it grows. */
const SYNCS_PER_SEGMENT = 8;
/** A snapshot pays above this number of files, however small: many short runs leave many. */
const SEGMENTS_MAX = 64;

export interface JournalSettings extends JournalHost {
  readonly directory: string;
  readonly segmentBytes: number;
  readonly reserveBytes: number;
  readonly snapshotAfterBytes: number;
  readonly syncGatherMs: number;
  readonly stallMs: number;
}

export class FileJournal implements Journal {
  onAdvance: () => void = () => {};
  onFailure: (error: Error) => void = () => {};
  readonly timings: JournalTimings = {
    appendMs: new Histogram(APPEND_MS), syncMs: new Histogram(SYNC_MS),
  };

  readonly #settings: JournalSettings;
  readonly #actor: string;
  readonly #lock: DirectoryLock;
  readonly #reserve: Reserve;
  readonly #buffer: GroupBuffer;

  #state: JournalState = 'ok';
  #writtenPosition = 0;
  #syncedPosition = 0;

  /* The segment in use, and the older ones that still count. */
  #fd = -1;
  #segmentNumber: number;
  #segmentBytes = 0;
  #unsyncedBytes = 0;
  #nameIsDurable = false;
  readonly #olderSegments: Map<number, number>;

  /* At most one of these at a time: an asynchronous write, or a change of segment. */
  #busy = false;
  #rotating = false;
  #work: Promise<void> = Promise.resolve();
  #asyncUntilMs = 0;

  #syncWanted = 0;
  #syncing: Promise<void> | undefined;
  #endGathering: (() => void) | undefined;
  #lastSyncMs: number | undefined;

  #endSpaceCheck: (() => void) | undefined;
  #refilling: Promise<void> | undefined;

  #snapshot: SnapshotFile | undefined;
  #snapshotCovered: { number: number; resolve: () => void; reject: (error: Error) => void } | undefined;
  #snapshots = 0;
  #lastSnapshotMs: number | undefined;
  #lastSnapshotBytes: number;
  #bytesSinceSnapshot: number;
  #snapshotNotBeforeBytes = 0;

  #failure: Error | undefined;
  #closing: Promise<void> | undefined;

  /** Use `start`, which opens the first segment too. */
  private constructor(settings: JournalSettings, recovered: Recovered, lock: DirectoryLock, actor: string) {
    this.#settings = settings;
    this.#actor = actor;
    this.#lock = lock;
    this.#reserve = new Reserve(settings.fileSystem, settings.directory, settings.reserveBytes);
    this.#segmentNumber = recovered.nextSegment;
    this.#olderSegments = new Map(recovered.segments);
    this.#lastSnapshotBytes = recovered.snapshotBytes;
    this.#bytesSinceSnapshot = sum(recovered.segments.values());
    this.#buffer = new GroupBuffer(this.#headerCrc(this.#segmentNumber), PENDING_BYTES_MAX);
  }

  /** Opens a segment of this run's own and fills the reserve. Rejects with what the disk said. */
  static async start(
    settings: JournalSettings,
    recovered: Recovered,
    lock: DirectoryLock,
    actor: string,
  ): Promise<FileJournal> {
    const journal = new FileJournal(settings, recovered, lock, actor);
    try {
      await journal.#reserve.adopt();
      await journal.#openSegment(journal.#segmentNumber);
      if (journal.#state === 'ok' && !(await journal.#reserve.fill())) journal.#becomeFull();
      return journal;
    } catch (error) {
      journal.#stopTimers();
      if (journal.#fd >= 0) await settings.fileSystem.close(journal.#fd);
      throw error;
    }
  }

  get state(): JournalState {
    return this.#state;
  }
  get lag(): number {
    return this.#buffer.usedBytes / PENDING_BYTES_MAX;
  }

  get writtenPosition(): number {
    return this.#writtenPosition;
  }
  get syncedPosition(): number {
    return this.#syncedPosition;
  }
  get pendingPosition(): number {
    return this.#buffer.sealedPosition + 1;
  }

  append(bytes: Uint8Array, start: number, end: number): number {
    if (this.#closing !== undefined) throw new Error('Cannot append to the journal: it is closed');
    const position = this.#buffer.sealedPosition + 1;
    if (this.#state === 'failed') return position;
    if (this.#buffer.fits(end - start)) this.#buffer.append(bytes, start, end);
    else this.#fail(new Error(`Cannot append to the journal: ${PENDING_BYTES_MAX} bytes wait for the disk`));
    return position;
  }

  commit(nowMs: number, wallMs: number): void {
    if (this.#buffer.openRecords === 0 || this.#state === 'failed') return;
    this.#buffer.seal(0, nowMs, wallMs);
    this.#pump();
  }

  requestSync(): void {
    const wanted = this.#buffer.sealedPosition;
    if (wanted <= this.#syncWanted || this.#state === 'failed') return;
    this.#syncWanted = wanted;
    // While one is in flight its end starts the next; those who come meanwhile are gathered by it.
    if (this.#syncing !== undefined || this.#endGathering !== undefined) return;
    if (this.#settings.syncGatherMs === 0) {
      this.#pursueSync();
      return;
    }
    const { machine, syncGatherMs } = this.#settings;
    this.#endGathering = machine.after(syncGatherMs, () => {
      this.#endGathering = undefined;
      this.#pursueSync();
    });
  }

  shouldSnapshot(): boolean {
    if (this.#state !== 'ok' || this.#snapshot !== undefined || this.#closing !== undefined) return false;
    const since = this.#bytesSinceSnapshot;
    if (since < this.#snapshotNotBeforeBytes) return false;
    return (
      since >= Math.max(this.#settings.snapshotAfterBytes, 2 * this.#lastSnapshotBytes) ||
      this.#olderSegments.size >= SEGMENTS_MAX
    );
  }

  /** Throws when a group is pending, a snapshot is under way, or the journal has failed or closed. */
  beginSnapshot(nowMs: number, wallMs: number): SnapshotWriter {
    if (this.#buffer.openRecords > 0) throw new Error('Cannot begin a snapshot: a group is pending');
    if (this.#snapshot !== undefined) throw new Error('Cannot begin a snapshot: one is under way');
    if (this.#state === 'failed' || this.#closing !== undefined) {
      throw new Error('Cannot begin a snapshot: the journal takes no more');
    }
    const number = this.#markRotation();
    const covered = Promise.withResolvers<void>();
    // Nobody may be waiting for it when the journal fails.
    covered.promise.catch(() => {});
    this.#snapshotCovered = { number, resolve: covered.resolve, reject: covered.reject };
    this.#snapshot = new SnapshotFile({
      ...this.#host,
      directory: this.#settings.directory,
      actor: this.#actor,
      number,
      nowMs,
      wallMs,
      whenCovered: covered.promise,
      onInstalled: (bytes, tookMs) => this.#snapshotInstalled(number, bytes, tookMs),
      onAbandoned: () => {
        this.#snapshotCovered?.reject(new Error('the snapshot was given up'));
        this.#snapshotCovered = undefined;
        this.#snapshot = undefined;
        this.#snapshotNotBeforeBytes = 2 * this.#bytesSinceSnapshot;
      },
    });
    const writer = this.#snapshot;
    this.#pump();
    return writer;
  }

  extent(): JournalExtent | undefined {
    if (this.#buffer.usedBytes > 0 || this.#busy || this.#state === 'failed') return undefined;
    if (this.#closing !== undefined) return undefined;
    return {
      firstSegment: Math.min(this.#segmentNumber, ...this.#olderSegments.keys()),
      lastSegment: this.#segmentNumber,
      lastSegmentBytes: this.#segmentBytes,
    };
  }

  readBack(extent: JournalExtent, onRecord: OnReadBack, pace: ReadPace): Promise<ReadBack> {
    const snapshots = this.#snapshots;
    return readBack(this.#settings, extent, onRecord, pace, () =>
      this.#snapshot !== undefined || this.#snapshots > snapshots);
  }

  status(): JournalStatus {
    return {
      kind: 'file',
      state: this.#state,
      segments: this.#olderSegments.size + 1,
      bytes: sum(this.#olderSegments.values()) + this.#segmentBytes + this.#lastSnapshotBytes,
      bytesSinceSnapshot: this.#bytesSinceSnapshot,
      pendingBytes: this.#buffer.usedBytes,
      writtenPosition: this.#writtenPosition,
      syncedPosition: this.#syncedPosition,
      snapshots: this.#snapshots,
      lastSnapshotMs: this.#lastSnapshotMs,
      lastSyncMs: this.#lastSyncMs,
    };
  }

  /** Rejects when what was pending could not be kept; the directory is let go of in any case. */
  close(nowMs: number, wallMs: number): Promise<void> {
    this.#closing ??= this.#shutDown(nowMs, wallMs);
    return this.#closing;
  }

  /* ---- writing ------------------------------------------------------------------------- */

  #pump(): void {
    while (!this.#busy && this.#state !== 'failed') {
      const length = this.#buffer.firstBytes;
      if (length === 0) {
        if (this.#buffer.marks > 0) this.#work = this.#rotate();
        return;
      }
      const position = this.#buffer.firstPosition;
      if (this.#settings.machine.monotonicMs() < this.#asyncUntilMs) this.#work = this.#writeLater(length, position);
      else this.#writeNow(length, position);
    }
  }

  #writeNow(length: number, position: number): void {
    const { fileSystem, stallMs } = this.#settings;
    const startedMs = this.#settings.machine.monotonicMs();
    try {
      this.#beforeWrite(length);
      try {
        writeAllSync(fileSystem, this.#fd, this.#buffer.bytes, length, this.#segmentBytes);
      } catch (error) {
        if (!this.#makeRoom(error)) throw error;
        writeAllSync(fileSystem, this.#fd, this.#buffer.bytes, length, this.#segmentBytes);
      }
    } catch (error) {
      this.#fail(error);
      return;
    }
    const endedMs = this.#settings.machine.monotonicMs();
    this.timings.appendMs.add(endedMs - startedMs);
    if (endedMs - startedMs > stallMs) this.#asyncUntilMs = endedMs + ASYNC_AFTER_STALL_MS;
    this.#wrote(length, position);
  }

  async #writeLater(length: number, position: number): Promise<void> {
    const { fileSystem, machine } = this.#settings;
    const { bytes } = this.#buffer;
    const startedMs = machine.monotonicMs();
    this.#busy = true;
    try {
      this.#beforeWrite(length);
      try {
        await writeAll(fileSystem, this.#fd, bytes, length, this.#segmentBytes);
      } catch (error) {
        if (!this.#makeRoom(error)) throw error;
        await writeAll(fileSystem, this.#fd, bytes, length, this.#segmentBytes);
      }
    } catch (error) {
      this.#busy = false;
      this.#fail(error);
      return;
    }
    this.#busy = false;
    this.timings.appendMs.add(machine.monotonicMs() - startedMs);
    this.#wrote(length, position);
    this.#pump();
  }

  #beforeWrite(length: number): void {
    const { failpoints } = this.#settings;
    failpoint(failpoints, 'before-write');
    if (failpoints.reached('after-half-write')) {
      const half = Math.floor(length / 2);
      writeAllSync(this.#settings.fileSystem, this.#fd, this.#buffer.bytes, half, this.#segmentBytes);
      failpoints.die();
    }
  }

  #wrote(length: number, position: number): void {
    if (this.#state === 'failed') return;
    failpoint(this.#settings.failpoints, 'after-write');
    this.#buffer.discard(length);
    this.#segmentBytes += length;
    this.#bytesSinceSnapshot += length;
    this.#unsyncedBytes += length;
    this.#writtenPosition = position;
    const { segmentBytes } = this.#settings;
    if (this.#segmentBytes >= segmentBytes && this.#mayRotate()) {
      this.#markRotation();
    } else if (this.#unsyncedBytes >= segmentBytes / SYNCS_PER_SEGMENT) {
      this.#syncWanted = Math.max(this.#syncWanted, position);
    }
    this.#pursueSync();
    this.onAdvance();
  }

  /* ---- segments ------------------------------------------------------------------------ */

  #mayRotate(): boolean {
    return this.#buffer.marks === 0 && this.#state === 'ok' && this.#closing === undefined;
  }

  /** What is committed from here on goes to another segment; returns its number. */
  #markRotation(): number {
    const number = this.#segmentNumber + this.#buffer.marks + 1;
    this.#buffer.mark(this.#headerCrc(number));
    return number;
  }

  async #rotate(): Promise<void> {
    const { fileSystem } = this.#settings;
    this.#busy = true;
    this.#rotating = true;
    try {
      failpoint(this.#settings.failpoints, 'before-rotate');
      await this.#syncing;
      // Also when there is only its header: found empty later, it would look torn.
      if (this.#unsyncedBytes > 0) await this.#sync();
      if (this.#failed()) return;
      const previous = { fd: this.#fd, number: this.#segmentNumber, bytes: this.#segmentBytes };
      await this.#openSegment(previous.number + 1);
      this.#olderSegments.set(previous.number, previous.bytes);
      this.#segmentNumber = previous.number + 1;
      this.#buffer.passMark();
      // All of it is synced: there is nothing left that closing could tell us.
      fileSystem.close(previous.fd).catch(() => {});
      failpoint(this.#settings.failpoints, 'after-rotate');
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#busy = false;
      this.#rotating = false;
    }
    if (this.#snapshotCovered !== undefined && this.#segmentNumber >= this.#snapshotCovered.number) {
      this.#snapshotCovered.resolve();
      this.#snapshotCovered = undefined;
    }
    this.#pump();
    this.#pursueSync();
  }

  async #openSegment(number: number): Promise<void> {
    try {
      this.#fd = await this.#createSegment(number);
    } catch (error) {
      if (!this.#makeRoom(error)) throw error;
      this.#fd = await this.#createSegment(number);
    }
    this.#nameIsDurable = false;
    this.#segmentBytes = FILE_HEADER_BYTES;
    this.#bytesSinceSnapshot += FILE_HEADER_BYTES;
    this.#unsyncedBytes = FILE_HEADER_BYTES;
  }

  async #createSegment(number: number): Promise<number> {
    const { fileSystem, directory } = this.#settings;
    const header = encodeFileHeader('segment', this.#actor, number);
    const fd = await fileSystem.open(`${directory}/${segmentName(number)}`, 'w');
    try {
      await writeAll(fileSystem, fd, header, header.length, 0);
      return fd;
    } catch (error) {
      await fileSystem.close(fd);
      throw error;
    }
  }

  get #host(): JournalHost {
    const { fileSystem, machine, failpoints } = this.#settings;
    return { fileSystem, machine, failpoints };
  }

  #headerCrc(number: number): number {
    return fileHeaderCrc(encodeFileHeader('segment', this.#actor, number));
  }

  /* ---- syncing ------------------------------------------------------------------------- */

  #pursueSync(): void {
    if (this.#syncing !== undefined || this.#endGathering !== undefined) return;
    if (this.#rotating || this.#state === 'failed') return;
    if (this.#syncedPosition >= this.#syncWanted || this.#syncedPosition >= this.#writtenPosition) return;
    this.#syncing = this.#sync().then(() => {
      this.#syncing = undefined;
      this.#pursueSync();
    });
  }

  /** Makes everything written so far durable. Never rejects: a sync that fails is the end. */
  async #sync(): Promise<void> {
    const { fileSystem, directory } = this.#settings;
    const covers = this.#writtenPosition;
    const bytes = this.#unsyncedBytes;
    const startedMs = this.#settings.machine.monotonicMs();
    failpoint(this.#settings.failpoints, 'before-sync');
    try {
      await fileSystem.syncData(this.#fd);
      if (!this.#nameIsDurable) {
        await fileSystem.syncDirectory(directory);
        this.#nameIsDurable = true;
      }
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#failed()) return;
    failpoint(this.#settings.failpoints, 'after-sync');
    this.#unsyncedBytes -= bytes;
    this.#syncedPosition = covers;
    this.#lastSyncMs = this.#settings.machine.monotonicMs() - startedMs;
    this.timings.syncMs.add(this.#lastSyncMs);
    this.onAdvance();
  }

  /* ---- a full disk --------------------------------------------------------------------- */

  /** Gives the reserve back when `error` says the disk is full. False: nothing can be done. */
  #makeRoom(error: unknown): boolean {
    if (!isNoRoom(error) || !this.#reserve.release()) return false;
    this.#snapshot?.abandon(error);
    if (this.#state === 'ok') this.#becomeFull();
    return true;
  }

  #becomeFull(): void {
    this.#state = 'full';
    this.#endSpaceCheck = repeat(this.#settings.machine, SPACE_CHECK_MS, () => {
      this.#refilling ??= this.#refill().finally(() => {
        this.#refilling = undefined;
      });
    });
  }

  /** Back to `ok` when the disk has room for the reserve and as much again to work in. */
  async #refill(): Promise<void> {
    const { fileSystem, directory, reserveBytes } = this.#settings;
    try {
      if ((await fileSystem.freeBytes(directory)) < 2 * reserveBytes) return;
      if (!(await this.#reserve.fill())) return;
    } catch {
      // The disk is not well yet; it is asked again in a second, and writes tell the worst.
      return;
    }
    if (this.#state !== 'full' || this.#closing !== undefined) return;
    this.#endSpaceCheck?.();
    this.#state = 'ok';
    this.onAdvance();
  }

  /* ---- ends ---------------------------------------------------------------------------- */

  #snapshotInstalled(number: number, bytes: number, tookMs: number): void {
    for (const segment of this.#olderSegments.keys()) {
      if (segment < number) this.#olderSegments.delete(segment);
    }
    this.#snapshot = undefined;
    this.#snapshots += 1;
    this.#lastSnapshotMs = tookMs;
    this.#lastSnapshotBytes = bytes;
    this.#bytesSinceSnapshot = sum(this.#olderSegments.values()) + this.#segmentBytes;
    this.#snapshotNotBeforeBytes = 0;
  }

  /** For places after an `await`, where the compiler takes the state for unchanged. */
  #failed(): boolean {
    return this.#state === 'failed';
  }

  #fail(cause: unknown): void {
    if (this.#state === 'failed') return;
    this.#state = 'failed';
    this.#stopTimers();
    const error = cause instanceof Error ? cause : new Error(String(cause));
    this.#failure = error;
    this.#snapshot?.abandon(error);
    this.#snapshotCovered?.reject(error);
    this.#snapshotCovered = undefined;
    this.onFailure(error);
    this.onAdvance();
  }

  #stopTimers(): void {
    this.#endGathering?.();
    this.#endGathering = undefined;
    this.#endSpaceCheck?.();
  }

  async #shutDown(nowMs: number, wallMs: number): Promise<void> {
    const failedBefore = this.#failed();
    await this.#snapshot?.abort();
    if (!this.#failed()) {
      if (this.#buffer.openRecords > 0) this.#buffer.seal(0, nowMs, wallMs);
      this.#buffer.seal(FLAG_CLEAN, nowMs, wallMs);
      this.#pump();
    }
    while (this.#busy) await this.#work;
    this.#stopTimers();
    await this.#syncing;
    if (!this.#failed() && this.#syncedPosition < this.#writtenPosition) await this.#sync();
    await this.#refilling;
    await this.#settings.fileSystem.close(this.#fd).catch(() => {});
    this.#lock.release();
    if (this.#failure !== undefined && !failedBefore) throw this.#failure;
  }
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
