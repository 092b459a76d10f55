/**
 * A process for `failpoint.test.ts` to kill: appends numbered records to the journal in the
 * directory given, with syncs, changes of segment and snapshots, and says on stdout which number
 * is written. The state after record n is the number n, so that is all a snapshot holds.
 */
import { writeSync } from 'node:fs';
import { openJournal } from '../../src/journal/open-journal.ts';

const opened = await openJournal({ directory: process.argv[2]!, segmentBytes: 1000, reserveBytes: 1000 });
let last = 0;
await opened.recover(
  (record) => {
    last = Number(Buffer.from(record.bytes));
  },
  () => {},
);
const journal = await opened.start({ actor: '00000000000000bb' });
journal.onFailure = (error) => {
  throw error;
};

async function write(records: number): Promise<void> {
  for (let count = 0; count < records; count += 1) {
    last += 1;
    const bytes = Buffer.from(String(last).padStart(8, '0'));
    const position = journal.append(bytes, 0, bytes.length);
    journal.commit(last, last);
    journal.requestSync();
    while (journal.writtenPosition < position) {
      await new Promise<void>((resolve) => {
        journal.onAdvance = resolve;
      });
    }
    writeSync(1, `${last}\n`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

for (let round = 0; round < 3; round += 1) {
  await write(30);
  const snapshot = journal.beginSnapshot(last, last);
  const bytes = Buffer.from(String(last).padStart(8, '0'));
  snapshot.append(bytes, 0, bytes.length);
  await write(5);
  await snapshot.finish();
}
await write(5);
await journal.close(last, last);
