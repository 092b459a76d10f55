import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockDirectory } from '../../src/journal/directory-lock.ts';
import { DirectoryInUseError } from '../../src/journal/journal-errors.ts';
import type { Journal } from '../../src/journal/journal.ts';
import { openJournal } from '../../src/journal/open-journal.ts';

const ACTOR = '00000000000000aa';
let root: string;
let directory: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'leasehold-journal-'));
  directory = join(root, 'deep', 'data');
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

function write(journal: Journal, text: string): void {
  const bytes = Buffer.from(text);
  journal.append(bytes, 0, bytes.length);
  journal.commit(1, 2);
}

async function readAll(): Promise<string[]> {
  const opened = await openJournal({ directory });
  const records: string[] = [];
  await opened.recover((record) => records.push(String(Buffer.from(record.bytes))), () => {});
  opened.release();
  return records;
}

test('on a real disk: runs, segments, snapshots and syncs come back', async () => {
  for (let run = 0; run < 2; run += 1) {
    const opened = await openJournal({ directory, segmentBytes: 2000, reserveBytes: 100_000 });
    const report = await opened.recover(() => {}, () => {});
    expect([report.found, report.clean]).toEqual([run > 0, run > 0]);
    const journal = await opened.start({ actor: ACTOR });
    for (let index = 0; index < 100; index += 1) write(journal, `${run}-${index}`);
    const synced = new Promise<void>((resolve) => {
      journal.onAdvance = () => {
        if (journal.syncedPosition === 100) resolve();
      };
    });
    journal.requestSync();
    await synced;
    const writer = journal.beginSnapshot(1, 2);
    for (const text of ['state', `${run}`]) writer.append(Buffer.from(text), 0, text.length);
    await writer.finish();
    write(journal, 'after');
    await journal.close(3, 4);
  }
  expect(await readAll()).toEqual(['state', '1', 'after']);
  const names = readdirSync(directory);
  expect(names.filter((name) => name.startsWith('journal-'))).toHaveLength(1);
  expect(statSync(join(directory, 'reserve')).size).toBe(100_000);
  // Values may be secrets: nobody else on the machine reads them.
  for (const name of names.filter((file) => file !== 'LOCK')) {
    expect(statSync(join(directory, name)).mode & 0o077).toBe(0);
  }
  expect(statSync(directory).mode & 0o077).toBe(0);
});

test('a directory is started only after it was read back', async () => {
  const opened = await openJournal({ directory });
  await expect(opened.start({ actor: ACTOR })).rejects.toThrow('not recovered');
  opened.release();
});

test('a directory in use is refused, with who uses it, and stays locked', async () => {
  const opened = await openJournal({ directory });
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const refusal = await openJournal({ directory }).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(DirectoryInUseError);
    expect(String(refusal)).toContain(`pid ${process.pid}, started 20`);
  }
  opened.release();
  opened.release();
  expect(existsSync(join(directory, 'LOCK.owner'))).toBe(false);
  (await openJournal({ directory })).release();
});

test('closing a journal lets go of its directory', async () => {
  const opened = await openJournal({ directory, reserveBytes: 0 });
  await opened.recover(() => {}, () => {});
  const journal = await opened.start({ actor: ACTOR });
  await expect(openJournal({ directory })).rejects.toThrow(DirectoryInUseError);
  await journal.close(1, 1);
  await journal.close(1, 1);
  (await openJournal({ directory })).release();
});

test('the lock holds against another process and dies with a killed one', async () => {
  lockDirectory(root).release();
  const holder = spawn(
    process.execPath,
    [
      '--input-type=module-typescript',
      '-e',
      `import { lockDirectory } from ${JSON.stringify(new URL('../../src/journal/directory-lock.ts', import.meta.url).href)};
       lockDirectory(${JSON.stringify(root)});
       console.log('locked');
       setInterval(() => {}, 1000);`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  try {
    await once(holder.stdout, 'data');
    expect(() => lockDirectory(root)).toThrow(`pid ${holder.pid}`);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    expect(readFileSync(join(root, 'LOCK.owner'), 'utf8')).toContain(`pid ${holder.pid}`);
    lockDirectory(root).release();
  } finally {
    holder.kill('SIGKILL');
  }
});
