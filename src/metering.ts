/**
 * Where each metric is read: every part counts for itself, in plain numbers, and is asked only when
 * somebody looks. Nothing here runs on the way of a request.
 */
import type { Admission } from './admission/admission.ts';
import { LEVELS } from './admission/classes.ts';
import type { Config } from './config/config.ts';
import { contractOf } from './config/contract-of.ts';
import type { Core, CoreUsage } from './core/core.ts';
import { END_REASONS } from './core/fact-format.ts';
import type { Engine } from './engine/engine.ts';
import type { RecoverySummary } from './engine/recovery.ts';
import type { Outbox } from './events/outbox.ts';
import type { HttpServer } from './http/server.ts';
import type { Journal } from './journal/journal.ts';
import type { Machine } from './machine/machine.ts';
import { DELIVERY_MS } from './measure/buckets.ts';
import { ClockGaps } from './measure/clock-gaps.ts';
import { Histogram } from './measure/histogram.ts';
import type { Family, MetricReadings, Point } from './metrics/instrument.ts';
import { INSTRUMENTS, type InstrumentName } from './metrics/instruments.ts';
import { prometheusText } from './metrics/prometheus-text.ts';
import type { Publishing } from './publishing.ts';
import { READINESS_CODES, type ReadinessReason } from './readiness.ts';
import type { Reconciliation } from './reconcile/reconciliation.ts';
import { Tally } from './reconcile/tally.ts';
import type { SelfCheck } from './self-check/self-check.ts';
import { VERSION } from './version.ts';

const MS_PER_S = 1000;
const MICROS_PER_S = 1e6;

/** What exists once the journal has been read. */
export interface MeteredRun {
  readonly core: Core;
  readonly engine: Engine;
  readonly journal: Journal;
  readonly recovery: RecoverySummary;
}

export interface MeteringParts {
  readonly config: Config;
  readonly machine: Machine;
  readonly readiness: () => { readonly ready: boolean; readonly reasons: readonly ReadinessReason[] };
}

export class Metering implements MetricReadings {
  readonly #parts: MeteringParts;
  readonly startedWallMs: number;
  readonly #startedMs: number;
  readonly #clockGaps: ClockGaps;
  /** Each is there from some moment of the start on, or never. */
  http: HttpServer | undefined;
  admission: Admission | undefined;
  running: MeteredRun | undefined;
  reconciliation: Reconciliation | undefined;
  selfCheck: SelfCheck | undefined;
  outbox: Outbox | undefined;
  publishing: Publishing | undefined;

  constructor(parts: MeteringParts) {
    const { machine } = parts;
    this.#parts = parts;
    this.startedWallMs = machine.wallMs();
    this.#startedMs = machine.monotonicMs();
    this.#clockGaps = new ClockGaps(machine);
  }

  /** To be called about once a second. Returns by how much the wall clock jumped; 0: it did not. */
  lookAtClocks(): number {
    return this.#clockGaps.look();
  }

  /** Every instrument with its series as they are now. What is not there yet has none. */
  families(): readonly Family[] {
    const reading = this.#read();
    return NAMES.map((name) => ({
      name, instrument: INSTRUMENTS[name], points: READINGS[name](reading),
    }));
  }

  /** Without series of namespaces that are not `seen`. */
  prometheusText(seen: (namespace: string) => boolean): string {
    return prometheusText(this.families().map((family) => ofNamespaces(family, seen)));
  }

  #read(): Reading {
    const { config, machine, readiness } = this.#parts;
    const { http, admission, running, reconciliation, outbox, publishing, selfCheck } = this;
    return {
      config, http, admission, running, outbox, publishing, selfCheck,
      readiness: readiness(),
      usage: running?.core.usage(),
      ledger: reconciliation?.status().ledger,
      tally: reconciliation?.tally ?? NOTHING_RECONCILED,
      clockGaps: this.#clockGaps.count,
      residentBytes: machine.residentBytes(),
      startedWallMs: this.startedWallMs,
      upMs: machine.monotonicMs() - this.#startedMs,
    };
  }
}

/** The parts as they are while one collection is made. */
interface Reading {
  readonly config: Config;
  readonly readiness: ReturnType<MeteringParts['readiness']>;
  readonly http: HttpServer | undefined;
  readonly admission: Admission | undefined;
  readonly running: MeteredRun | undefined;
  readonly usage: CoreUsage | undefined;
  readonly outbox: Outbox | undefined;
  readonly publishing: Publishing | undefined;
  readonly ledger: ReturnType<Reconciliation['status']>['ledger'] | undefined;
  readonly tally: Tally;
  readonly selfCheck: SelfCheck | undefined;
  readonly clockGaps: number;
  readonly residentBytes: number;
  readonly startedWallMs: number;
  readonly upMs: number;
}

const NAMES = Object.keys(INSTRUMENTS) as readonly InstrumentName[];

/** The embedded ledger is part of this process: there is nothing to be out of step with. */
const NOTHING_RECONCILED = new Tally();
const NOTHING_DELIVERED = new Histogram(DELIVERY_MS);

const one = (value: number | Histogram | undefined): Point[] =>
  value === undefined ? [] : [{ labels: [], value }];

const each = (counts: Readonly<Record<string, number>>): Point[] =>
  Object.entries(counts).map(([label, value]) => ({ labels: [label], value }));

const READINGS: Readonly<Record<InstrumentName, (reading: Reading) => readonly Point[]>> = {
  'leasehold.leases.live': ({ usage }) => one(usage?.leases),
  'leasehold.entries.live': ({ usage }) => one(usage?.entries),
  'leasehold.capacity.used': ({ usage, config: { limits } }) =>
    one(usage && fullest(limits, usage.leases, usage.entries, usage.slabUsedBytes)),
  'leasehold.namespace.leases.live': ({ usage }) =>
    (usage?.namespaces ?? []).map(({ name, leases }) => ({ labels: [name], value: leases })),
  'leasehold.namespace.entries.live': ({ usage }) =>
    (usage?.namespaces ?? []).map(({ name, entries }) => ({ labels: [name], value: entries })),
  'leasehold.namespace.capacity.used': ({ usage, config }) => {
    const contract = contractOf(config);
    return (usage?.namespaces ?? []).map(({ name, leases, entries, bytes }) => ({
      labels: [name], value: fullest(contract(name).capacity, leases, entries, bytes),
    }));
  },

  'leasehold.requests': ({ http }) =>
    [...(http?.counts.answers() ?? [])].map(({ route, status, count }) => ({
      labels: [route, String(status)], value: count,
    })),
  'leasehold.request.duration': ({ http }) =>
    (http?.counts.durationsMs ?? []).flatMap((value, index) =>
      value.count === 0 ? [] : [{ labels: [http!.counts.routes[index]!], value }],
    ),
  'leasehold.refusals': ({ http }) =>
    [...(http?.counts.refusals() ?? [])].map(({ class: kind, code, count }) => ({
      labels: [kind, code], value: count,
    })),
  'leasehold.connections': ({ http }) => one(http?.connections),
  'leasehold.watchers': ({ http }) => one(http?.watchers),
  'leasehold.watcher.resyncs': ({ http }) => one(http?.resyncs),

  'leasehold.endings': ({ running }) =>
    running === undefined
      ? []
      : END_REASONS.map((reason) => ({ labels: [reason], value: running.engine.endings.of(reason) })),
  'leasehold.expiry.lateness': ({ running }) => one(running?.engine.endings.latenessMs),
  'leasehold.lease.lifetime': ({ running }) => one(running?.engine.endings.lifetimeMs),
  'leasehold.evictions': ({ usage }) => one(usage?.evictions),

  'leasehold.journal.append': ({ running }) => one(running?.journal.timings.appendMs),
  'leasehold.journal.sync': ({ running }) => one(running?.journal.timings.syncMs),
  'leasehold.journal.size': ({ running }) => one(running?.journal.status().bytes),
  'leasehold.recovery': ({ running }) => one(running && running.recovery.durationMs / MS_PER_S),
  'leasehold.recovery.replayed': ({ running }) =>
    one(running && running.recovery.snapshotRecords + running.recovery.replayedRecords),

  'leasehold.outbox.depth': ({ outbox }) =>
    one(outbox === undefined ? 0 : outbox.endings.pending + outbox.events.pending),
  'leasehold.outbox.capacity': ({ outbox }) =>
    one(outbox === undefined ? 0 : outbox.limits.endings + outbox.limits.events),
  'leasehold.outbox.oldest.age': ({ publishing }) =>
    one((publishing?.publisher.oldestAgeMs ?? 0) / MS_PER_S),
  'leasehold.outbox.dropped': ({ outbox }) => one(outbox?.events.dropped ?? 0),
  'leasehold.event.delivery': ({ publishing }) =>
    one(publishing?.publisher.deliveryMs ?? NOTHING_DELIVERED),
  'leasehold.bus.failures': ({ publishing }) => each(publishing?.publisher.failures() ?? NO_FAILURES),

  'leasehold.ledger.contact.age': ({ ledger, upMs }) =>
    one(ledger === undefined ? 0 : (ledger.contactAgeMs ?? upMs) / MS_PER_S),
  'leasehold.ledger.unpushed': ({ ledger }) => one(ledger?.unpushed ?? 0),
  'leasehold.ledger.faults': ({ tally }) => each(tally.faults),
  'leasehold.rounds': ({ tally }) => each(tally.rounds),
  'leasehold.repairs': ({ tally, selfCheck }) => each({ ...tally.repairs, ...selfCheck?.differences }),
  'leasehold.self_checks': ({ selfCheck }) => each(selfCheck?.outcomes ?? {}),
  'leasehold.conflicts': ({ tally }) => each(tally.conflictsBy),
  'leasehold.rollbacks': ({ tally }) => one(tally.rollbacks),

  'leasehold.pressure.level': ({ admission }) =>
    one(admission && LEVELS.indexOf(admission.pressure.level)),
  'leasehold.pressure.fill': ({ admission }) => each(admission?.fills() ?? {}),
  'leasehold.loop.delay': ({ admission }) => one(admission?.timerDelayMs),
  'leasehold.clock.gaps': ({ clockGaps }) => one(clockGaps),
  'leasehold.ready': ({ readiness }) => one(readiness.ready ? 1 : 0),
  'leasehold.readiness.reasons': ({ readiness }) =>
    READINESS_CODES.map((code) => ({ labels: [code], value: readiness.reasons.includes(code) ? 1 : 0 })),
  'leasehold.memory.limit': ({ config }) => one(config.memoryLimitBytes),
  'leasehold.build.info': () => [{ labels: [VERSION, process.versions.node], value: 1 }],

  'process.cpu.time': () => {
    const { user, system } = process.cpuUsage();
    return one((user + system) / MICROS_PER_S);
  },
  'process.memory.usage': ({ residentBytes }) => one(residentBytes),
  'process.start_time': ({ startedWallMs }) => one(startedWallMs / MS_PER_S),
};

const NO_FAILURES = { away: 0, timeout: 0, full: 0, 'no-stream': 0, denied: 0, refused: 0 };

function fullest(
  limits: { readonly leases: number; readonly entries: number; readonly bytes: number },
  leases: number,
  entries: number,
  bytes: number,
): number {
  return Math.max(leases / limits.leases, entries / limits.entries, bytes / limits.bytes);
}

function ofNamespaces(family: Family, seen: (namespace: string) => boolean): Family {
  const at = Object.keys(family.instrument.labels ?? {}).indexOf('namespace');
  if (at < 0) return family;
  return { ...family, points: family.points.filter(({ labels }) => seen(labels[at]!)) };
}
