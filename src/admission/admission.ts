/**
 * Who is let in, put together: levels from signals, a limit from the loop, quotas, and refusals
 * that are paced. Everything that takes time is done ten times a second; while there is nothing to
 * refuse, a request costs one count and the look at one flag.
 */
import type { Command } from '../core/command.ts';
import { type ErrorCode, reject, type Rejection } from '../errors.ts';
import type { LoopReading } from '../machine/machine.ts';
import { LOOP_MS } from '../measure/buckets.ts';
import { Histogram } from '../measure/histogram.ts';
import type { DegradedReason } from '../readiness.ts';
import type { Scheduler } from '../resilience/scheduler.ts';
import { refusedAt, type RequestClass, type Sheddable } from './classes.ts';
import { Limit } from './limit.ts';
import { LoopDelay } from './loop-delay.ts';
import { Pacer } from './pacer.ts';
import { type Gauge, PressureGauges, rounded } from './pressure.ts';
import { type Caller, type QuotaRefusal, Quotas } from './quotas.ts';
import { rateLimitFields } from './rate-limit-fields.ts';
import { retryAfterMs } from './retry-after.ts';
import type { AdmissionSettings, QuotaSettings } from './settings.ts';
import type { Pressure, PressureSource, Signal } from './signals.ts';

/** Short enough to see a queue before it is felt, long enough for its mean to mean something. */
export const WINDOW_MS = 100;

export interface AdmissionParts {
  readonly settings: AdmissionSettings;
  readonly quotas: QuotaSettings;
  readonly scheduler: Scheduler;
  readonly readLoop: () => LoopReading;
  /** Calls what it is given once, at the end of this turn of the loop. */
  readonly afterTurn: (work: () => void) => void;
  /** Unix milliseconds, for people. */
  readonly wallMs: () => number;
  /** Called once per crossing of a level, with what it was before. */
  readonly onChange: (pressure: Pressure, previous: Pressure) => void;
}

/** What an error says that its queue is; the rest is over when nobody can tell. */
const SOURCE_OF: Readonly<Partial<Record<ErrorCode, PressureSource>>> = {
  capacity: 'outbox',
  'journal-full': 'journal',
  'ledger-unavailable': 'ledger',
  isolated: 'ledger',
};
/** Too many at once: over as soon as some of them are answered. */
const CROWD_MS = 100;

const NAMES: Readonly<Record<RequestClass, string>> = {
  renew: 'renewals', read: 'reads', put: 'writes', grant: 'grants', list: 'listings',
};

/** A refusal for load, with when to come back. */
export interface LoadRefusal extends Rejection {
  readonly retryAfterMs: number;
  /** Only the loop is short, and there may be room in a moment. */
  readonly waitsAs?: Sheddable;
}

export interface Pacing {
  readonly kind: RequestClass;
  /** Whatever stands for the connection. */
  readonly connection: object;
  readonly refusal: LoadRefusal;
  readonly refuse: () => void;
  /** Absent: it cannot be taken on any more. */
  readonly admit?: () => void;
}

export class Admission {
  readonly #scheduler: Scheduler;
  readonly #random: () => number;
  readonly #wallMs: () => number;
  readonly #onChange: AdmissionParts['onChange'];
  readonly #gauges: PressureGauges;
  readonly #loop: LoopDelay;
  readonly #limit: Limit;
  readonly #quotas: Quotas;
  readonly #pacer: Pacer;
  readonly #refused: Record<RequestClass, number> = { renew: 0, read: 0, put: 0, grant: 0, list: 0 };
  /** The signal for which a class is refused as a whole. */
  #refusedFor: Partial<Record<Sheddable, Gauge>> = {};
  /** Whether `refusal` has more to do than to count. */
  #guarded: boolean;
  #told: Pressure;
  #sinceWallMs: number;
  #cancel: () => void;
  /** When the next look is due. */
  #dueAt: number;
  /** How late each look came: what a newcomer waits for its turn of the loop. */
  readonly timerDelayMs = new Histogram(LOOP_MS);
  /** The value of `Leasehold-Pressure`; undefined while the level is nominal. */
  pressureField: string | undefined;
  /** Whether any namespace has a quota: whoever knows a command asks only then. */
  readonly hasNamespaceQuotas: boolean;

  constructor(parts: AdmissionParts) {
    const { settings, scheduler } = parts;
    this.#scheduler = scheduler;
    this.#random = () => scheduler.random();
    this.#wallMs = parts.wallMs;
    this.#onChange = parts.onChange;
    this.#gauges = new PressureGauges(settings);
    this.#loop = new LoopDelay(parts.readLoop);
    this.#limit = new Limit(settings, parts.afterTurn);
    this.#quotas = new Quotas(parts.quotas, () => scheduler.now());
    this.#pacer = new Pacer(scheduler, settings, () => this.#limit.beginTurn());
    this.#limit.onRoom = (room) => this.#pacer.admit(room);
    this.#gauges.add([
      {
        source: 'loop', what: 'queue',
        fill: () => this.#limit.fill(),
        drainMs: () => this.#limit.drainMs(WINDOW_MS),
      },
    ]);
    this.hasNamespaceQuotas = this.#quotas.ofNamespaces;
    this.#guarded = this.#quotas.any;
    this.#told = this.#gauges.pressure;
    this.#sinceWallMs = parts.wallMs();
    this.#dueAt = scheduler.now() + WINDOW_MS;
    this.#cancel = scheduler.after(WINDOW_MS, this.#tick);
  }

  /** Parts that exist only once the sidecar has recovered add theirs then. */
  add(signals: readonly Signal[]): void {
    this.#gauges.add(signals);
  }

  get pressure(): Pressure {
    return this.#gauges.pressure;
  }

  /** Why the sidecar is degraded: it is still ready, and takes what frees. */
  reasons(): readonly DegradedReason[] {
    return this.pressure.level === 'critical' ? ['under-pressure'] : [];
  }

  /**
   * Judges a request by its class, before anything is done for it; undefined: it is admitted.
   * `adds`: whether it can add to what is held; a delete does not.
   */
  refusal(kind: RequestClass, adds: boolean, caller: Caller): LoadRefusal | undefined {
    if (this.#guarded && kind !== 'renew') {
      const gauge = adds ? this.#refusedFor[kind] : undefined;
      if (gauge !== undefined) return this.#fullness(kind, gauge);
      const quota = this.#quotas.callerRefusal(kind, caller);
      if (quota !== undefined) return this.#withChance(quota);
    }
    return this.#limit.admits(kind) ? undefined : this.#overload(kind as Sheddable);
  }

  /** Judges a command by the quotas of its namespaces; undefined: it may go on. */
  quotaRefusal(command: Command): QuotaRefusal | undefined {
    const refused = this.#quotas.namespaceRefusal(command);
    return refused === undefined ? undefined : this.#withChance(refused);
  }

  /** Too many of a class are in flight: a refusal of its gate. */
  crowded(inFlight: number): LoadRefusal {
    const detail = `Cannot take more: ${inFlight} requests of this class are in flight`;
    const waitMs = retryAfterMs(CROWD_MS, this.#random);
    return { ...reject('under-pressure', detail), retryAfterMs: waitMs };
  }

  #fullness(kind: Sheddable, { signal, fill }: Gauge): LoadRefusal {
    const { source, what } = signal;
    const state = `${source} (${what}) is ${Math.round(fill * 100)} % full`;
    return {
      ...reject('under-pressure', `Cannot take ${NAMES[kind]} now: ${state}`, { source }),
      retryAfterMs: retryAfterMs(signal.drainMs?.(), this.#random),
    };
  }

  #overload(kind: Sheddable): LoadRefusal {
    const detail = `Cannot take more ${NAMES[kind]} now: requests wait too long for their turn`;
    const waitMs = retryAfterMs(this.#limit.drainMs(WINDOW_MS), this.#random);
    return { ...reject('under-pressure', detail, { source: 'loop' }), retryAfterMs: waitMs, waitsAs: kind };
  }

  /** A refusal by quota, with a chance added to when there is room again. */
  #withChance(refusal: QuotaRefusal): QuotaRefusal {
    const waitMs = retryAfterMs(refusal.retryAfterMs, this.#random);
    return { ...refusal, retryAfterMs: Math.max(refusal.retryAfterMs, waitMs) };
  }

  /** When to come back after an error that does not say so itself; `full`: what it says is full. */
  retryAfterMs(code: ErrorCode, full?: PressureSource): number {
    if (code === 'under-pressure' && full === undefined) return retryAfterMs(CROWD_MS, this.#random);
    const source = full ?? SOURCE_OF[code];
    const gauge = source === undefined ? undefined : this.#fullestOf(source);
    return retryAfterMs(gauge?.signal.drainMs?.(), this.#random);
  }

  #fullestOf(source: PressureSource): Gauge | undefined {
    let fullest: Gauge | undefined;
    for (const gauge of this.#gauges.gauges) {
      if (gauge.signal.source !== source) continue;
      if (fullest === undefined || gauge.fill > fullest.fill) fullest = gauge;
    }
    return fullest;
  }

  /** `RateLimit-Policy` and `RateLimit` of the quotas that count such a request, if any does. */
  rateLimitFields(kind: RequestClass, namespace: string, caller: Caller): readonly string[] {
    if (!this.#quotas.any) return NO_FIELDS;
    return rateLimitFields(this.#quotas.applying(kind, namespace, caller), this.#scheduler.now());
  }

  /**
   * Gives a refusal now or late, or takes the request on after all: calls `refuse` or `admit`, once.
   * Returns what ends a wait for room early.
   */
  pace(pacing: Pacing): () => void {
    const { kind, connection, refusal, admit, refuse } = pacing;
    const counted = (): void => {
      this.#refused[kind]++;
      refuse();
    };
    const { waitsAs } = refusal;
    if (waitsAs === undefined || admit === undefined) {
      // A renewal that finds no place is told at once: it has its deadline to think of.
      if (kind === 'renew') counted();
      else this.#pacer.refuse(connection, refusal.retryAfterMs, counted);
      return nothing;
    }
    return this.#pacer.wait(waitsAs, admit, () => {
      this.#limit.noteRefused(waitsAs);
      counted();
    });
  }

  /** How full the fullest thing of each source is, as of the last look. */
  fills(): Readonly<Record<PressureSource, number>> {
    const fills: Record<PressureSource, number> = { outbox: 0, ledger: 0, journal: 0, memory: 0, loop: 0 };
    for (const { signal, fill } of this.#gauges.gauges) {
      fills[signal.source] = Math.max(fills[signal.source], fill);
    }
    return fills;
  }

  /** Part of the status page. */
  status(): object {
    const { level, source, fill } = this.pressure;
    return {
      level, source,
      fill: rounded(fill),
      since: new Date(this.#sinceWallMs).toISOString(),
      signals: this.#gauges.status(),
      refused: { ...this.#refused },
      held: this.#pacer.held,
      queueMs: rounded(this.#loop.window.standingMs),
      limit: { perTurn: this.#limit.perTurn ?? null, admitted: roundedShares(this.#limit.shares) },
      callers: this.#quotas.callers,
    };
  }

  /** Refusals held back are answered, and none is held from now on: connections are to end. */
  letGo(): void {
    this.#pacer.close();
  }

  close(): void {
    this.#cancel();
    this.letGo();
  }

  readonly #tick = (): void => {
    const now = this.#scheduler.now();
    this.timerDelayMs.add(Math.max(0, now - this.#dueAt));
    this.#dueAt = now + WINDOW_MS;
    this.#limit.sample(this.#loop.sample(), now);
    const pressure = this.#gauges.sample(now);
    this.#decide();
    this.pressureField = fieldOf(pressure);
    this.#cancel = this.#scheduler.after(WINDOW_MS, this.#tick);
    this.#tell(pressure);
  };

  /** Which classes are refused until the next sample, and for which signal. */
  #decide(): void {
    this.#refusedFor = {};
    for (const gauge of this.#gauges.gauges) {
      for (const kind of refusedAt(gauge.signal.source, gauge.level.name)) {
        const known = this.#refusedFor[kind];
        if (known === undefined || gauge.fill > known.fill) this.#refusedFor[kind] = gauge;
      }
    }
    this.#guarded = this.#quotas.any || Object.keys(this.#refusedFor).length > 0;
  }

  #tell(pressure: Pressure): void {
    const previous = this.#told;
    if (previous.level === pressure.level) return;
    this.#told = pressure;
    this.#sinceWallMs = this.#wallMs();
    this.#onChange(pressure, previous);
  }
}

const nothing = (): void => {};
const NO_FIELDS: readonly string[] = [];

function fieldOf({ level, source, fill }: Pressure): string | undefined {
  return level === 'nominal' ? undefined : `level=${level}; source=${source}; fill=${rounded(fill)}`;
}

function roundedShares(shares: Readonly<Record<Sheddable, number>>): object {
  const { read, put, grant, list } = shares;
  return { read: rounded(read), put: rounded(put), grant: rounded(grant), list: rounded(list) };
}
