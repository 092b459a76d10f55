import { expect, test } from 'vitest';
import { MemoryJournal } from '../../src/journal/memory-journal.ts';

test('a group is written and synced the moment it is committed', async () => {
  const journal = new MemoryJournal();
  let advances = 0;
  journal.onAdvance = () => {
    advances += 1;
  };
  expect(journal.append(new Uint8Array(10), 2, 6)).toBe(1);
  expect(journal.append(new Uint8Array(10), 0, 1)).toBe(1);
  expect([journal.pendingPosition, journal.writtenPosition, journal.status().pendingBytes]).toEqual([1, 0, 5]);
  journal.commit(1, 1);
  expect([journal.writtenPosition, journal.syncedPosition, journal.pendingPosition]).toEqual([1, 1, 2]);
  journal.commit(1, 1);
  expect([journal.writtenPosition, advances]).toEqual([1, 1]);
  journal.append(new Uint8Array(1), 0, 1);
  await journal.close(1, 1);
  expect([journal.writtenPosition, journal.status().pendingBytes]).toEqual([2, 0]);
});

test('it never asks for a snapshot, and takes one all the same', async () => {
  const journal = new MemoryJournal();
  expect(journal.shouldSnapshot()).toBe(false);
  const writer = journal.beginSnapshot(1, 1);
  expect(writer.append(new Uint8Array(4), 0, 4)).toBe(true);
  await writer.finish();
});
