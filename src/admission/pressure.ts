/**
 * From signals to one level, with the source of it. The level is that of the worst signal, and of
 * several the fullest one gives its name. Sampled, not called: a part says how full it is, and
 * whoever fills it does nothing more than before.
 */
import { Level, type Thresholds } from './level.ts';
import type { AdmissionSettings } from './settings.ts';
import type { Pressure, PressureLevel, PressureSource, Signal } from './signals.ts';

/** A signal as it was at the last sample. */
export class Gauge {
  readonly signal: Signal;
  readonly level: Level;
  fill = 0;

  constructor(signal: Signal, level: Level) {
    this.signal = signal;
    this.level = level;
  }
}

/** One row of the status page. */
export interface SignalStatus {
  readonly source: PressureSource;
  readonly what: string;
  readonly level: PressureLevel;
  readonly fill: number;
}

export class PressureGauges {
  readonly #settings: AdmissionSettings;
  readonly #gauges: Gauge[] = [];
  #pressure: Pressure = { level: 'nominal', source: 'loop', fill: 0 };

  constructor(settings: AdmissionSettings) {
    this.#settings = settings;
  }

  add(signals: readonly Signal[]): void {
    for (const signal of signals) {
      this.#gauges.push(new Gauge(signal, new Level(this.#thresholds(signal), this.#settings)));
    }
  }

  get gauges(): readonly Gauge[] {
    return this.#gauges;
  }

  get pressure(): Pressure {
    return this.#pressure;
  }

  /** Looks at every signal. */
  sample(now: number): Pressure {
    let worst: Gauge | undefined;
    for (const gauge of this.#gauges) {
      gauge.fill = gauge.signal.fill();
      gauge.level.note(gauge.fill, now);
      if (worst === undefined || isWorse(gauge, worst)) worst = gauge;
    }
    if (worst !== undefined) {
      const { signal, level, fill } = worst;
      this.#pressure = { level: level.name, source: signal.source, fill };
    }
    return this.#pressure;
  }

  status(): SignalStatus[] {
    return this.#gauges.map(({ signal: { source, what }, level, fill }) => ({
      source, what, level: level.name, fill: rounded(fill),
    }));
  }

  #thresholds({ source }: Signal): Thresholds {
    const { elevatedFill, highFill, criticalFill, hysteresis } = this.#settings;
    if (source !== 'memory') return [elevatedFill, highFill, criticalFill];
    const { memoryHighFill, memoryCriticalFill } = this.#settings;
    return [memoryHighFill - hysteresis, memoryHighFill, memoryCriticalFill];
  }
}

function isWorse(one: Gauge, other: Gauge): boolean {
  const ranks = one.level.rank - other.level.rank;
  return ranks > 0 || (ranks === 0 && one.fill > other.fill);
}

export function rounded(fill: number): number {
  return Math.round(fill * 100) / 100;
}
