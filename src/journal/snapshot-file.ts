/**
 * A snapshot on its way to the disk. It is written under a temporary name and takes its own only
 * when every byte is safe, so a file named as a snapshot is a whole one; its footer says how many
 * records there must be. Nothing depends on a snapshot succeeding: whatever goes wrong, the
 * journal still has every segment, so any error gives the snapshot up and nothing else.
 *
 * Writes are asynchronous, one at a time, from a buffer with a limit; the state is walked no
 * faster than the disk takes it. The file is synced as it grows, because one large sync at the end
 * would hold up those of the journal beside it.
 */
import { failpoint } from './failpoint.ts';
import { writeAll } from './file-system.ts';
import { encodeFileHeader, FILE_HEADER_BYTES, FLAG_FOOTER, fileHeaderCrc } from './frame.ts';
import { removeBefore, snapshotName, unfinishedSnapshotName } from './directory.ts';
import { GroupBuffer } from './group-buffer.ts';
import { SnapshotAbandonedError } from './journal-errors.ts';
import type { JournalHost } from './journal-host.ts';
import type { SnapshotWriter } from './journal.ts';

/** Size at which a frame is closed: large enough that its header is nothing, small to read back. */
const FRAME_BYTES = 256 * 1024;
/** The caller is asked to wait above this: four frames, so that the disk always has one to take. */
const QUEUED_BYTES = 4 * FRAME_BYTES;
/** For a caller that does not wait: beyond this the snapshot is given up. */
const QUEUED_BYTES_MAX = 64 * 1024 * 1024;
const SYNC_EVERY_BYTES = 16 * 1024 * 1024;

export interface SnapshotPlan extends JournalHost {
  readonly directory: string;
  readonly actor: string;
  /** Of the first segment that the snapshot does not cover. */
  readonly number: number;
  readonly nowMs: number;
  readonly wallMs: number;
  /** Resolves once segment `number` is in use, with everything before it synced; else rejects. */
  readonly whenCovered: Promise<void>;
  readonly onInstalled: (bytes: number, tookMs: number) => void;
  readonly onAbandoned: () => void;
}

export class SnapshotFile implements SnapshotWriter {
  readonly #plan: SnapshotPlan;
  readonly #header: Buffer;
  readonly #buffer: GroupBuffer;
  readonly #startedMs: number;
  #fd: number | undefined;
  #bytes = 0;
  #unsyncedBytes = 0;
  #records = 0;
  #writing: Promise<void> | undefined;
  #finishing: Promise<void> | undefined;
  #wakeUp: (() => void)[] = [];
  #installed = false;
  #abandoned: { readonly cause: unknown; readonly cleanedUp: Promise<void> } | undefined;

  constructor(plan: SnapshotPlan) {
    this.#plan = plan;
    this.#startedMs = plan.machine.monotonicMs();
    this.#header = encodeFileHeader('snapshot', plan.actor, plan.number);
    this.#buffer = new GroupBuffer(fileHeaderCrc(this.#header), QUEUED_BYTES_MAX);
    this.#write();
  }

  /** Once the snapshot has been given up, records are dropped and `finish` says so. */
  append(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#abandoned !== undefined) return true;
    if (!this.#buffer.fits(end - start)) {
      this.abandon(new Error(`more than ${QUEUED_BYTES_MAX} bytes were queued without waiting`));
      return true;
    }
    this.#buffer.append(bytes, start, end);
    this.#records += 1;
    if (this.#buffer.openBytes >= FRAME_BYTES) {
      this.#seal(0);
      this.#write();
    }
    return this.#buffer.usedBytes < QUEUED_BYTES;
  }

  drained(): Promise<void> {
    if (this.#abandoned !== undefined || this.#buffer.usedBytes < QUEUED_BYTES) {
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#wakeUp.push(resolve));
  }

  /** Rejects with SnapshotAbandonedError when there is no snapshot after all. */
  async finish(): Promise<void> {
    this.#finishing = this.#complete().catch((error: unknown) => this.abandon(error));
    await this.#finishing;
    if (this.#abandoned === undefined) return;
    await this.#abandoned.cleanedUp;
    throw new SnapshotAbandonedError(this.#abandoned.cause);
  }

  /** Also waits for a `finish` that is too far to be stopped. */
  async abort(): Promise<void> {
    this.abandon(undefined);
    await this.#abandoned?.cleanedUp;
    await this.#finishing;
  }

  /** Gives the snapshot up, unless it is installed already; its file goes away. */
  abandon(cause: unknown): void {
    if (this.#installed || this.#abandoned !== undefined) return;
    this.#abandoned = { cause, cleanedUp: this.#cleanUp() };
    this.#wake();
  }

  async #complete(): Promise<void> {
    const { fileSystem, directory, number } = this.#plan;
    if (this.#buffer.openRecords > 0) this.#seal(0);
    await this.#flush();
    failpoint(this.#plan.failpoints, 'snapshot-half');
    this.#appendFooter();
    await this.#flush();
    const fd = this.#fd;
    if (fd === undefined) return;
    await fileSystem.syncData(fd);
    await this.#plan.whenCovered;
    // The name must not outlive a crash that the segments it relies on did not.
    await fileSystem.syncDirectory(directory);
    if (this.#abandoned !== undefined) return;
    this.#fd = undefined;
    await fileSystem.close(fd);
    failpoint(this.#plan.failpoints, 'snapshot-before-rename');
    if (this.#abandoned !== undefined) return;
    this.#installed = true;
    try {
      await fileSystem.rename(
        `${directory}/${unfinishedSnapshotName(number)}`,
        `${directory}/${snapshotName(number)}`,
      );
      await fileSystem.syncDirectory(directory);
    } catch (error) {
      this.#installed = false;
      throw error;
    }
    failpoint(this.#plan.failpoints, 'snapshot-after-rename');
    try {
      await removeBefore(fileSystem, directory, number, () => failpoint(this.#plan.failpoints, 'snapshot-after-delete'));
    } catch {
      // The snapshot stands; files it replaces are harmless, and the next one removes them.
    }
    this.#plan.onInstalled(this.#bytes, this.#plan.machine.monotonicMs() - this.#startedMs);
  }

  #seal(flags: number): void {
    this.#buffer.seal(flags, this.#plan.nowMs, this.#plan.wallMs);
  }

  #appendFooter(): void {
    if (this.#abandoned !== undefined) return;
    const footer = Buffer.alloc(8);
    footer.writeDoubleLE(this.#records);
    this.#buffer.append(footer, 0, footer.length);
    this.#seal(FLAG_FOOTER);
  }

  async #flush(): Promise<void> {
    this.#write();
    while (this.#writing !== undefined) await this.#writing;
  }

  #write(): void {
    if (this.#writing !== undefined || this.#abandoned !== undefined) return;
    if (this.#fd === undefined || this.#buffer.firstBytes > 0) this.#writing = this.#drain();
  }

  async #drain(): Promise<void> {
    try {
      await this.#writeQueued();
    } catch (error) {
      this.abandon(error);
    } finally {
      this.#writing = undefined;
    }
    // Whoever was woken by the last write may have appended before this one counted as ended.
    this.#write();
  }

  async #writeQueued(): Promise<void> {
    const { fileSystem, directory, number } = this.#plan;
    if (this.#fd === undefined) {
      this.#fd = await fileSystem.open(`${directory}/${unfinishedSnapshotName(number)}`, 'w');
      await writeAll(fileSystem, this.#fd, this.#header, FILE_HEADER_BYTES, 0);
      this.#bytes = FILE_HEADER_BYTES;
      failpoint(this.#plan.failpoints, 'snapshot-begin');
    }
    while (this.#buffer.firstBytes > 0 && this.#abandoned === undefined) {
      const length = this.#buffer.firstBytes;
      await writeAll(fileSystem, this.#fd, this.#buffer.bytes, length, this.#bytes);
      this.#buffer.discard(length);
      this.#bytes += length;
      this.#unsyncedBytes += length;
      if (this.#unsyncedBytes >= SYNC_EVERY_BYTES) {
        this.#unsyncedBytes = 0;
        await fileSystem.syncData(this.#fd);
      }
      if (this.#buffer.usedBytes < QUEUED_BYTES) this.#wake();
    }
  }

  #wake(): void {
    const waiting = this.#wakeUp;
    this.#wakeUp = [];
    for (const resolve of waiting) resolve();
  }

  async #cleanUp(): Promise<void> {
    const { fileSystem, directory, number } = this.#plan;
    await this.#writing;
    const fd = this.#fd;
    this.#fd = undefined;
    try {
      if (fd !== undefined) await fileSystem.close(fd);
      await fileSystem.remove(`${directory}/${unfinishedSnapshotName(number)}`);
    } catch {
      // It may never have been created; and the next start removes unfinished snapshots.
    }
    this.#plan.onAbandoned();
  }
}
