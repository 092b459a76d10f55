/**
 * What lies in a data directory, by name:
 *
 *   LOCK                              held by the living process
 *   LOCK.owner                        who that is, for people
 *   reserve                           space kept for endings on a full disk
 *   journal-0000000000000007.log      a segment; they are numbered without gaps
 *   snapshot-0000000000000007.snap    all that came before the segment of the same number
 *   snapshot-….snap.tmp               a snapshot being written, worth nothing yet
 */
import type { FileSystem } from './file-system.ts';

const SEGMENT = /^journal-([0-9]{16})\.log$/;
const SNAPSHOT = /^snapshot-([0-9]{16})\.snap$/;
const UNFINISHED = /^snapshot-[0-9]{16}\.snap\.tmp$/;

export function segmentName(number: number): string {
  return `journal-${String(number).padStart(16, '0')}.log`;
}

export function snapshotName(number: number): string {
  return `snapshot-${String(number).padStart(16, '0')}.snap`;
}

export function unfinishedSnapshotName(number: number): string {
  return `${snapshotName(number)}.tmp`;
}

export interface DirectoryListing {
  /** Numbers, ascending. */
  readonly segments: readonly number[];
  readonly snapshots: readonly number[];
  /** File names. */
  readonly unfinished: readonly string[];
}

/** Sorts out the files of a data directory; names it does not know are left alone. */
export async function listDirectory(fileSystem: FileSystem, directory: string): Promise<DirectoryListing> {
  const names = await fileSystem.list(directory);
  const numbers = (pattern: RegExp): number[] =>
    names
      .map((name) => pattern.exec(name)?.[1])
      .filter((digits) => digits !== undefined)
      .map(Number)
      .sort((a, b) => a - b);
  return {
    segments: numbers(SEGMENT),
    snapshots: numbers(SNAPSHOT),
    unfinished: names.filter((name) => UNFINISHED.test(name)),
  };
}

/** Removes the segments and snapshots before `number`, which a snapshot of that number replaces. */
export async function removeBefore(
  fileSystem: FileSystem,
  directory: string,
  number: number,
  onRemoved: () => void,
): Promise<void> {
  const { segments, snapshots } = await listDirectory(fileSystem, directory);
  const superfluous = [
    ...segments.filter((segment) => segment < number).map(segmentName),
    ...snapshots.filter((snapshot) => snapshot < number).map(snapshotName),
  ];
  for (const name of superfluous) {
    await fileSystem.remove(`${directory}/${name}`);
    onRemoved();
  }
}
