/** A disk of its own for one sidecar, and something to fill it with. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { beforeLeaving, scratchDirectory } from '../support.ts';

const PIECE = Buffer.alloc(1024 * 1024, 1);

export interface SmallDisk {
  /** For the data of a sidecar. */
  readonly dataDirectory: string;
  /** Leaves free this share of the whole, or what is free if that is less. */
  fill(freeShare: number): void;
  /** Takes away what it was filled with. */
  relieve(): void;
}

/** A tmpfs; undefined, with the reason on stderr, where none can be mounted (that takes root). */
export function smallDisk(bytes: number): SmallDisk | undefined {
  const directory = join(scratchDirectory(), 'disk');
  mkdirSync(directory);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', directory], { stdio: 'pipe' });
  } catch (error) {
    const why = String((error as Error).message).trim().replaceAll('\n', ' ');
    process.stderr.write(`No tmpfs can be mounted here, so no disk is filled: ${why}\n`);
    return undefined;
  }
  beforeLeaving(() => execFileSync('umount', [directory]));
  const ballast = join(directory, 'ballast');
  return {
    dataDirectory: join(directory, 'data'),
    fill(freeShare) {
      const { bsize, blocks, bavail } = statfsSync(directory);
      let left = Math.max(0, bsize * (bavail - Math.ceil(blocks * freeShare)));
      const file = openSync(ballast, 'w');
      while (left > 0) left -= writeSync(file, PIECE, 0, Math.min(left, PIECE.length));
      closeSync(file);
    },
    relieve: () => rmSync(ballast, { force: true }),
  };
}
