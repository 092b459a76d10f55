/**
 * The disk of a simulated machine: the `FileSystem` port with latencies, a bound of bytes, and a page
 * cache. What a process wrote survives the process; what was synced survives the machine. A power
 * cut keeps, of what was not synced, a part that the seed chooses: of each file some sectors, and of
 * the names made and unmade a beginning of their order.
 */
import type { DirectoryLock } from '../../../src/journal/directory-lock.ts';
import type { FileSystem } from '../../../src/journal/file-system.ts';
import { DirectoryInUseError } from '../../../src/journal/journal-errors.ts';
import type { Chance } from '../kernel/chance.ts';
import { PRIORITY } from '../kernel/kernel.ts';
import type { SimulatedMachine } from './simulated-machine.ts';
import { ProcessDied, type SimulatedProcess } from './simulated-process.ts';

/** Written whole or not at all. */
const SECTOR_BYTES = 512;

class File {
  bytes = Buffer.alloc(0);
  length = 0;
  /** Content that a power cut cannot take. */
  synced = Buffer.alloc(0);

  content(): Buffer {
    return this.bytes.subarray(0, this.length);
  }

  replace(content: Uint8Array): void {
    this.bytes = Buffer.from(content);
    this.length = content.length;
  }
}

/** Each whole or not at all, as in the journal of a file system. */
type NameChange =
  | { readonly kind: 'create'; readonly path: string; readonly file: File }
  | { readonly kind: 'rename'; readonly from: string; readonly path: string }
  | { readonly kind: 'remove'; readonly path: string };

function failure(code: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

/** In milliseconds; drawn anew for each call. */
export interface DiskPace {
  readonly callMs: number;
  readonly syncMs: number;
  /** Shares of writes of the hot path, 0 to 1, that hold up the whole loop, and for how long. */
  readonly slowWrites: number;
  readonly slowWriteMs: number;
}

export const QUICK_DISK: DiskPace = { callMs: 0.1, syncMs: 2, slowWrites: 0, slowWriteMs: 0 };

export class SimulatedDisk {
  readonly #chance: Chance;
  /** By path, as running processes see them. */
  #files = new Map<string, File>();
  /** By path, as they would be after a power cut, if all went badly. */
  #durable = new Map<string, File>();
  /** Since the directory was last synced, in order. */
  #changes: NameChange[] = [];
  /** How many there were before those. */
  #changesDurable = 0;
  /** By directory, who holds its lock. */
  readonly #locks = new Map<string, SimulatedProcess>();
  roomBytes: number;
  readonly #wholeBytes: number;
  pace: DiskPace = QUICK_DISK;

  constructor(machine: SimulatedMachine, roomBytes: number) {
    this.#wholeBytes = roomBytes;
    this.#chance = machine.chance.fork('disk');
    this.roomBytes = roomBytes;
  }

  get usedBytes(): number {
    let total = 0;
    for (const file of this.#files.values()) total += file.length;
    return total;
  }

  /** There is less room than there should be. */
  get isShort(): boolean {
    return this.roomBytes < this.#wholeBytes;
  }

  /** As large as it was made. */
  makeRoom(): void {
    this.roomBytes = this.#wholeBytes;
  }

  /** Copies of what is there, by path: for whoever looks at a disk from outside. */
  contents(): Map<string, Buffer> {
    return new Map([...this.#files].map(([path, file]) => [path, Buffer.from(file.content())]));
  }

  powerCut(): void {
    const kept = this.#chance.integer(this.#changes.length + 1);
    this.#keepChanges(kept);
    this.#changesDurable += this.#changes.length;
    this.#changes = [];
    this.#files = new Map();
    for (const [path, file] of this.#durable) {
      file.replace(this.#afterPowerCut(file));
      file.synced = Buffer.from(file.content());
      this.#files.set(path, file);
    }
  }

  /**
   * Of what was written and not synced, any sectors, in any order: what a file was extended by and
   * never filled with reads as zeros.
   */
  #afterPowerCut({ synced, length, bytes }: File): Buffer {
    if (length <= synced.length) return synced;
    const reached = synced.length + this.#chance.integer(length - synced.length + 1);
    const kept = Buffer.alloc(this.#chance.happens(0.5) ? length : reached);
    bytes.copy(kept, 0, 0, kept.length);
    const unwritten = this.#chance.weighted([[0, 2], [0.3, 1], [1, 1]]);
    const first = Math.floor(synced.length / SECTOR_BYTES) * SECTOR_BYTES;
    for (let from = first; from < kept.length; from += SECTOR_BYTES) {
      if (!this.#chance.happens(unwritten)) continue;
      kept.fill(0, Math.max(from, synced.length), Math.min(from + SECTOR_BYTES, kept.length));
    }
    return kept;
  }

  lockFor(process: SimulatedProcess): (directory: string) => DirectoryLock {
    return (directory) => {
      const holder = this.#locks.get(directory);
      if (holder?.alive === true) {
        throw new DirectoryInUseError(directory, holder.name, new Error('locked'));
      }
      this.#locks.set(directory, process);
      return {
        release: () => {
          if (this.#locks.get(directory) === process) this.#locks.delete(directory);
        },
      };
    };
  }

  /** As one process uses it: its descriptors are its own, and die with it. */
  filesFor(process: SimulatedProcess): FileSystem {
    const open = new Map<number, { readonly path: string; readonly file: File }>();
    let nextDescriptor = 3;
    const opened = (fd: number) => {
      const found = open.get(fd);
      if (found === undefined) throw failure('EBADF', String(fd));
      return found;
    };
    /** Does it after a while, in the process; never when that is gone by then. */
    const later = <T>(ms: number, label: string, act: () => T): Promise<T> =>
      new Promise((resolve, reject) => {
        process.schedule(this.#chance.wait(ms), PRIORITY.arrival, label, () => {
          try {
            resolve(act());
          } catch (error) {
            reject(error as Error);
          }
        });
      });
    const call = <T>(label: string, act: () => T): Promise<T> => later(this.pace.callMs, label, act);

    return {
      makeDirectory: () => call('mkdir', () => {}),
      list: (directory) =>
        call('list', () =>
          [...this.#files.keys()]
            .filter((path) => path.startsWith(`${directory}/`))
            .map((path) => path.slice(directory.length + 1)),
        ),
      open: (path, flags) =>
        call('open', () => {
          if (flags === 'w') this.#create(path);
          const fd = nextDescriptor++;
          open.set(fd, { path, file: this.#file(path) });
          return fd;
        }),
      close: (fd) =>
        call('close', () => {
          opened(fd);
          open.delete(fd);
        }),
      size: (path) => call('size', () => this.#file(path).length),
      read: (fd, into, offset, length, position) =>
        call('read', () => {
          const piece = opened(fd).file.content().subarray(position, position + length);
          into.set(piece, offset);
          return piece.length;
        }),
      write: (fd, from, offset, length, position) =>
        // Taken now, as the kernel does: the caller may use its buffer again only when this is over.
        call('write', () => this.#write(opened(fd), from.subarray(offset, offset + length), position)),
      writeSync: (fd, from, offset, length, position) => {
        if (!process.alive) throw new ProcessDied('Killed before it wrote');
        if (this.#chance.happens(this.pace.slowWrites)) process.stall(this.#chance.wait(this.pace.slowWriteMs));
        return this.#write(opened(fd), from.subarray(offset, offset + length), position);
      },
      truncate: (fd, length) =>
        call('truncate', () => {
          const { file } = opened(fd);
          file.replace(file.content().subarray(0, length));
        }),
      syncData: (fd) => {
        // Writes that come while it runs need another one.
        const { file } = opened(fd);
        const covered = Buffer.from(file.content());
        return later(this.pace.syncMs, 'sync', () => {
          file.synced = covered;
        });
      },
      syncDirectory: () => {
        const covered = this.#changesDurable + this.#changes.length;
        return later(this.pace.syncMs, 'sync names', () => this.#keepChanges(covered - this.#changesDurable));
      },
      rename: (from, to) =>
        call('rename', () => {
          this.#file(from);
          this.#change({ kind: 'rename', from, path: to });
        }),
      remove: (path) => call('remove', () => this.#remove(path)),
      discardSync: (path) => {
        if (!process.alive) throw new ProcessDied('Killed before it gave space back');
        this.#remove(path);
      },
      freeBytes: () => call('free', () => Math.max(0, this.roomBytes - this.usedBytes)),
    };
  }

  #create(path: string): void {
    const known = this.#files.get(path);
    if (known === undefined) {
      this.#change({ kind: 'create', path, file: new File() });
    } else {
      known.replace(Buffer.alloc(0));
    }
  }

  #remove(path: string): void {
    this.#file(path);
    this.#change({ kind: 'remove', path });
  }

  #change(change: NameChange): void {
    this.#apply(this.#files, change);
    this.#changes.push(change);
  }

  #apply(names: Map<string, File>, change: NameChange): void {
    if (change.kind === 'create') {
      names.set(change.path, change.file);
    } else if (change.kind === 'remove') {
      names.delete(change.path);
    } else {
      const file = names.get(change.from);
      names.delete(change.from);
      if (file !== undefined) names.set(change.path, file);
    }
  }

  /** The first so many are on the disk for good. */
  #keepChanges(count: number): void {
    const kept = this.#changes.splice(0, Math.max(0, count));
    for (const change of kept) this.#apply(this.#durable, change);
    this.#changesDurable += kept.length;
  }

  #write({ path, file }: { readonly path: string; readonly file: File }, bytes: Uint8Array, position: number): number {
    const growth = Math.max(0, position + bytes.length - file.length);
    const room = Math.max(0, this.roomBytes - this.usedBytes);
    const length = bytes.length - Math.max(0, growth - room);
    if (length <= 0) throw failure('ENOSPC', path);
    const end = position + length;
    if (end > file.bytes.length) {
      const larger = Buffer.alloc(Math.max(end, 2 * file.bytes.length, 1024));
      file.bytes.copy(larger, 0, 0, file.length);
      file.bytes = larger;
    }
    file.bytes.set(bytes.subarray(0, length), position);
    file.length = Math.max(file.length, end);
    return length;
  }

  #file(path: string): File {
    const file = this.#files.get(path);
    if (file === undefined) throw failure('ENOENT', path);
    return file;
  }
}
