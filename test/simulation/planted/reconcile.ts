/** Mistakes between a sidecar and the ledger. */
import { fault, type PlantedFault } from './planted-fault.ts';

export const RECONCILE_FAULTS: readonly PlantedFault[] = [
  // A value deleted by another sidecar while its owner is cut off for longer than the slack, and
  // shorter than the autonomy bound.
  // A sidecar whose wall clock is ahead of the ledger's by more than is allowed.
  fault({
    name: 'refused-push-counted-as-done',
    what: 'A write that the ledger refused as stamped too far ahead counts as pushed.',
    edits: [
      {
        file: 'src/reconcile/push.ts',
        find: 'early.push(id);',
        replace: 'replica.confirm(namespace, pushed);',
      },
    ],
    kinds: ['ledger-out-of-memory', 'clock-step'],
    invariants: ['convergence', 'acknowledged-is-kept'],
  }),
  // A push that gets lost. A truth check finds it later; whoever repeats a write that must reach
  // the ledger is told at once that it is there.
  // firstWins with durability ledger, and two sidecars that write the same key at once.
  fault({
    name: 'held-told-as-kept',
    what: 'A write that came second under firstWins is answered as if it had been first.',
    edits: [
      {
        file: 'src/reconcile/push.ts',
        find: "tell('held');",
        replace: "tell('confirmed');",
      },
    ],
    invariants: ['acknowledged-is-kept', 'honest-refusal'],
  }),
  // Durability ledger: a sidecar that dies with its disk right after, or a ledger that is away.
  fault({
    name: 'ledger-not-awaited',
    what: 'A write that must reach the ledger is answered while it still waits to be pushed.',
    edits: [
      {
        file: 'src/reconcile/push.ts',
        find: '  else if (partition.unpushed.has(id)) partition.standing.stand(id, [waiter]);\n',
        replace: '',
      },
    ],
    invariants: ['fact-precedes-reply', 'acknowledged-is-kept'],
  }),
  // Copies of everything, and a read through the ledger whose answer comes after a newer pull.
  // An owner that is gone for good, and a sweep for it whose answer gets lost.
];
