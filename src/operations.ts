/**
 * The process as its operators see it: one status page, and whether it is ready, alive, and in
 * step with its ledger.
 */
import type { Config, NamespaceConfig } from './config/config.ts';
import { contractOf } from './config/contract-of.ts';
import type { Flags } from './config/flags.ts';
import type { WorstCase } from './config/derive.ts';
import type { Core } from './core/core.ts';
import type { Engine } from './engine/engine.ts';
import type { Feed } from './engine/feed.ts';
import type { IdempotencyMemory } from './engine/idempotency.ts';
import type { RecoveryProgress, RecoverySummary } from './engine/recovery.ts';
import type { Rejection } from './errors.ts';
import type { Operations, Readiness } from './http/operations.ts';
import type { Journal } from './journal/journal.ts';
import type { Log } from './log/log.ts';
import { type Machine, repeat } from './machine/machine.ts';
import { Metering } from './metering.ts';
import { type DegradedReason, ordered, READINESS_REASONS } from './readiness.ts';
import { VERSION } from './version.ts';

/** The loop counts as standing still when it has not turned for this long. */
const STALL_MS = 10_000;
const BEAT_MS = 500;

/** What exists once recovery is over. */
export interface RunningParts {
  readonly core: Core;
  readonly engine: Engine;
  readonly journal: Journal;
  readonly recovery: RecoverySummary;
}

/** Whether memory and journal agree. */
export interface SelfChecking {
  status(): object;
  /** Why the sidecar is degraded. */
  reasons(): readonly DegradedReason[];
}

/** What the rounds with a ledger outside the process tell of themselves. */
export interface Reconciliation {
  /** Parts of the status page: how the ledger is, what the rounds did, what they got back. */
  status(): {
    readonly ledger: object;
    readonly rounds: object;
    readonly pathways?: { readonly ledger: object; readonly mirrors: object };
  };
  /** Why the sidecar is degraded; none: it is in step. */
  reasons(): readonly DegradedReason[];
  /** A round over everything, now; `dryRun` only reports what it would do. */
  reconcile(request: { readonly dryRun: boolean }): Promise<object | Rejection>;
}

/** What goes to the bus. */
export interface Publishing {
  status(): { readonly bus: object; readonly outbox: object };
  /** Why the sidecar is degraded. */
  reasons(): readonly DegradedReason[];
}

/** Whose tokens hold. */
export interface Guarded {
  /** Why the sidecar is degraded. */
  reasons(): readonly DegradedReason[];
}

/** Who is let in, and why not. */
export interface Pressed {
  status(): object;
  /** Why the sidecar is degraded. */
  reasons(): readonly DegradedReason[];
}

/** A part that can say what it did. */
export interface Counting {
  status(): object;
}

export type Phase = 'recovering' | 'ready' | 'draining' | 'failed';

export class SidecarOperations implements Operations {
  phase: Phase = 'recovering';
  recoveryProgress: RecoveryProgress | undefined;
  running: RunningParts | undefined;
  /** Absent with the embedded ledger: there is nothing to be in step with. */
  reconciliation: Reconciliation | undefined;
  /** Absent where there are no tokens. */
  tokens: Guarded | undefined;
  /** Absent until the edge is there. */
  admission: Pressed | undefined;
  /** Absent until recovery is over. */
  selfCheck: SelfChecking | undefined;
  /** Absent without a bus. */
  publishing: Publishing | undefined;
  /** Absent where no namespace has a rebuild hook. */
  reconstitution: Counting | undefined;
  /** What the feature flags are now. */
  flags: () => Flags;
  readonly metering: Metering;
  readonly #config: Config;
  readonly #worstCase: WorstCase;
  readonly #actor: string;
  readonly #feed: Feed;
  readonly #idempotency: IdempotencyMemory;
  readonly #machine: Machine;
  readonly #startedAt: number;
  #beatAt: number;
  readonly #endBeat: () => void;
  #seenReasons = '';
  #toldReasons = '';

  constructor(parts: {
    readonly config: Config;
    readonly worstCase: WorstCase;
    readonly actor: string;
    readonly feed: Feed;
    readonly idempotency: IdempotencyMemory;
    readonly machine: Machine;
    readonly log: Pick<Log, 'info' | 'warn'>;
  }) {
    this.#config = parts.config;
    this.flags = () => parts.config.flags;
    this.#worstCase = parts.worstCase;
    this.#actor = parts.actor;
    this.#feed = parts.feed;
    this.#idempotency = parts.idempotency;
    this.#machine = parts.machine;
    this.metering = new Metering({
      config: parts.config, machine: parts.machine, readiness: () => this.readiness(),
    });
    this.#startedAt = this.#beatAt = parts.machine.monotonicMs();
    this.#endBeat = repeat(parts.machine, BEAT_MS, () => {
      this.#beatAt = this.#machine.monotonicMs();
      this.metering.lookAtClocks();
      this.#tellChange(parts.log);
    });
  }

  close(): void {
    this.#endBeat();
  }

  alive(): boolean {
    return this.#machine.monotonicMs() - this.#beatAt < STALL_MS;
  }

  readiness(): Readiness {
    if (this.phase === 'failed') {
      return { ready: false, state: 'failed', reasons: ['journal-failed'] };
    }
    if (this.phase !== 'ready') {
      return { ready: false, state: this.phase, reasons: [this.phase] };
    }
    const full: readonly DegradedReason[] = this.running?.journal.state === 'full' ? ['journal-full'] : [];
    const reasons = ordered([
      ...full,
      ...(this.tokens?.reasons() ?? []),
      ...(this.selfCheck?.reasons() ?? []),
      ...(this.reconciliation?.reasons() ?? []),
      ...(this.publishing?.reasons() ?? []),
      ...(this.admission?.reasons() ?? []),
    ]);
    if (reasons.length === 0) return { ready: true, state: 'ready', reasons };
    const ready = reasons.every((reason) => READINESS_REASONS[reason].ready);
    return { ready, state: 'degraded', reasons };
  }

  /** Logs what it is degraded by once that has stood for a beat, and that it is over. */
  #tellChange(log: Pick<Log, 'info' | 'warn'>): void {
    if (this.phase !== 'ready') return;
    const { reasons } = this.readiness();
    const now = reasons.join();
    const stands = now === this.#seenReasons;
    this.#seenReasons = now;
    if (!stands || now === this.#toldReasons) return;
    this.#toldReasons = now;
    if (reasons.length === 0) log.info({ reasons }, 'ready again');
    else log.warn({ reasons }, 'degraded');
  }

  metrics(seen: Seen = () => true): string {
    return this.metering.prometheusText(seen);
  }

  async reconcile(request: { readonly dryRun: boolean }): Promise<object | Rejection> {
    if (this.reconciliation !== undefined) return this.reconciliation.reconcile(request);
    // With the embedded ledger there is nothing apart from this process to be out of step with.
    return { dryRun: request.dryRun, ledger: 'embedded', outcome: 'in-step', repairs: [] };
  }

  status(seen: Seen = () => true): object {
    const config = this.#config;
    const { limits } = config;
    const running = this.running;
    const usage = running?.core.usage();
    const now = running?.engine.now() ?? 0;
    const counts = new Map(usage?.namespaces.map((namespace) => [namespace.name, namespace]));
    const contractFor = contractOf(config);
    const names = new Set([...config.namespaces.map(({ name }) => name), ...counts.keys()]);
    const namespaces = [...names].filter(seen).map((name) => {
      const contract = contractFor(name);
      const held = counts.get(name) ?? { leases: 0, entries: 0, bytes: 0 };
      return {
        name,
        owner: contract.owner,
        class: contract.class,
        durability: contract.durability,
        atRisk: riskOf(contract),
        conflict: contract.conflict,
        mirror: contract.mirror,
        leases: held.leases,
        entries: held.entries,
        bytes: held.bytes,
        capacity: contract.capacity,
      };
    });
    const memory = process.memoryUsage();
    const { ready, state, reasons } = this.readiness();
    const reconciled = this.reconciliation?.status();
    const published = this.publishing?.status();
    return {
      replica: config.name,
      actor: this.running?.core.actor ?? this.#actor,
      version: VERSION,
      uptimeMs: Math.round(this.#machine.monotonicMs() - this.#startedAt),
      ready,
      state,
      reasons,
      namespaces,
      leases: { live: usage?.leases ?? 0, endedRemembered: usage?.endedRemembered ?? 0 },
      entries: { live: usage?.entries ?? 0, evictions: usage?.evictions ?? 0 },
      capacity: {
        leases: { used: usage?.leases ?? 0, limit: limits.leases },
        entries: { used: usage?.entries ?? 0, limit: limits.entries },
        bytes: { used: usage?.slabUsedBytes ?? 0, limit: limits.bytes },
      },
      pressure: this.admission?.status() ?? { level: 'nominal', fill: 0 },
      journal:
        running === undefined
          ? { state: 'recovering' }
          : { ...running.journal.status(), selfCheck: this.selfCheck?.status() ?? null },
      recovery: running?.recovery ?? { progress: this.recoveryProgress ?? null },
      ledger: isolatedAmong(reconciled?.ledger ?? { kind: 'embedded', state: 'connected' }, seen),
      bus: published?.bus ?? { kind: 'embedded', state: 'connected' },
      outbox: published?.outbox ?? { depth: 0, capacity: 0 },
      rounds: reconciled?.rounds ?? [],
      flags: this.flags(),
      pathways: {
        journal: { leases: running?.recovery.leases ?? 0, entries: running?.recovery.entries ?? 0 },
        ledger: reconciled?.pathways?.ledger ?? null,
        mirrors: reconciled?.pathways?.mirrors ?? null,
        reconstitute: byNamespace(this.reconstitution?.status(), seen),
      },
      feed: { held: this.#feed.held, limit: limits.feed.facts, watchers: this.#feed.readers },
      idempotency: {
        entries: this.#idempotency.size,
        bytes: this.#idempotency.bytes,
        windowMs: Math.round(this.#idempotency.windowMs(now)),
      },
      memory: {
        residentBytes: memory.rss,
        heapUsedBytes: memory.heapUsed,
        limitBytes: config.memoryLimitBytes,
        worstCaseBytes: this.#worstCase.bytes,
        worstCase: this.#worstCase.lines,
        slabHeldBytes: usage?.slabHeldBytes ?? 0,
      },
    };
  }
}

type Seen = (namespace: string) => boolean;

/** The ledger's part, without the isolated namespaces that are not seen. */
function isolatedAmong(ledger: object, seen: Seen): object {
  if (!('isolated' in ledger) || !Array.isArray(ledger.isolated)) return ledger;
  return { ...ledger, isolated: ledger.isolated.filter((name) => seen(String(name))) };
}

/** What is counted by namespace, without those that are not seen. */
function byNamespace(counted: object | undefined, seen: Seen): object | null {
  if (counted === undefined) return null;
  return Object.fromEntries(Object.entries(counted).filter(([name]) => seen(name)));
}

/** What a namespace may still lose, in words an operator can act on. */
function riskOf({ durability, ledgerAck }: NamespaceConfig): string {
  return durability === 'ledger' ? AT_RISK_IN_LEDGER[ledgerAck] : AT_RISK[durability];
}

const AT_RISK = {
  memory: 'everything, when the process ends',
  journal: 'the last moments, when the machine loses power',
  fsync: 'nothing, while the disk keeps what it has synced',
} as const;

const AT_RISK_IN_LEDGER = {
  applied: 'the last moments, when pod and disk are lost while the ledger fails over',
  replicated: 'the last moments, when pod and disk are lost while the ledger loses its hosts',
  fsynced: 'nothing, while this disk or that of the ledger keeps what it has synced',
} as const;
