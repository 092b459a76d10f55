/** What a run at twice the capacity shows, as rows: what is promised has a bar. */
import { atLeast, atMost, type Row } from '../row.ts';
import { median } from '../script.ts';
import { CLASSES, type PerClass, type RequestClass, SHARES } from './neighbours.ts';
import { type ClassReport, type PhaseReport, STEP_MS } from './tally.ts';

export interface Sample {
  /** Unix time in milliseconds. */
  readonly at: number;
  readonly value: number;
}

export interface OverloadRun {
  /** The most that was done a second, on how many connections, and the same once more at the end. */
  readonly peak: { readonly perS: number; readonly connections: number; readonly again: number };
  /** Processor time of the sidecar for a request of each class alone. */
  readonly costUs: PerClass<number>;
  readonly half: PhaseReport;
  readonly overload: PhaseReport;
  /** Processors the sidecar used meanwhile. */
  readonly processorShare: number;
  /** Share of that time in which it could have run, and something else ran in its place. */
  readonly waitedShare: number;
  /** Bytes, while the load lasted. */
  readonly resident: readonly Sample[];
  /** From the end of the load to the first reply of a nominal sidecar; undefined: none came. */
  readonly nominalAfterMs: number | undefined;
}

const MEBIBYTE = 1024 * 1024;
/** How long a request may wait for its turn: the default of `admission.queueMs`. */
const QUEUE_MS = 20;
const PER = 10_000;
/** Long enough for a lull that no client would notice to be no lull. */
const LULL_STEPS = 5_000 / STEP_MS;

export function rowsOf(run: OverloadRun): Row[] {
  const { peak, half, overload } = run;
  const { byClass } = overload;
  const seconds = overload.durationMs / 1_000;
  const dueRatio = sum(byClass, 'due') / seconds / peak.perS;
  const doneRatio = doneIn(overload) / peak.perS;
  return [
    {
      what: 'peak of what is done, this mix',
      value: peak.perS,
      unit: '/s',
      note: `${peak.connections} connections; µs of processor: ${listed((kind) => run.costUs[kind].toFixed(0))}`,
    },
    { what: 'control: the same once more, after the silence', value: peak.again / peak.perS, unit: '×' },
    {
      what: 'control: time in which something else had the processor of the sidecar',
      value: run.waitedShare,
      unit: '',
      note: 'beyond a few hundredths the other rows say little',
    },
    {
      what: 'what fell due, over the peak',
      value: dueRatio,
      unit: '×',
      bar: atLeast(1.9, 1.98),
      note:
        `${Math.round(seconds)} s; ${share(sum(byClass, 'withheld'), sum(byClass, 'due'))} withheld by the well-behaved, ` +
        `${share(sum(byClass, 'givenUp'), sum(byClass, 'due'))} given up for want of a connection; ` +
        `generator late by ${overload.latenessP99Ms.toFixed(1)} ms (p99)`,
    },
    {
      what: 'what is done meanwhile, over the peak',
      value: doneRatio,
      unit: '×',
      bar: atLeast(0.9, 1),
      note:
        `done: ${listed((kind) => share(byClass[kind].ok, byClass[kind].due))}; ` +
        `the sidecar used ${run.processorShare.toFixed(2)} processors`,
    },
    { what: 'the same in the worst 5 s', value: lowest(overload) / peak.perS, unit: '×' },
    {
      what: 'the same, each request counted as the processor time of its class',
      value: workIn(overload, run.costUs) / (peak.perS * meanCost(run.costUs)),
      unit: '×',
    },
    vitalRow(byClass),
    ...(['renew', 'release'] as const).flatMap((kind) => latencyRows(kind, half, overload)),
    ...refusalRows(overload),
    ...memoryRows(run),
    {
      what: 'from the end of the load to nominal',
      value: run.nominalAfterMs === undefined ? Number.POSITIVE_INFINITY : run.nominalAfterMs / 1_000,
      unit: 's',
      bar: atMost(5, 3),
    },
  ];
}

function listed(text: (kind: RequestClass) => string): string {
  return CLASSES.map((kind) => `${kind} ${text(kind)}`).join(', ');
}

function share(part: number, whole: number): string {
  return whole === 0 ? '–' : `${((100 * part) / whole).toFixed(1)} %`;
}

function sum(byClass: PerClass<ClassReport>, what: 'due' | 'withheld' | 'givenUp'): number {
  return CLASSES.reduce((total, kind) => total + byClass[kind][what], 0);
}

/** A second, while the load lasted. */
export function doneIn({ steps }: PhaseReport): number {
  const done = steps.reduce((total, step) => total + step.ok, 0);
  return (done * 1_000) / (steps.length * STEP_MS);
}

function lowest({ steps }: PhaseReport): number {
  let least = Number.POSITIVE_INFINITY;
  const width = Math.min(LULL_STEPS, steps.length);
  for (let from = 0; from + width <= steps.length; from += 1) {
    const done = steps.slice(from, from + width).reduce((total, step) => total + step.ok, 0);
    least = Math.min(least, (done * 1_000) / (width * STEP_MS));
  }
  return least;
}

/** Of a request of the mix. */
function meanCost(costUs: PerClass<number>): number {
  return CLASSES.reduce((total, kind) => total + SHARES[kind] * costUs[kind], 0);
}

/** Processor time's worth of what was done, a second. */
function workIn(phase: PhaseReport, costUs: PerClass<number>): number {
  const work = CLASSES.reduce((total, kind) => total + phase.byClass[kind].ok * costUs[kind], 0);
  return (work * 1_000) / phase.durationMs;
}

function vitalRow({ renew, release }: PerClass<ClassReport>): Row {
  const due = renew.due + release.due;
  const missing = due - renew.ok - release.ok;
  const why = [renew.firstFailure, release.firstFailure].filter((text) => text !== undefined);
  return {
    what: `renewals and releases that did not succeed, of ${PER.toLocaleString('en')}`,
    value: due === 0 ? Number.NaN : (missing / due) * PER,
    unit: '',
    bar: atMost(1, 0),
    note: [
      `${missing} of ${due}: ${renew.refused + release.refused} refused, ` +
        `${renew.failed + release.failed} failed, ${renew.lost + release.lost} lost, ` +
        `${renew.givenUp + release.givenUp} given up`,
      ...why,
    ].join('; '),
  };
}

function latencyRows(kind: 'renew' | 'release', half: PhaseReport, overload: PhaseReport): Row[] {
  const name = kind === 'renew' ? 'renewals' : 'releases';
  const before = half.byClass[kind];
  const during = overload.byClass[kind];
  const row = (what: string, now: number, then: number): Row => ({
    what: `${name}, ${what} beyond that at half the capacity`,
    value: now - then,
    unit: 'ms',
    note: `${now.toFixed(1)} ms, at half ${then.toFixed(1)} ms (${(now / then).toFixed(1)} ×)`,
    bar: atMost(2 * QUEUE_MS, QUEUE_MS),
  });
  return [
    row('p50', during.p50Ms, before.p50Ms),
    row(`p99 (longest ${during.maxMs.toFixed(0)} ms)`, during.p99Ms, before.p99Ms),
  ];
}

function refusalRows({ byClass: { grant }, steps }: PhaseReport): Row[] {
  const spreads = steps.map(({ spread }) => spread).filter((spread) => spread > 0);
  const { p50, p99 } = grant.retryAfterMs;
  return [
    {
      what: 'grants refused, of those that were sent',
      value: grant.refused / (grant.due - grant.withheld - grant.givenUp),
      unit: '',
      note: `${grant.refused} refused, ${grant.ok} granted`,
    },
    {
      what: 'refused grants with a usable Retry-After',
      value: grant.refused === 0 ? Number.NaN : grant.usable / grant.refused,
      unit: '',
      bar: atLeast(1, 1),
      note:
        'a header of 1 to 60 s, and retryAfterMs that is not longer; ' +
        `${p50.toFixed(0)} ms (p50), ${p99.toFixed(0)} ms (p99)`,
    },
    {
      what: 'its jitter: p90 over p10 of what is told within half a second',
      value: median(spreads),
      unit: '×',
      // What is promised is a base times U(1, 2), which has 1.9 over 1.1; the base moves as well.
      bar: atLeast(1.3, 1.6),
    },
  ];
}

function memoryRows({ resident, overload }: OverloadRun): Row[] {
  const { startedAt, durationMs } = overload;
  const within = (from: number, to: number): Sample[] =>
    resident.filter(({ at }) => at >= startedAt + from * durationMs && at < startedAt + to * durationMs);
  // The first quarter fills what is bounded: the feed, what is remembered of ended leases.
  const settled = within(0.25, 1);
  const earlier = median(within(0.25, 0.5).map(({ value }) => value));
  const later = median(within(0.75, 1).map(({ value }) => value));
  const most = Math.max(...settled.map(({ value }) => value)) / MEBIBYTE;
  return [
    {
      what: 'resident memory in the last quarter, over the second',
      value: later / earlier,
      unit: '×',
      bar: atMost(1.1, 1.03),
      note: `${(earlier / MEBIBYTE).toFixed(0)} and ${(later / MEBIBYTE).toFixed(0)} MB, at most ${most.toFixed(0)} MB`,
    },
    { what: 'its slope, in MB a minute', value: slope(settled) * 60_000 / MEBIBYTE, unit: '' },
  ];
}

/** Of the straight line nearest to the samples, a millisecond. */
export function slope(samples: readonly Sample[]): number {
  const mean = (of: (sample: Sample) => number): number =>
    samples.reduce((total, sample) => total + of(sample), 0) / samples.length;
  const middleAt = mean(({ at }) => at);
  const middle = mean(({ value }) => value);
  const along = samples.reduce((total, { at, value }) => total + (at - middleAt) * (value - middle), 0);
  const square = samples.reduce((total, { at }) => total + (at - middleAt) ** 2, 0);
  return square === 0 ? 0 : along / square;
}
