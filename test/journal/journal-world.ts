/**
 * A file journal on a disk in memory, and what a later run would read back from it.
 */
import { processFailpoints } from '../../src/journal/failpoint.ts';
import { systemMachine } from '../../src/machine/system-machine.ts';
import { FileJournal } from '../../src/journal/file-journal.ts';
import type { JournalSettings } from '../../src/journal/file-journal.ts';
import type { SnapshotWriter } from '../../src/journal/journal.ts';
import { recoverDirectory } from '../../src/journal/recover.ts';
import type { MemoryDisk } from './memory-disk.ts';

/** What a journal stands on, but for the disk. */
export const HOST = { machine: systemMachine, failpoints: processFailpoints };

export const ACTOR = '0123456789abcdef';

export type Settings = Partial<Omit<JournalSettings, 'fileSystem' | 'directory'>>;

export async function startJournal(disk: MemoryDisk, settings: Settings = {}): Promise<FileJournal> {
  const source = { ...HOST, fileSystem: disk, directory: 'data', onCorruption: 'refuse' } as const;
  const recovered = await recoverDirectory(source, () => {}, () => {});
  return FileJournal.start(
    {
      ...HOST,
      fileSystem: disk,
      directory: 'data',
      segmentBytes: 1024 * 1024,
      reserveBytes: 0,
      snapshotAfterBytes: 1024 * 1024,
      syncGatherMs: 0,
      // Never, unless a test is about it: the clock may be the real one.
      stallMs: Number.MAX_SAFE_INTEGER,
      ...settings,
    },
    recovered,
    { release() {} },
    ACTOR,
  );
}

/** Everything on `disk`: records as text, those of a snapshot with `*` before them. */
export async function readBack(disk: MemoryDisk, onCorruption: 'refuse' | 'truncate' = 'refuse') {
  const records: string[] = [];
  const recovered = await recoverDirectory(
    { ...HOST, fileSystem: disk, directory: 'data', onCorruption },
    (record) => records.push(`${record.snapshot ? '*' : ''}${Buffer.from(record.bytes)}`),
    () => {},
  );
  return { records, ...recovered };
}

export function append(journal: FileJournal, ...texts: string[]): number {
  let position = 0;
  for (const text of texts) {
    const bytes = Buffer.from(`<${text}>`);
    position = journal.append(bytes, 1, bytes.length - 1);
  }
  return position;
}

/** One group. */
export function write(journal: FileJournal, ...texts: string[]): number {
  const position = append(journal, ...texts);
  journal.commit(position * 10, 1_000_000 + position * 10);
  return position;
}

export async function snapshotOf(journal: FileJournal, ...texts: string[]): Promise<void> {
  const writer = journal.beginSnapshot(5, 1_000_005);
  appendTo(writer, ...texts);
  await writer.finish();
}

export function appendTo(writer: SnapshotWriter, ...texts: string[]): boolean {
  let more = true;
  for (const text of texts) {
    const bytes = Buffer.from(text);
    more = writer.append(bytes, 0, bytes.length);
  }
  return more;
}

/** Lets everything happen that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
