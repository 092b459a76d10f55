/** Mistakes with values: what a write covers, what is told of it, and what a refusal leaves behind. */
import { fault, type PlantedFault } from './planted-fault.ts';

export const ENTRY_FAULTS: readonly PlantedFault[] = [
  // Siblings: a write with the context of an older read takes a value away that nobody has seen.
  fault({
    name: 'context-of-the-sidecar',
    what: 'A write with a context replaces whatever its sidecar holds, not what its writer had seen.',
    edits: [
      {
        file: 'src/core/entries.ts',
        find: 'const covered = rows.filter((row) => isCovered(state, row, context.seen));',
        replace: 'const covered = rows.slice();',
      },
    ],
    invariants: ['context-truth', 'acknowledged-is-kept'],
  }),
  // Siblings, and values held elsewhere: read through the ledger, then written over with their context.
  fault({
    name: 'context-of-the-writer-dropped',
    what: "A write covers what its sidecar holds and leaves out what only its writer's context names.",
    edits: [
      {
        file: 'src/core/write.ts',
        find: 'for (const dot of context?.seen ?? []) see(actors.number(dot.actor), dot.seq);',
        replace: '',
      },
    ],
    invariants: ['context-truth'],
  }),
  // Siblings: read, write with that context, and what was read stays beside.
  fault({
    name: 'context-excludes-its-last-write',
    what: 'A context covers the writes before the one it names, but not that one.',
    edits: [
      {
        file: 'src/core/dot.ts',
        find: 'if (dot.actor === actor && dot.seq >= seq) return true;',
        replace: 'if (dot.actor === actor && dot.seq > seq) return true;',
      },
    ],
    invariants: ['context-truth'],
  }),
  // Siblings: a delete with the context of an older read, after another value was written.
  fault({
    name: 'delete-takes-the-unseen',
    what: 'A delete with a context takes every value of the key, those that its writer had not seen too.',
    edits: [
      {
        file: 'src/core/entries.ts',
        find: "const seen = namespace.contract.conflict === 'siblings' ? context?.seen : undefined;",
        replace: 'const seen = undefined;',
      },
    ],
    kinds: ['partition', 'delay', 'reordering'],
    invariants: ['context-truth', 'acknowledged-is-kept'],
  }),
  // Two writers with the same version in their hands: both are told yes.
  fault({
    name: 'if-match-unchecked',
    what: 'If-Match is satisfied by any version, as long as there is one.',
    edits: [
      {
        file: 'src/core/entries.ts',
        find: '(ifMatch !== undefined && !matches(ifMatch)) ||',
        replace: '(ifMatch !== undefined && etag === undefined) ||',
      },
    ],
    invariants: ['context-truth', 'acknowledged-is-kept'],
  }),
  // A delete with If-Match on an older version: 412, and the value is gone.
  fault({
    name: 'refused-delete-deletes',
    what: 'A delete whose condition does not hold is refused after it has deleted.',
    edits: [
      {
        file: 'src/core/entries.ts',
        find: `  if (failed !== undefined) return failed;
  // Where concurrent values are kept, a delete`,
        replace: '  // Where concurrent values are kept, a delete',
      },
      {
        file: 'src/core/entries.ts',
        find: 'return { existed: doomed.length > 0 };',
        replace: 'return failed ?? { existed: doomed.length > 0 };',
      },
    ],
    invariants: ['honest-refusal', 'acknowledged-is-kept'],
  }),
  // Every second write of a key. The ledger sees it too, and calls it a duplicate dot.
  fault({
    name: 'overwrite-keeps-its-dot',
    what: 'An overwrite under the same lease keeps the number of the write before.',
    edits: [
      {
        file: 'src/core/write.ts',
        find: 'state.overwriteEntry(survivor, cell, actors.self, sequence, hlc);',
        replace:
          'state.overwriteEntry(survivor, cell, entries.dotActor[survivor]!, entries.dotSeq[survivor]!, hlc);',
      },
    ],
    invariants: ['unique-dots', 'convergence', 'acknowledged-is-kept'],
  }),
  // The run is told as superseded by each overwrite, and ends once more when it does end.
  fault({
    name: 'overwrite-told-as-an-end',
    what: 'An overwrite under the same lease tells the end of a run that goes on.',
    edits: [
      {
        file: 'src/core/write.ts',
        find: 'state.overwriteEntry(survivor, cell, actors.self, sequence, hlc);',
        replace: `tellSuperseded(state, survivor);
    state.overwriteEntry(survivor, cell, actors.self, sequence, hlc);`,
      },
    ],
    invariants: ['one-ending', 'no-early-expiry'],
  }),
  // A write under another lease, or with a TTL of its own, over a value that lives.
  fault({
    name: 'superseded-run-untold',
    what: 'A value that moves to another lease takes the place of the old run without telling its end.',
    edits: [
      {
        file: 'src/core/write.ts',
        find: 'if (reused !== 0) tellSuperseded(state, reused);',
        replace: '',
      },
    ],
    invariants: ['every-ending-told', 'no-resurrection'],
  }),
  // An answer of the ledger from before a delete or overwrite that was not pushed yet.
  // Session values: other sidecars go on showing what was released. A truth check would find it, and
  // tell the ledger after all; so that is passed over, too.
  fault({
    name: 'release-untold-to-the-ledger',
    what: 'The ledger is not told of a release, nor that it holds a value that is over here.',
    edits: [
      {
        file: 'src/core/endings.ts',
        find: "if (reason === 'superseded') return false;",
        replace: "if (reason === 'superseded' || reason === 'released') return false;",
      },
      {
        file: 'src/core/merge.ts',
        find: '  bury(state, namespace.number, key, [value.dot], { ...runOf(value), told: true });\n',
        replace: '',
      },
    ],
    invariants: ['no-resurrection', 'convergence', 'no-late-expiry'],
  }),
  // A delete or release while the ledger is away, then a crash: the ledger still has the value. A run
  // that knows the lease would tell the end of it once more: so it does not.
  // An atomic batch with one operation that is refused.
  fault({
    name: 'refused-batch-applied',
    what: 'An atomic batch that is refused keeps what its other operations have changed.',
    edits: [
      {
        file: 'src/core/batch.ts',
        find: `  state.rollbackAtomic();
  state.facts.truncate(factsBefore);`,
        replace: '  state.commitAtomic();',
      },
    ],
    invariants: ['atomic-batch', 'honest-refusal'],
  }),
  // The same with a delete among the others: until the next restart the value is not there.
  fault({
    name: 'refused-batch-deletes',
    what: 'Taking an atomic batch back does not bring back what it had deleted.',
    edits: [
      {
        file: 'src/core/entry-rows.ts',
        find: 'this.undo.push(() => this.#relink(entry, position));',
        replace: '',
      },
    ],
    invariants: ['atomic-batch', 'honest-refusal', 'acknowledged-is-kept', 'every-ending-told'],
  }),
];
