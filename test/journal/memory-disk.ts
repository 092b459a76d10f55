/**
 * A disk in memory, for everything a real one does only on bad days: no room, short writes, a write
 * or sync that hangs or fails, and a power cut that keeps, of what was not synced, as much as it
 * likes. Every operation can be held and let go, so tests decide the order of events.
 */
import type { FileSystem } from '../../src/journal/file-system.ts';

interface File {
  bytes: Buffer;
  /** Content that a power cut cannot take. */
  synced: Buffer;
}

type Operation = 'write' | 'writeSync' | 'syncData' | 'open' | 'read';

function failure(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: told to`), { code });
}

export class MemoryDisk implements FileSystem {
  files = new Map<string, File>();
  /** Most bytes all files together may have. */
  roomBytes = Number.POSITIVE_INFINITY;
  /** Most bytes one write takes. */
  writeBytesMax = Number.POSITIVE_INFINITY;
  /** How often each operation was begun. */
  readonly count: Record<Operation, number> = { write: 0, writeSync: 0, syncData: 0, open: 0, read: 0 };
  /** Called before an operation; may throw. */
  before: (operation: Operation, path: string) => void = () => {};
  readonly #open = new Map<number, { path: string; file: File }>();
  readonly #gates = new Map<Operation, PromiseWithResolvers<void>>();
  #nextFd = 3;

  static errors = failure;

  /** Operations of this kind wait until the returned function is called. */
  hold(operation: Operation): () => void {
    const gate = Promise.withResolvers<void>();
    this.#gates.set(operation, gate);
    return () => {
      this.#gates.delete(operation);
      gate.resolve();
    };
  }

  content(path: string): Buffer {
    return this.#file(path).bytes;
  }

  put(path: string, bytes: Uint8Array): void {
    this.files.set(path, { bytes: Buffer.from(bytes), synced: Buffer.from(bytes) });
  }

  /** The same files, with nothing open. */
  copy(): MemoryDisk {
    const copy = new MemoryDisk();
    for (const [path, file] of this.files) copy.put(path, file.bytes);
    return copy;
  }

  /** What is there after a power cut: of each file either everything or only what was synced. */
  afterPowerCut(keeps: (path: string) => boolean): MemoryDisk {
    const copy = new MemoryDisk();
    for (const [path, file] of this.files) copy.put(path, keeps(path) ? file.bytes : file.synced);
    return copy;
  }

  async makeDirectory(): Promise<void> {}

  async list(directory: string): Promise<string[]> {
    return [...this.files.keys()]
      .filter((path) => path.startsWith(`${directory}/`))
      .map((path) => path.slice(directory.length + 1));
  }

  async open(path: string, flags: string): Promise<number> {
    await this.#begin('open', path);
    if (flags === 'w') this.files.set(path, { bytes: Buffer.alloc(0), synced: Buffer.alloc(0) });
    const fd = this.#nextFd;
    this.#nextFd += 1;
    this.#open.set(fd, { path, file: this.#file(path) });
    return fd;
  }

  async close(fd: number): Promise<void> {
    if (!this.#open.delete(fd)) throw failure('EBADF');
  }

  async size(path: string): Promise<number> {
    return this.#file(path).bytes.length;
  }

  async read(fd: number, into: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    const { path, file } = this.#opened(fd);
    await this.#begin('read', path);
    const piece = file.bytes.subarray(position, position + length);
    into.set(piece, offset);
    return piece.length;
  }

  async write(fd: number, from: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    const { path, file } = this.#opened(fd);
    await this.#begin('write', path);
    return this.#store(file, from.subarray(offset, offset + length), position);
  }

  writeSync(fd: number, from: Uint8Array, offset: number, length: number, position: number): number {
    const { path, file } = this.#opened(fd);
    this.count.writeSync += 1;
    this.before('writeSync', path);
    return this.#store(file, from.subarray(offset, offset + length), position);
  }

  async truncate(fd: number, length: number): Promise<void> {
    const { file } = this.#opened(fd);
    file.bytes = Buffer.from(file.bytes.subarray(0, length));
  }

  async syncData(fd: number): Promise<void> {
    const { path, file } = this.#opened(fd);
    const covered = file.bytes;
    await this.#begin('syncData', path);
    file.synced = covered;
  }

  async syncDirectory(): Promise<void> {}

  async rename(from: string, to: string): Promise<void> {
    this.files.set(to, this.#file(from));
    this.files.delete(from);
  }

  async remove(path: string): Promise<void> {
    this.#file(path);
    this.files.delete(path);
  }

  discardSync(path: string): void {
    this.#file(path);
    this.files.delete(path);
  }

  async freeBytes(): Promise<number> {
    return this.roomBytes - this.#usedBytes();
  }

  async #begin(operation: Operation, path: string): Promise<void> {
    this.count[operation] += 1;
    await this.#gates.get(operation)?.promise;
    this.before(operation, path);
  }

  #store(file: File, bytes: Uint8Array, position: number): number {
    const growth = Math.max(0, position + bytes.length - file.bytes.length);
    const room = this.roomBytes - this.#usedBytes();
    const length = Math.min(bytes.length - Math.max(0, growth - room), this.writeBytesMax);
    if (length <= 0) throw failure('ENOSPC');
    // A new buffer each time: `synced` may be the old one.
    const next = Buffer.alloc(Math.max(file.bytes.length, position + length));
    file.bytes.copy(next);
    next.set(bytes.subarray(0, length), position);
    file.bytes = next;
    return length;
  }

  #usedBytes(): number {
    let total = 0;
    for (const file of this.files.values()) total += file.bytes.length;
    return total;
  }

  #file(path: string): File {
    const file = this.files.get(path);
    if (file === undefined) throw failure('ENOENT');
    return file;
  }

  #opened(fd: number): { path: string; file: File } {
    const opened = this.#open.get(fd);
    if (opened === undefined) throw failure('EBADF');
    return opened;
  }
}
