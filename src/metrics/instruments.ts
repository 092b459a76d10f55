/**
 * Every instrument, once. What `/metrics` shows, what goes out by OTLP and docs/metrics.md are all
 * made from this table; `src/metering.ts` has a reading for each row, which the compiler proves.
 *
 * A row stands under its OpenTelemetry name. The Prometheus name follows from it by the rule that
 * collectors use too (`prometheus-name.ts`), so a dashboard works whichever way the numbers came.
 * Labels have values from closed lists, or from bounded ones like the namespaces; never keys, lease
 * ids, holders or callers.
 */
import {
  APPEND_MS, DELIVERY_MS, LATENESS_MS, LIFETIME_MS, LOOP_MS, REQUEST_MS, SYNC_MS,
} from '../measure/buckets.ts';
import type { Instrument } from './instrument.ts';

const NAMESPACE = 'a namespace; as many as `limits.namespaces`';
const ROUTE = 'method and path as OpenAPI has them, `none` before a route was found';

export const INSTRUMENTS = {
  'leasehold.leases.live': {
    kind: 'gauge', unit: '{lease}', countedIn: 'src/core/state.ts',
    description: 'Leases that live now, implicit ones too.',
  },
  'leasehold.entries.live': {
    kind: 'gauge', unit: '{entry}', countedIn: 'src/core/state.ts',
    description: 'Entries held now, without copies of what other sidecars hold.',
  },
  'leasehold.capacity.used': {
    kind: 'gauge', unit: '1', countedIn: 'src/core/state.ts',
    description: 'The fullest of leases, entries and bytes, as a share of its limit.',
  },
  'leasehold.namespace.leases.live': {
    kind: 'gauge', unit: '{lease}', countedIn: 'src/core/namespaces.ts',
    description: 'Leases of a namespace that live now.',
    labels: { namespace: NAMESPACE },
  },
  'leasehold.namespace.entries.live': {
    kind: 'gauge', unit: '{entry}', countedIn: 'src/core/namespaces.ts',
    description: 'Entries of a namespace held now.',
    labels: { namespace: NAMESPACE },
  },
  'leasehold.namespace.capacity.used': {
    kind: 'gauge', unit: '1', countedIn: 'src/core/namespaces.ts',
    description: 'The fullest of a namespace\'s leases, entries and bytes, as a share of its capacity.',
    labels: { namespace: NAMESPACE },
  },

  'leasehold.requests': {
    kind: 'counter', unit: '{request}', countedIn: 'src/http/request-counts.ts',
    description: 'Requests answered.',
    labels: { route: ROUTE, code: 'the HTTP status' },
  },
  'leasehold.request.duration': {
    kind: 'histogram', unit: 's', countedIn: 'src/http/request-counts.ts', bucketsMs: REQUEST_MS,
    description: 'From the head of a request to its answer, or to the head of an event stream.',
    labels: { route: ROUTE },
  },
  'leasehold.refusals': {
    kind: 'counter', unit: '{refusal}', countedIn: 'src/http/request-counts.ts',
    description: 'Requests refused, for whatever reason; parts of a batch are not counted one by one.',
    labels: {
      class: '`renew`, `read`, `put`, `grant`, `list`, `health`, or `none` before a route was found',
      code: 'a code of docs/errors.md',
    },
  },
  'leasehold.connections': {
    kind: 'gauge', unit: '{connection}', countedIn: 'src/http/connections.ts',
    description: 'Open connections of clients.',
  },
  'leasehold.watchers': {
    kind: 'gauge', unit: '{watcher}', countedIn: 'src/http/watchers.ts',
    description: 'Clients that follow the events now.',
  },
  'leasehold.watcher.resyncs': {
    kind: 'counter', unit: '{resync}', countedIn: 'src/http/watchers.ts',
    description: 'Times a watcher was told that facts were lost to it.',
  },

  'leasehold.endings': {
    kind: 'counter', unit: '{ending}', countedIn: 'src/engine/ending-counts.ts',
    description: 'Endings recorded: of leases that were asked for, and of entries.',
    labels: { reason: '`released`, `expired`, `revoked`, `superseded`, `deleted` or `evicted`' },
  },
  'leasehold.expiry.lateness': {
    kind: 'histogram', unit: 's', countedIn: 'src/engine/ending-counts.ts', bucketsMs: LATENESS_MS,
    description: 'From a deadline to its ending, of what fell due while the process ran.',
  },
  'leasehold.lease.lifetime': {
    kind: 'histogram', unit: 's', countedIn: 'src/engine/ending-counts.ts', bucketsMs: LIFETIME_MS,
    description: 'From the grant of a lease to its end, implicit leases too.',
  },
  'leasehold.evictions': {
    kind: 'counter', unit: '{entry}', countedIn: 'src/core/capacity.ts',
    description: 'Entries evicted to make room.',
  },

  'leasehold.journal.append': {
    kind: 'histogram', unit: 's', countedIn: 'src/journal/file-journal.ts', bucketsMs: APPEND_MS,
    description: 'Writing one group, which is what happened in one turn of the event loop.',
  },
  'leasehold.journal.sync': {
    kind: 'histogram', unit: 's', countedIn: 'src/journal/file-journal.ts', bucketsMs: SYNC_MS,
    description: 'Waiting for the disk to have what was written.',
  },
  'leasehold.journal.size': {
    kind: 'gauge', unit: 'By', countedIn: 'src/journal/file-journal.ts',
    description: 'Bytes of the journal on disk, its snapshot included.',
  },
  'leasehold.recovery': {
    kind: 'gauge', unit: 's', countedIn: 'src/engine/recovery.ts',
    description: 'How long this run took to read back the journal.',
  },
  'leasehold.recovery.replayed': {
    kind: 'counter', unit: '{record}', countedIn: 'src/engine/recovery.ts',
    description: 'Records of the journal that this run read back, those of the snapshot included.',
  },

  'leasehold.outbox.depth': {
    kind: 'gauge', unit: '{event}', countedIn: 'src/events/outbox.ts',
    description: 'Events that the bus has not acknowledged.',
  },
  'leasehold.outbox.capacity': {
    kind: 'gauge', unit: '{event}', countedIn: 'src/events/outbox.ts',
    description: 'Events that there is room for; 0 without a bus.',
  },
  'leasehold.outbox.oldest.age': {
    kind: 'gauge', unit: 's', countedIn: 'src/events/stream-publisher.ts',
    description: 'Age of the oldest event that the bus has not acknowledged; 0 without one.',
  },
  'leasehold.outbox.dropped': {
    kind: 'counter', unit: '{event}', countedIn: 'src/events/outbox-log.ts',
    description: 'Events left out because nobody could be refused for them; never endings.',
  },
  'leasehold.event.delivery': {
    kind: 'histogram', unit: 's', countedIn: 'src/events/stream-publisher.ts', bucketsMs: DELIVERY_MS,
    description: 'From a fact to the acknowledgement of its event by the bus.',
  },
  'leasehold.bus.failures': {
    kind: 'counter', unit: '{failure}', countedIn: 'src/events/stream-publisher.ts',
    description: 'Messages that the bus did not take; they are sent again.',
    labels: { kind: '`away`, `timeout`, `full`, `no-stream`, `denied` or `refused`' },
  },

  'leasehold.ledger.contact.age': {
    kind: 'gauge', unit: 's', countedIn: 'src/reconcile/ledger-gate.ts',
    description: 'Since the ledger last answered, or since the start before it did; 0 when embedded.',
  },
  'leasehold.ledger.unpushed': {
    kind: 'gauge', unit: '{key}', countedIn: 'src/reconcile/drain.ts',
    description: 'Changed keys that the ledger is not known to have.',
  },
  'leasehold.ledger.faults': {
    kind: 'counter', unit: '{fault}', countedIn: 'src/reconcile/tally.ts',
    description: 'Requests to the ledger that failed, and answers that were not trusted.',
    labels: {
      kind:
        '`unavailable`, `timeout`, `full`, `read-only`, `misconfigured`, `nonsense`, `stale`, ' +
        '`lost-history`, `corrupt` or `went-back`',
    },
  },
  'leasehold.rounds': {
    kind: 'counter', unit: '{round}', countedIn: 'src/reconcile/tally.ts',
    description: 'Truth checks of a partition that came to an end, and rounds that failed.',
    labels: { outcome: '`in-step`, `repaired` or `failed`' },
  },
  'leasehold.repairs': {
    kind: 'counter', unit: '{record}', countedIn: 'src/reconcile/tally.ts',
    description: 'Records put right because memory and ledger differed, or memory and journal.',
    labels: {
      kind:
        'with the ledger `pushed` (told again), `pulled` (taken in) or `ended`; with the journal ' +
        '`missing`, `surplus`, `altered`, `misfits`, or `damaged` for a file',
    },
  },
  'leasehold.self_checks': {
    kind: 'counter', unit: '{check}', countedIn: 'src/self-check/self-check.ts',
    description: 'Looks at whether memory is what a restart would bring back.',
    labels: { outcome: '`same`, `differs`, `damaged`, `overtaken` by a snapshot or `given-up`' },
  },
  'leasehold.conflicts': {
    kind: 'counter', unit: '{record}', countedIn: 'src/reconcile/tally.ts',
    description: 'Pushed values that met others, gave way, or were refused because of them.',
    labels: { policy: '`lww`, `siblings`, `ownerWins`, `counter` or `firstWins`' },
  },
  'leasehold.rollbacks': {
    kind: 'counter', unit: '{rollback}', countedIn: 'src/reconcile/room.ts',
    description: 'Partitions in which the ledger had lost what it once acknowledged.',
  },

  'leasehold.pressure.level': {
    kind: 'gauge', unit: '{level}', countedIn: 'src/admission/pressure.ts',
    description: '0 nominal, 1 elevated, 2 high, 3 critical.',
  },
  'leasehold.pressure.fill': {
    kind: 'gauge', unit: '1', countedIn: 'src/admission/pressure.ts',
    description: 'How full the fullest thing of each source is; 1 is its limit.',
    labels: { source: '`outbox`, `ledger`, `journal`, `memory` or `loop`' },
  },
  'leasehold.loop.delay': {
    kind: 'histogram', unit: 's', countedIn: 'src/admission/admission.ts', bucketsMs: LOOP_MS,
    description: 'How late a timer fires, ten times a second: what a newcomer waits for its turn.',
  },
  'leasehold.clock.gaps': {
    kind: 'counter', unit: '{gap}', countedIn: 'src/measure/clock-gaps.ts',
    description: 'Times the wall clock jumped: the host was suspended or restored, or its clock set.',
  },
  'leasehold.ready': {
    kind: 'gauge', unit: '{sidecar}', countedIn: 'src/operations.ts',
    description: '1 while the sidecar is ready, 0 while it is not.',
  },
  'leasehold.readiness.reasons': {
    kind: 'gauge', unit: '{reason}', countedIn: 'src/readiness.ts',
    description: '1 for each reason why the sidecar is not simply ready, 0 for the others.',
    labels: { reason: 'a reason of docs/runbook' },
  },
  'leasehold.memory.limit': {
    kind: 'gauge', unit: 'By', countedIn: 'src/config/derive.ts',
    description: 'What the process may use; the worst case of the configuration is below it.',
  },
  'leasehold.build.info': {
    kind: 'gauge', unit: '{build}', countedIn: 'src/version.ts',
    description: '1, with the versions of Leasehold and of the runtime.',
    labels: { version: 'the release', node: 'the release of Node.js' },
  },

  'process.cpu.time': {
    kind: 'counter', unit: 's', countedIn: 'src/metering.ts',
    prometheusName: 'process_cpu_seconds_total',
    description: 'Processor time used, user and system.',
  },
  'process.memory.usage': {
    kind: 'gauge', unit: 'By', countedIn: 'src/machine/system-machine.ts',
    prometheusName: 'process_resident_memory_bytes',
    description: 'Resident memory.',
  },
  'process.start_time': {
    kind: 'gauge', unit: 's', countedIn: 'src/metering.ts',
    description: 'When the process started, in seconds of Unix time.',
  },
} as const satisfies Readonly<Record<string, Instrument>>;

export type InstrumentName = keyof typeof INSTRUMENTS;
