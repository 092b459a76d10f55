/**
 * The way into a data directory: lock it, read it back, then start a run of one's own. In this
 * order, and each once; a directory that could not be read back is never written to.
 */
import type { Clocks, Timers } from '../machine/machine.ts';
import { systemMachine } from '../machine/system-machine.ts';
import { type DirectoryLock, lockDirectory } from './directory-lock.ts';
import { type Failpoints, processFailpoints } from './failpoint.ts';
import type { FileSystem } from './file-system.ts';
import { nodeFileSystem } from './file-system.ts';
import { FileJournal } from './file-journal.ts';
import type { JournalHost } from './journal-host.ts';
import type { Journal, RecoveredRecord, RecoveryReport } from './journal.ts';
import { recoverDirectory } from './recover.ts';
import type { Recovered, RecoveryProgress } from './recover.ts';

const MEBIBYTE = 1024 * 1024;

export interface JournalOptions {
  /** Created when absent. */
  readonly directory: string;
  /** A segment is closed once it is this large. Default 64 MiB. */
  readonly segmentBytes?: number;
  /** Space kept for endings and renewals on a full disk; 0: none. Default 32 MiB. */
  readonly reserveBytes?: number;
  /** Least that must have been written since the last snapshot for another. Default 64 MiB. */
  readonly snapshotAfterBytes?: number;
  /**
   * How long a wish for a sync waits for others like it. Default 0: a turn of the loop gathers, and
   * so does the sync in flight; waiting longer halved the speed of a lone writer and helped nobody.
   */
  readonly syncGatherMs?: number;
  /** A write that takes longer makes the ones of the next second asynchronous. Default 20. */
  readonly stallMs?: number;
  /** Damage in the newest segment: stop, or give up everything from there on. Default refuse. */
  readonly onCorruption?: 'refuse' | 'truncate';
  readonly fileSystem?: FileSystem;
  readonly machine?: Clocks & Timers;
  readonly failpoints?: Failpoints;
  /** Throws DirectoryInUseError when another process has the directory. */
  readonly lock?: (directory: string) => DirectoryLock;
}

export interface OpenedJournal {
  /**
   * Reads everything back; see `recoverDirectory`. Rejects with JournalCorruptError or
   * JournalFormatError, after which only `release` is left to call.
   */
  recover(
    onRecord: (record: RecoveredRecord) => void,
    onProgress: (progress: RecoveryProgress) => void,
  ): Promise<RecoveryReport>;
  /**
   * Begins this run in a new segment. `actor`: 16 hexadecimal digits. Rejects with what the disk
   * said; then `release` is left to call.
   */
  start(header: { readonly actor: string }): Promise<Journal>;
  /** Lets go of the directory without starting. Once started, the journal's `close` does. */
  release(): void;
}

/** Locks the directory; rejects with DirectoryInUseError when another process has it. */
export async function openJournal(options: JournalOptions): Promise<OpenedJournal> {
  const host: JournalHost = {
    fileSystem: options.fileSystem ?? nodeFileSystem,
    machine: options.machine ?? systemMachine,
    failpoints: options.failpoints ?? processFailpoints,
  };
  const { directory } = options;
  await host.fileSystem.makeDirectory(directory);
  const lock = (options.lock ?? lockDirectory)(directory);
  let recovered: Recovered | undefined;
  return {
    async recover(onRecord, onProgress) {
      const source = { ...host, directory, onCorruption: options.onCorruption ?? 'refuse' };
      recovered = await recoverDirectory(source, onRecord, onProgress);
      return recovered.report;
    },
    async start({ actor }) {
      if (recovered === undefined) throw new Error('Cannot start the journal: it is not recovered yet');
      const settings = {
        ...host,
        directory,
        segmentBytes: options.segmentBytes ?? 64 * MEBIBYTE,
        reserveBytes: options.reserveBytes ?? 32 * MEBIBYTE,
        snapshotAfterBytes: options.snapshotAfterBytes ?? 64 * MEBIBYTE,
        syncGatherMs: options.syncGatherMs ?? 0,
        stallMs: options.stallMs ?? 20,
      };
      const from = recovered;
      recovered = undefined;
      return await FileJournal.start(settings, from, lock, actor);
    },
    release: () => lock.release(),
  };
}
