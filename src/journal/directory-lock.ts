/**
 * One process, one data directory. The lock must die with its holder, also by SIGKILL and also
 * when holder and challenger are in different containers on one volume, so a file with a process
 * id in it will not do: it has to be held by the kernel. Node has no call for that, but its SQLite
 * takes an fcntl lock for an exclusive transaction; an empty database serves as the lock file.
 *
 * fcntl has a trap: a process loses its locks on a file when it closes *any* descriptor of it.
 * So nothing else may ever open LOCK; who holds it stands in a file beside it.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DirectoryInUseError } from './journal-errors.ts';

const SQLITE_BUSY = 5;

export interface DirectoryLock {
  /** Lets go; harmless when done twice. */
  release(): void;
}

/** Locks an existing directory, or throws DirectoryInUseError at once. */
export function lockDirectory(directory: string): DirectoryLock {
  const ownerPath = join(directory, 'LOCK.owner');
  const database = new DatabaseSync(join(directory, 'LOCK'));
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
    throw new DirectoryInUseError(directory, readOwner(ownerPath), error);
  }
  writeOwner(ownerPath);
  return {
    release() {
      if (!database.isOpen) return;
      rmSync(ownerPath, { force: true });
      database.close();
    },
  };
}

function writeOwner(path: string): void {
  try {
    writeFileSync(path, `pid ${process.pid}, started ${new Date().toISOString()}\n`, { mode: 0o600 });
  } catch {
    // It only words a message; a full disk must not keep the sidecar from starting.
  }
}

function readOwner(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim() || 'it has not said who it is';
  } catch {
    return 'it has not said who it is';
  }
}
