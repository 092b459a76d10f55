/** Every invariant a run is judged by, in the words its violation is explained with. */
export interface Invariant {
  readonly name: string;
  /** One sentence: what always holds. */
  readonly what: string;
  /** Where it is promised. */
  readonly where: string;
}

export const INVARIANTS: readonly Invariant[] = [
  {
    name: 'one-ending',
    what: 'Each grant ends once: whoever reads the bus and drops repeats gets one ending of it, with one reason.',
    where: 'SPEC P3, PROTOCOL §10.2 I-T1',
  },
  {
    name: 'every-ending-told',
    what: 'Everything that was granted and is no longer live has its ending told on the bus.',
    where: 'SPEC P3, PROTOCOL §10.2 I-T1',
  },
  {
    name: 'contiguous-sequence',
    what: 'The numbers of a source in a stream go up by one, except where the contract allows a gap.',
    where: 'SPEC I31, PROTOCOL §10.2 I-T2',
  },
  {
    name: 'no-early-expiry',
    what: 'Nothing expires, or reads as gone, before the last deadline that was acknowledged.',
    where: 'SPEC P1',
  },
  {
    name: 'no-late-expiry',
    what: 'Nothing is served as live past its deadline, and its ending follows within a bound.',
    where: 'SPEC P2',
  },
  {
    name: 'no-resurrection',
    what: 'What has ended is never live again, under the same lease or as the same write.',
    where: 'SPEC P6, PROTOCOL §10.2 I-Z',
  },
  {
    name: 'acknowledged-is-kept',
    what: 'An acknowledged write stays until it ends or a write that had seen it, or that the policy prefers, takes its place.',
    where: 'SPEC P4, PROTOCOL §10.2 I-V3',
  },
  {
    name: 'context-truth',
    what: 'A write replaces exactly what its author had seen: nothing else goes, and nothing of that stays.',
    where: 'SPEC P5, PROTOCOL §10.2 I-V2',
  },
  {
    name: 'unique-dots',
    what: 'A dot stands for one write: it never names two different values.',
    where: 'SPEC Assumptions, PROTOCOL §10.2 I-V1',
  },
  {
    name: 'capacity',
    what: 'What lives and what is owed stays within the capacity of its namespace.',
    where: 'SPEC I33, PROTOCOL §10.2 I-C',
  },
  {
    name: 'monotone-session',
    what: 'A session at one sidecar never reads a key older than it has read or written it.',
    where: 'PROTOCOL §10.2 I-M',
  },
  {
    name: 'monotone-deadline',
    what: 'A deadline that was acknowledged never moves back, unless the holder asked for less.',
    where: 'PROTOCOL §10.2 I-M',
  },
  {
    name: 'ledger-chain',
    what: 'The chain of a partition is the hash over all of its changes.',
    where: 'PROTOCOL §4.3, §10.2 I-M',
  },
  {
    name: 'ledger-digest',
    what: 'The digests of a partition are those of the records it holds, after every operation.',
    where: 'PROTOCOL §4.4, §10.2 I-D',
  },
  {
    name: 'watched-in-order',
    what: 'Whoever follows the events of a sidecar misses none, unless it is told of a gap.',
    where: 'SPEC I11',
  },
  {
    name: 'convergence',
    what: 'Healed and quiet, every sidecar shows what the ledger holds, and nothing waits to be told.',
    where: 'SPEC P5, PROTOCOL §10.2',
  },
  {
    name: 'bounded-outbox',
    what: 'What waits for the bus stays within its bounds.',
    where: 'SPEC P8, L51 and L53',
  },
  {
    name: 'atomic-batch',
    what: 'An atomic batch takes effect whole or not at all.',
    where: 'SPEC I19',
  },
  {
    name: 'counters',
    what: 'A counter at rest is the sum of the increments that were acknowledged, and of some whose outcome is unknown.',
    where: 'SPEC P5, PROTOCOL §3',
  },
  {
    name: 'idempotent-retry',
    what: 'Attempts under one Idempotency-Key take effect once.',
    where: 'SPEC I12',
  },
  {
    name: 'fact-precedes-reply',
    what: 'What was answered as done is told, and what is told is never denied to its author.',
    where: 'SPEC I4 and I31',
  },
  {
    name: 'honest-refusal',
    what: 'A request that was refused has changed nothing.',
    where: 'docs/errors.md',
  },
  {
    name: 'self-agreement',
    what: 'What a sidecar holds is what a restart would bring back, to the last deadline and version.',
    where: 'SPEC P4',
  },
  {
    name: 'no-crash',
    what: 'No sidecar throws, or stops by itself, except where its disk has failed it.',
    where: 'SPEC I9',
  },
  {
    name: 'no-hang',
    what: 'A run comes to its end: nothing goes round in a circle.',
    where: 'SPEC P8',
  },
  {
    name: 'determinism',
    what: 'The same seed gives the same run, to the last event: the simulator itself is sound.',
    where: 'PROTOCOL §10.1',
  },
];

export function invariantOf(name: string): Invariant | undefined {
  return INVARIANTS.find((invariant) => invariant.name === name);
}
