/**
 * Space set aside for the worst day: a file of real bytes that is given back to the disk when a
 * write finds no room, so that the endings and renewals of what is already held can still be
 * recorded. Its content means nothing; it is random so that no file system compresses it away.
 * It outlives the process, and what an earlier run left is kept.
 */
import { randomFillSync } from 'node:crypto';
import type { FileSystem } from './file-system.ts';
import { writeAll } from './file-system.ts';
import { isNoRoom } from './journal-errors.ts';

/** Written a piece at a time, so the loop is never held for longer than one of them. */
const SLICE_BYTES = 1024 * 1024;

export class Reserve {
  readonly #fileSystem: FileSystem;
  readonly #path: string;
  readonly #wantedBytes: number;
  #bytes = 0;
  #released = 0;

  constructor(fileSystem: FileSystem, directory: string, wantedBytes: number) {
    this.#fileSystem = fileSystem;
    this.#path = `${directory}/reserve`;
    this.#wantedBytes = wantedBytes;
  }

  /** Bytes held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes stock of what an earlier run left. */
  async adopt(): Promise<void> {
    this.#bytes = await this.#fileSystem.size(this.#path).catch(() => 0);
  }

  /**
   * Fills the reserve up. False when the disk had no room for all of it (what there is of it is
   * kept: it is all the more needed) or when it was released meanwhile.
   */
  async fill(): Promise<boolean> {
    if (this.#bytes >= this.#wantedBytes) return true;
    const turn = this.#released;
    const fd = await this.#fileSystem.open(this.#path, this.#bytes === 0 ? 'w' : 'r+');
    try {
      const slice = randomFillSync(Buffer.allocUnsafeSlow(Math.min(SLICE_BYTES, this.#wantedBytes)));
      while (this.#bytes < this.#wantedBytes) {
        const length = Math.min(slice.length, this.#wantedBytes - this.#bytes);
        await writeAll(this.#fileSystem, fd, slice, length, this.#bytes);
        if (this.#released !== turn) return false;
        this.#bytes += length;
      }
      return true;
    } catch (error) {
      if (!isNoRoom(error)) throw error;
      await this.adopt();
      return false;
    } finally {
      await this.#fileSystem.close(fd);
    }
  }

  /** Gives the space back, at once. False when there was none to give. */
  release(): boolean {
    this.#released += 1;
    if (this.#bytes === 0) return false;
    this.#fileSystem.discardSync(this.#path);
    this.#bytes = 0;
    return true;
  }
}
