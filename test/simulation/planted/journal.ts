/** Mistakes with the disk. All of them need a crash, most of them one of the machine. */
import { fault, type PlantedFault } from './planted-fault.ts';

export const JOURNAL_FAULTS: readonly PlantedFault[] = [
  // Two restarts after a torn write: the torn segment is not the newest any more, and is refused.
  fault({
    name: 'torn-tail-left',
    what: 'Recovery passes over the torn end of a segment without cutting it off.',
    edits: [
      {
        file: 'src/journal/recover.ts',
        find: 'if (read.goodBytes < read.bytes) await fileSystem.truncate(fd, read.goodBytes);',
        replace: '',
      },
    ],
    invariants: ['no-crash'],
  }),
  // Groups written while a sync is in flight, then a machine that stops.
  fault({
    name: 'sync-covers-later-writes',
    what: 'A sync counts what was written while it was under way as durable.',
    edits: [
      {
        file: 'src/journal/file-journal.ts',
        find: 'this.#syncedPosition = covers;',
        replace: 'this.#syncedPosition = this.#writtenPosition;',
      },
    ],
    invariants: ['acknowledged-is-kept', 'fact-precedes-reply'],
  }),
  // A change of segment, then a machine that stops: an older segment is torn, or lacks what the
  // sync of the next one has vouched for.
  fault({
    name: 'segment-left-unsynced',
    what: 'The next segment is begun before the one before it is synced.',
    edits: [
      {
        file: 'src/journal/file-journal.ts',
        find: 'if (this.#unsyncedBytes > 0) await this.#sync();',
        replace: '',
      },
    ],
    invariants: ['no-crash', 'acknowledged-is-kept'],
  }),
  // A snapshot, then a machine that stops: the segments are gone and the snapshot is not whole.
  fault({
    name: 'snapshot-left-unsynced',
    what: 'A snapshot takes its name, and the segments go, before its bytes are synced.',
    edits: [
      {
        file: 'src/journal/snapshot-file.ts',
        find: `    await fileSystem.syncData(fd);
    await this.#plan.whenCovered;`,
        replace: '    await this.#plan.whenCovered;',
      },
    ],
    invariants: ['no-crash', 'acknowledged-is-kept'],
  }),
];
