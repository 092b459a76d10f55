/**
 * Why a journal directory cannot be used. These stop the start of the process; each message names
 * the file and the way out, because whoever reads it has a sidecar that does not come up.
 */

/** Another living process holds the directory (the process exits with 75). */
export class DirectoryInUseError extends Error {
  readonly directory: string;

  constructor(directory: string, owner: string, cause?: unknown) {
    super(
      `Cannot lock data directory "${directory}": another process holds it (${owner}). ` +
        'Stop that process, or give this one a directory of its own.',
      { cause },
    );
    this.name = 'DirectoryInUseError';
    this.directory = directory;
  }
}

/** What is on the disk is not what was written. Nothing of it is used. */
export class JournalCorruptError extends Error {
  readonly file: string;
  /** Byte in `file` where what can be trusted ends. */
  readonly offset: number;

  constructor(file: string, offset: number, what: string, remedy: string) {
    super(`Cannot read journal file "${file}" at byte ${offset}: ${what}. ${remedy}`);
    this.name = 'JournalCorruptError';
    this.file = file;
    this.offset = offset;
  }
}

/** Written by a version of this program that knew a format this one does not. */
export class JournalFormatError extends Error {
  readonly file: string;
  readonly version: number;

  constructor(file: string, version: number, knownVersion: number) {
    super(
      `Cannot read journal file "${file}": it has format version ${version}, and this program ` +
        `knows versions up to ${knownVersion}. Start the newer program again, or an empty directory.`,
    );
    this.name = 'JournalFormatError';
    this.file = file;
    this.version = version;
  }
}

/** A snapshot was given up; the journal goes on as if it had never been begun. */
export class SnapshotAbandonedError extends Error {
  constructor(cause: unknown) {
    super(
      `Cannot finish the snapshot: ${cause instanceof Error ? cause.message : 'it was aborted'}`,
      { cause },
    );
    this.name = 'SnapshotAbandonedError';
  }
}

/** True when `error` says that the disk, or a quota on it, has no room left. */
export function isNoRoom(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
}
