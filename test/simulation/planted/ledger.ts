/** Mistakes of the ledger itself. */
import { fault, type PlantedFault } from './planted-fault.ts';

export const LEDGER_FAULTS: readonly PlantedFault[] = [
  // A ledger that goes back and is written on before anybody looks. Its new epoch would tell, so it
  // has none; a sidecar whose own last batch is missing, and the next truth check, still notice.
  fault({
    name: 'cursor-without-chain',
    what: 'A cursor is judged by its number alone, so a history that was put in place of another passes for it.',
    edits: [
      {
        file: 'src/ledger/specification/history.ts',
        find: "if (cursor.seq === seq) return at === chain ? 'current' : 'diverged';",
        replace: "if (cursor.seq === seq) return 'current';",
      },
      {
        file: 'src/ledger/specification/history.ts',
        find: "return log[cursor.seq - oldest]!.chain === at ? 'behind' : 'diverged';",
        replace: "return 'behind';",
      },
      {
        file: 'src/ledger/specification/partition.ts',
        find: "if (partition.epoch === 0 || (replid !== '' && replid !== partition.replid)) {",
        replace: 'if (partition.epoch === 0) {',
      },
    ],
    kinds: ['ledger-rollback', 'ledger-failover', 'ledger-split', 'partition'],
    invariants: ['ledger-chain', 'convergence', 'acknowledged-is-kept', 'monotone-session'],
  }),
  // A push that is delayed or repeated behind the release; a delete by somebody else than the owner.
  fault({
    name: 'tombstone-dropped-at-once',
    what: 'The ledger forgets a key with its last value, so a late push of that value brings it back.',
    edits: [
      {
        file: 'src/ledger/specification/settle.ts',
        find: 'return siblings.length === 0 && forgetAt <= now;',
        replace: 'return siblings.length === 0;',
      },
    ],
    invariants: ['no-resurrection', 'every-ending-told', 'one-ending'],
  }),
  // Siblings written at two sidecars that have not heard of each other.
  fault({
    name: 'concurrent-sibling-dropped',
    what: 'A push takes away every value that it does not hold, seen by its writer or not.',
    edits: [
      {
        file: 'src/ledger/specification/merge.ts',
        find: '    else if (!covers(pushed.context, sibling.dot)) result.push(sibling);\n',
        replace: '',
      },
    ],
    invariants: ['context-truth', 'acknowledged-is-kept'],
  }),
  // A write over, or a delete of, a value that another sidecar holds under an explicit lease.
  fault({
    name: 'seen-sibling-kept',
    what: "Another owner's value under an explicit lease stays, although the writer of this one had seen it.",
    edits: [
      {
        file: 'src/ledger/specification/merge.ts',
        find: 'else if (!covers(pushed.context, sibling.dot)) result.push(sibling);',
        replace: `else if (!covers(pushed.context, sibling.dot) || (sibling.session && !ours.has(sibling.dot.actor))) {
      result.push(sibling);
    }`,
      },
    ],
    invariants: ['context-truth', 'no-resurrection', 'acknowledged-is-kept', 'convergence'],
  }),
  // A push from before a renewal that arrives, or is repeated, after it.
  fault({
    name: 'late-push-shortens',
    what: 'A push may move the deadline of a value back that the ledger already holds.',
    edits: [
      {
        file: 'src/ledger/specification/merge.ts',
        find: 'const deadline = Math.max(stored.deadline, pushed.deadline);',
        replace: 'const { deadline } = pushed;',
      },
    ],
    invariants: ['monotone-deadline', 'no-early-expiry'],
  }),
  // Any record that is forgotten as a whole: a sweep of values at their final deadline.
  fault({
    name: 'digest-not-reduced',
    what: 'The digest of a partition keeps counting the values of a record that is removed.',
    edits: [
      {
        file: 'src/ledger/specification/partition.ts',
        find: 'partition.root = minus(partition.root, sibling);',
        replace: 'if (next !== undefined) partition.root = minus(partition.root, sibling);',
      },
    ],
    invariants: ['ledger-digest', 'convergence'],
  }),
  // An owner cut off for longer than a TTL and shorter than its autonomy, while its holders renew.
];
