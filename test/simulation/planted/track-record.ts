/**
 * Mistakes that nobody planted: the simulator found them, and they were mended. Each stands here
 * with its mending undone, so that it would be found again; docs/track-record.md tells of them.
 */
import { fault, type PlantedFault } from './planted-fault.ts';

export const TRACK_RECORD: readonly PlantedFault[] = [
  fault({
    name: 'unwritten-sector-refused',
    what: 'A journal whose last sectors reached the disk out of order keeps the sidecar from starting.',
    edits: [
      {
        file: 'src/journal/frame-reader.ts',
        find: 'if (isZero(this.peek(at - from, end - at))) return true;',
        replace: 'if (end === this.#size && isZero(this.peek(at - from, end - at))) return true;',
      },
    ],
    invariants: ['no-crash'],
  }),
  fault({
    name: 'told-in-the-words-of-the-ledger',
    what: 'An end that the journal knows of is told once more when the ledger says it in other words.',
    edits: [
      {
        file: 'src/replica/core-replica.ts',
        find: 'if (this.tellsItself(namespace, id, ending)) return;',
        replace: '',
      },
    ],
    invariants: ['one-ending'],
  }),
  fault({
    name: 'word-of-the-ledger-missed',
    what: 'Who waits for the ledger begins to when the journal has the write, by when the ledger may have spoken.',
    edits: [
      {
        file: 'src/reconcile/reconciled-service.ts',
        find: 'if (answering === undefined) early = last;',
        replace: 'answering = this.#acknowledgement.stand(command); if (answering === undefined) early = last;',
      },
      {
        file: 'src/reconcile/reconciled-service.ts',
        find: 'answering = this.#acknowledgement.stand(command);\n        early?.();',
        replace: 'early?.();',
      },
    ],
    kinds: ['disk-slow', 'stall', 'clock-rate'],
    invariants: ['acknowledged-is-kept'],
  }),
];
