/**
 * The few calls of the file system that the journal makes, as a port: tests give it a disk that
 * is full, slow or short of breath. Descriptors are plain numbers, because the hot path writes
 * synchronously; everything that may wait for the device is a promise.
 */
import * as fs from 'node:fs';

export interface FileSystem {
  /** Makes the directory and its parents, readable by the owner alone. */
  makeDirectory(path: string): Promise<void>;
  list(directory: string): Promise<string[]>;
  /** Flags as `node:fs` has them; new files are readable by the owner alone. */
  open(path: string, flags: string): Promise<number>;
  close(fd: number): Promise<void>;
  size(path: string): Promise<number>;
  /** Returns how many bytes came; 0 at the end of the file. */
  read(fd: number, into: Uint8Array, offset: number, length: number, position: number): Promise<number>;
  /** Returns how many bytes went, which may be fewer than asked. */
  write(fd: number, from: Uint8Array, offset: number, length: number, position: number): Promise<number>;
  writeSync(fd: number, from: Uint8Array, offset: number, length: number, position: number): number;
  truncate(fd: number, length: number): Promise<void>;
  /** fdatasync: the bytes, and of the metadata only what reading them back needs. */
  syncData(fd: number): Promise<void>;
  /** Makes names created, renamed or removed in the directory durable. */
  syncDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Gives the file's space back at once; for the moment when a write has just found no room. */
  discardSync(path: string): void;
  /** Bytes an unprivileged process may still use. */
  freeBytes(directory: string): Promise<number>;
}

type Callback<T> = (error: NodeJS.ErrnoException | null, value: T) => void;

function promised<T>(start: (done: Callback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => {
      if (error === null) resolve(value);
      else reject(error);
    });
  });
}

function promisedVoid(start: (done: (error: NodeJS.ErrnoException | null) => void) => void): Promise<void> {
  return promised<void>((done) => start((error) => done(error, undefined)));
}

export const nodeFileSystem: FileSystem = {
  async makeDirectory(path) {
    await fs.promises.mkdir(path, { recursive: true, mode: 0o700 });
  },
  list: (directory) => fs.promises.readdir(directory),
  open: (path, flags) => promised((done) => fs.open(path, flags, 0o600, done)),
  close: (fd) => promisedVoid((done) => fs.close(fd, done)),
  size: async (path) => (await fs.promises.stat(path)).size,
  read: (fd, into, offset, length, position) =>
    promised((done) => fs.read(fd, into, offset, length, position, done)),
  write: (fd, from, offset, length, position) =>
    promised((done) => fs.write(fd, from, offset, length, position, done)),
  writeSync: (fd, from, offset, length, position) => fs.writeSync(fd, from, offset, length, position),
  truncate: (fd, length) => promisedVoid((done) => fs.ftruncate(fd, length, done)),
  syncData: (fd) => promisedVoid((done) => fs.fdatasync(fd, done)),
  async syncDirectory(path) {
    const handle = await fs.promises.open(path, 'r');
    try {
      await handle.sync();
    } catch (error) {
      // Some network file systems do not know this call; there is nothing further to ask of them.
      if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
    } finally {
      await handle.close();
    }
  },
  rename: (from, to) => fs.promises.rename(from, to),
  remove: (path) => fs.promises.unlink(path),
  discardSync(path) {
    // Truncated first: another descriptor may still be open on it, and a name alone frees nothing.
    fs.truncateSync(path, 0);
    fs.unlinkSync(path);
  },
  async freeBytes(directory) {
    const { bavail, bsize } = await fs.promises.statfs(directory);
    return bavail * bsize;
  },
};

/**
 * Writes `from[offset, offset + length)` at `position`, however many calls it takes. Trying again
 * from the same place after an error is safe: the position is explicit.
 */
export function writeAllSync(
  fileSystem: FileSystem,
  fd: number,
  from: Uint8Array,
  length: number,
  position: number,
): void {
  let done = 0;
  while (done < length) {
    const wrote = fileSystem.writeSync(fd, from, done, length - done, position + done);
    if (wrote <= 0) throw new Error('Cannot write to the journal: the disk took no bytes');
    done += wrote;
  }
}

/** As `writeAllSync`, without holding the loop. */
export async function writeAll(
  fileSystem: FileSystem,
  fd: number,
  from: Uint8Array,
  length: number,
  position: number,
): Promise<void> {
  let done = 0;
  while (done < length) {
    const wrote = await fileSystem.write(fd, from, done, length - done, position + done);
    if (wrote <= 0) throw new Error('Cannot write to the journal: the disk took no bytes');
    done += wrote;
  }
}
