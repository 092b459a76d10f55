/** Mistakes with leases: when they end, how often, and how far they are extended. */
import { fault, type PlantedFault } from './planted-fault.ts';

export const LEASE_FAULTS: readonly PlantedFault[] = [
  // Every expiry that the sweep finds is up to a millisecond before its deadline. Both places: a
  // wheel that comes early finds the lease alive, a sweep that judges early is asked on time.
  fault({
    name: 'sweep-a-tick-early',
    what: 'The sweep ends a lease one tick before its deadline.',
    edits: [
      {
        file: 'src/core/timing-wheel.ts',
        find: 'this.#positionOf(Math.ceil(deadline))',
        replace: 'this.#positionOf(Math.ceil(deadline) - 1)',
      },
      {
        file: 'src/core/core.ts',
        find: 'if (deadline > state.now) return deadline;',
        replace: 'if (deadline - 1 > state.now) return deadline;',
      },
    ],
    invariants: ['no-early-expiry'],
  }),
  // Reads in the last milliseconds find nothing; a write there ends the value before its time.
  fault({
    name: 'gone-before-its-deadline',
    what: 'A lease counts as over when less than 20 ms of it are left.',
    edits: [
      {
        file: 'src/core/lease-table.ts',
        find: 'this.state[slot] === LIVE && now < this.deadline[slot]!',
        replace: 'this.state[slot] === LIVE && now + 20 < this.deadline[slot]!',
      },
    ],
    invariants: ['no-early-expiry'],
  }),
  // Between a deadline and the sweep: a millisecond in good times, so the sweep takes its time too,
  // which is allowed as long as nobody can tell.
  fault({
    name: 'expired-value-served',
    what: 'A read does not compare deadlines and serves what a sweep in no hurry has not reached.',
    edits: [
      {
        file: 'src/core/tables.ts',
        find: 'return this.leases.isLive(lease, this.now);',
        replace: 'return this.leases.isLiveRow(lease);',
      },
      {
        file: 'src/core/timing-wheel.ts',
        find: 'this.#positionOf(Math.ceil(deadline))',
        replace: 'this.#positionOf(Math.ceil(deadline) + 250)',
      },
    ],
    invariants: ['no-late-expiry', 'no-resurrection', 'monotone-session'],
  }),
  // Any renewal that comes after the end: late, delayed, or repeated behind a release.
  fault({
    name: 'renewal-revives-ended',
    what: 'The renewal of a lease that has ended grants it again instead of being refused.',
    edits: [
      {
        file: 'src/core/leases.ts',
        find: `  const lease = liveLease(state, command.id, 'renew', command.bearer);
  if (typeof lease !== 'number') return lease;`,
        replace: `  let lease = liveLease(state, command.id, 'renew', command.bearer);
  if (typeof lease !== 'number' && lease.refused === 'lease-ended') {
    const ended = leaseView(state, leases.find(command.id));
    if (!ended.implicit) grant(state, { ...ended, op: 'grant' });
    lease = liveLease(state, command.id, 'renew', command.bearer);
  }
  if (typeof lease !== 'number') return lease;`,
      },
    ],
    invariants: ['no-resurrection', 'one-ending'],
  }),
  // A renewal without a TTL of a lease that was granted with a long one.
  fault({
    name: 'renewal-shortens',
    what: "A renewal gives the TTL of the namespace, not the lease's own, and moves a later deadline back.",
    edits: [
      {
        file: 'src/core/leases.ts',
        find: 'const givenMs = command.ttlMs ?? stretchedTtl(state, namespace, ownMs);',
        replace:
          'const givenMs = command.ttlMs ?? stretchedTtl(state, namespace, namespace.contract.ttl.defaultMs);',
      },
      {
        file: 'src/core/leases.ts',
        find: 'let deadline = Math.max(leases.deadline[lease]!, allowed);',
        replace: 'let deadline = allowed;',
      },
    ],
    invariants: ['monotone-deadline', 'no-early-expiry'],
  }),
  // A release that comes after the expiry, or is repeated: a second ending, with another reason.
  fault({
    name: 'release-ends-again',
    what: 'The release of a lease that has ended already tells its ending once more.',
    edits: [
      {
        file: 'src/core/leases.ts',
        find: `  if (settleLease(state, lease)) {
    endLease(state, lease, command.reason ?? 'released', command.cause);
  }`,
        replace: `  settleLease(state, lease);
  endLease(state, lease, command.reason ?? 'released', command.cause);`,
      },
    ],
    invariants: ['one-ending', 'capacity', 'no-crash'],
  }),
  // The end of a lease with three entries or more, unless a command touches their keys afterwards.
  fault({
    name: 'entries-of-large-lease-untold',
    what: 'Entries that do not end in the same step as their lease are forgotten, not left to the sweep.',
    edits: [
      {
        file: 'src/core/endings.ts',
        find: 'const INLINE_ENTRIES = 32;',
        replace: 'const INLINE_ENTRIES = 2;',
      },
      {
        file: 'src/core/endings.ts',
        find: '    state.draining.push(lease);\n',
        replace: '',
      },
    ],
    invariants: ['every-ending-told', 'convergence', 'no-late-expiry'],
  }),
  // A crash that lasts longer than some lease had left.
  fault({
    name: 'ending-in-downtime-untold',
    what: 'A lease that fell due while the process was down ends without being told.',
    edits: [
      {
        file: 'src/core/endings.ts',
        find: 'state.facts.leaseEnded(state.namespaceOfLease(lease), lease, cause);',
        replace:
          "if (cause !== 'downtime') state.facts.leaseEnded(state.namespaceOfLease(lease), lease, cause);",
      },
    ],
    invariants: ['every-ending-told'],
  }),
  // A partition between sidecar and ledger that outlasts the autonomy bound: others end the values
  // for silence while their holder has been promised more.
  // A bus that is away while a small namespace is filled, emptied and filled again.
  fault({
    name: 'owed-endings-not-charged',
    what: 'Endings that the bus has not acknowledged do not count against the capacity.',
    edits: [
      {
        file: 'src/core/capacity.ts',
        find: "if (owed === 0 || namespace.contract.capacity.eviction === 'refuse') return owed;",
        replace: "if (owed === 0 || namespace.contract.capacity.eviction === 'refuse') return 0;",
      },
    ],
    invariants: ['capacity', 'bounded-outbox'],
  }),
  // Any lease longer than the autonomy bound, and no restart: only who compares memory with the journal
  // sees it before one.
  fault({
    name: 'confirmed-deadline-unrecorded',
    what: 'A deadline that waited for the ledger is moved in memory, and the journal is not told.',
    edits: [
      {
        file: 'src/core/ledger-view.ts',
        find: '  state.noteRenewal(lease);',
        replace: '',
      },
    ],
    invariants: ['self-agreement', 'acknowledged-is-kept', 'no-early-expiry'],
  }),
];
