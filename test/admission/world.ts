/** An admission whose time, loop and signals are led by the test. */
import { Admission, WINDOW_MS } from '../../src/admission/admission.ts';
import type { AdmissionSettings, QuotaSettings } from '../../src/admission/settings.ts';
import type { Pressure, PressureSource, Signal } from '../../src/admission/signals.ts';
import { ManualScheduler } from '../resilience/manual-scheduler.ts';

export const SETTINGS: AdmissionSettings = {
  elevatedFill: 0.5, highFill: 0.75, criticalFill: 0.9,
  memoryHighFill: 0.85, memoryCriticalFill: 0.92,
  hysteresis: 0.1, settleMs: 1000, queueMs: 20, holdMs: 500, heldRefusals: 4,
};
export const NO_QUOTAS: QuotaSettings = { namespaces: new Map(), configured: new Set(['default']) };
export const START_WALL_MS = 1_700_000_000_000;

/** A signal that says what it is told to say. */
export class ToldSignal implements Signal {
  readonly source: PressureSource;
  readonly what: string;
  level = 0;
  drain: number | undefined;

  constructor(source: PressureSource, what = 'told') {
    this.source = source;
    this.what = what;
  }

  fill(): number {
    return this.level;
  }

  drainMs(): number | undefined {
    return this.drain;
  }
}

export interface WorldChanges {
  readonly settings?: Partial<AdmissionSettings>;
  readonly quotas?: Partial<QuotaSettings>;
}

export function world(changes: WorldChanges = {}) {
  const scheduler = new ManualScheduler();
  const changed: { readonly to: Pressure; readonly from: Pressure }[] = [];
  const loop = { activeMs: 0, turns: 0 };
  const ends: (() => void)[] = [];
  const signals = {
    outbox: new ToldSignal('outbox', 'endings'),
    ledger: new ToldSignal('ledger', 'unpushed'),
    journal: new ToldSignal('journal', 'waiting'),
    memory: new ToldSignal('memory', 'resident'),
  };
  const admission = new Admission({
    settings: { ...SETTINGS, ...changes.settings },
    quotas: { ...NO_QUOTAS, ...changes.quotas },
    scheduler,
    readLoop: () => ({ ...loop }),
    afterTurn: (work) => ends.push(work),
    wallMs: () => START_WALL_MS + scheduler.now(),
    onChange: (to, from) => changed.push({ to, from }),
  });
  admission.add(Object.values(signals));
  /** Ends a window in which each turn of the loop took so long. */
  const window = (turnMs = 0): void => {
    loop.activeMs += turnMs * 10;
    loop.turns += 10;
    scheduler.pass(WINDOW_MS);
  };
  /** Sets the fill of one source, and lets it be seen. */
  const fill = (source: keyof typeof signals, level: number, drainMs?: number): void => {
    signals[source].level = level;
    signals[source].drain = drainMs;
    window();
  };
  const endTurn = (): void => {
    for (const work of ends.splice(0)) work();
  };
  return { admission, changed, endTurn, fill, loop, scheduler, signals, window };
}
