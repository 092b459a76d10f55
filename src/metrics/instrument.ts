/** What an instrument is, and what is read from it. */
import type { Histogram } from '../measure/histogram.ts';

/** `counter` only grows in one run; `gauge` is what is now; `histogram` counts durations. */
export type InstrumentKind = 'counter' | 'gauge' | 'histogram';

/** One row of the table. */
export interface Instrument {
  readonly kind: InstrumentKind;
  /** In UCUM: `s`, `By`, `1` for a share, `{request}` for things that are counted. */
  readonly unit: string;
  /** One sentence. */
  readonly description: string;
  /** Each with the values it can have; every one of them is bounded. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Of a histogram: upper bounds in milliseconds; told in seconds. */
  readonly bucketsMs?: readonly number[];
  /** Where the rule makes another name than everybody knows. */
  readonly prometheusName?: string;
  /** Where it is counted. */
  readonly countedIn: string;
}

/** One series as it is now: values of the labels in the order of the row, and the reading. */
export interface Point {
  readonly labels: readonly string[];
  /** A number in the unit of the row, or a histogram of milliseconds. */
  readonly value: number | Histogram;
}

/** Everything there is to be told, read when somebody asks. */
export interface MetricReadings {
  /** Since when counters count: Unix milliseconds. */
  readonly startedWallMs: number;
  families(): readonly Family[];
}

/** An instrument with all its series. */
export interface Family {
  readonly name: string;
  readonly instrument: Instrument;
  readonly points: readonly Point[];
}
