/**
 * The run as an SVG: what was wanted and done, what was refused, how long renewals took, the level
 * announced, and resident memory, one above the other over the same seconds. Text and lines only, so
 * that it reads in any browser, on light and on dark pages.
 */
import { CLASSES } from './neighbours.ts';
import { LEVELS, type PhaseReport, STEP_MS } from './tally.ts';
import type { Sample } from './verdict.ts';

export interface PlottedRun {
  readonly peakPerS: number;
  /** In the order they ran; the last one is the overload, and begins at second 0. */
  readonly phases: readonly PhaseReport[];
  readonly resident: readonly Sample[];
  /** Told after the load, as indices of `LEVELS`. */
  readonly levels: readonly Sample[];
  readonly nominalAt: number | undefined;
}

/** Seconds and values; a gap in time of more than `GAP_S` is a gap in the line. */
type Points = readonly (readonly [seconds: number, value: number])[];

interface Line {
  readonly name: string;
  readonly colour: string;
  readonly points: Points;
  readonly dashed?: boolean;
  /** Holds its value until the next point. */
  readonly stepped?: boolean;
}

interface Panel {
  readonly title: string;
  readonly height: number;
  readonly lines: readonly Line[];
  /** What the axis says at a value. */
  readonly label: (value: number) => string;
  /** Where the axis is labelled; default: round numbers. */
  readonly ticks?: readonly number[];
}

const WIDTH = 920;
const LEFT = 70;
const RIGHT = 170;
const TOP = 46;
const BETWEEN = 44;
const GAP_S = 2;
const MEBIBYTE = 1024 * 1024;
const COLOURS = ['#2563eb', '#059669', '#d97706', '#dc2626', '#7c3aed', '#0891b2'] as const;
const REFUSED_COLOURS = Object.fromEntries(CLASSES.map((kind, index) => [kind, COLOURS[index]!]));

export function plotOf(run: PlottedRun): string {
  const overload = run.phases.at(-1)!;
  const zero = overload.startedAt;
  const seconds = (at: number): number => (at - zero) / 1_000;
  const from = Math.min(...run.phases.map(({ startedAt }) => seconds(startedAt)));
  const loadEnd = overload.durationMs / 1_000;
  const to = Math.max(loadEnd, ...run.levels.map(({ at }) => seconds(at)));
  const panels = panelsOf(run, seconds, from, to);
  let top = TOP;
  const drawn = panels.map((panel) => {
    const text = panelText(panel, top, [from, to], loadEnd);
    top += panel.height + BETWEEN;
    return text;
  });
  const bottom = top - BETWEEN;
  const axis = ticksOf(from, to, 12).map(
    (tick) => `<text x="${x(tick, from, to)}" y="${bottom + 18}" text-anchor="middle">${tick}</text>`,
  );
  const height = bottom + 46;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text x="${LEFT}" y="20" font-size="15">A sidecar at half of its capacity, at twice that, and after</text>`,
    ...drawn,
    ...axis,
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${bottom + 36}" text-anchor="middle">seconds from the beginning of the overload</text>`,
    '</svg>',
    '',
  ].join('\n');
}

function panelsOf(
  { phases, peakPerS, resident, levels, nominalAt }: PlottedRun,
  seconds: (at: number) => number,
  from: number,
  to: number,
): Panel[] {
  const perS = 1_000 / STEP_MS;
  const each = (value: (step: PhaseReport['steps'][number]) => number): Points =>
    phases.flatMap(({ steps, startedAt }) =>
      steps.map((step, index) => [seconds(startedAt + (index + 0.5) * STEP_MS), value(step)] as const),
    );
  const rate = (value: number): string => (value >= 1_000 ? `${value / 1_000}k` : String(value));
  const told = levels.map(({ at, value }) => [seconds(at), value] as const);
  const memory = resident
    .map(({ at, value }) => [seconds(at), value / MEBIBYTE] as const)
    .filter(([at]) => at >= from && at <= to);
  const refusing = CLASSES.filter((kind) => phases.some(({ byClass }) => byClass[kind].refused > 0));
  return [
    {
      title: 'requests a second',
      height: 150,
      label: rate,
      lines: [
        { name: 'fell due', colour: COLOURS[3], points: each(({ due }) => due * perS) },
        { name: 'done', colour: COLOURS[1], points: each(({ ok }) => ok * perS) },
        { name: 'peak', colour: '#6b7280', dashed: true, points: [[from, peakPerS], [to, peakPerS]] },
      ],
    },
    {
      title: 'refused a second',
      height: 110,
      label: rate,
      lines: (refusing.length === 0 ? (['grant'] as const) : refusing).map((kind) => ({
        name: kind, colour: REFUSED_COLOURS[kind]!, points: each(({ refused }) => refused[kind] * perS),
      })),
    },
    {
      title: 'renewals and releases: p99 of half a second, ms',
      height: 110,
      label: String,
      lines: [{ name: 'p99', colour: COLOURS[0], points: each(({ vitalP99Ms }) => vitalP99Ms) }],
    },
    {
      title: 'level announced',
      height: 80,
      label: (value) => LEVELS[value] ?? '',
      ticks: [0, 1, 2, 3],
      lines: [{ name: nominalText(nominalAt, seconds, phases), colour: COLOURS[4], stepped: true, points: [...each(({ level }) => level), ...told] }],
    },
    {
      title: 'resident memory, MB',
      height: 90,
      label: String,
      lines: [{ name: 'resident', colour: COLOURS[2], points: memory }],
    },
  ];
}

function nominalText(
  nominalAt: number | undefined,
  seconds: (at: number) => number,
  phases: readonly PhaseReport[],
): string {
  if (nominalAt === undefined) return 'never nominal again';
  const after = Math.max(0, seconds(nominalAt) - phases.at(-1)!.durationMs / 1_000);
  return `nominal after ${after.toFixed(1)} s`;
}

function x(seconds: number, from: number, to: number): string {
  return (LEFT + ((seconds - from) / (to - from)) * (WIDTH - LEFT - RIGHT)).toFixed(1);
}

function panelText(panel: Panel, top: number, [from, to]: readonly [number, number], loadEnd: number): string {
  const { title, height, lines, label } = panel;
  const bottom = top + height;
  const highest = Math.max(0, ...lines.flatMap(({ points }) => points.map(([, value]) => value)));
  const ticks = panel.ticks ?? ticksFor(highest);
  const most = ticks.at(-1)! || 1;
  const y = (value: number): string => (bottom - (value / most) * height).toFixed(1);
  const right = WIDTH - RIGHT;
  const grid = ticks.map(
    (tick) =>
      `<line x1="${LEFT}" x2="${right}" y1="${y(tick)}" y2="${y(tick)}" stroke="#e5e7eb"/>` +
      `<text x="${LEFT - 8}" y="${Number(y(tick)) + 4}" text-anchor="end">${label(tick)}</text>`,
  );
  const drawn = lines.map((line, index) => {
    const dash = line.dashed === true ? ' stroke-dasharray="5 4"' : '';
    const path = pathOf(line, (at) => x(at, from, to), y);
    const legendY = top + 10 + index * 18;
    return (
      `<path d="${path}" fill="none" stroke="${line.colour}" stroke-width="1.5"${dash}/>` +
      `<line x1="${right + 12}" x2="${right + 32}" y1="${legendY}" y2="${legendY}" stroke="${line.colour}" stroke-width="2"${dash}/>` +
      `<text x="${right + 38}" y="${legendY + 4}">${line.name}</text>`
    );
  });
  // While the load lasts.
  const band =
    `<rect x="${x(0, from, to)}" y="${top}" width="${(Number(x(loadEnd, from, to)) - Number(x(0, from, to))).toFixed(1)}" ` +
    `height="${height}" fill="#fef3c7" fill-opacity="0.45"/>`;
  return [`<text x="${LEFT}" y="${top - 8}" font-weight="bold">${title}</text>`, band, ...grid, ...drawn].join('\n');
}

function pathOf(line: Line, px: (seconds: number) => string, py: (value: number) => string): string {
  let path = '';
  let last: readonly [number, number] | undefined;
  for (const point of line.points) {
    const [at, value] = point;
    const joined = last !== undefined && (line.dashed === true || at - last[0] <= GAP_S);
    if (joined && line.stepped === true) path += `L${px(at)},${py(last![1])}`;
    path += `${joined ? 'L' : 'M'}${px(at)},${py(value)}`;
    last = point;
  }
  return path;
}

/** From 0 to the first of them that is not below the highest value. */
function ticksFor(highest: number): number[] {
  const ticks = ticksOf(0, highest, 4);
  if (ticks.at(-1)! < highest) ticks.push(ticks.length * ticks[1]!);
  return ticks;
}

/** Round numbers between the two, about `count` of them. */
export function ticksOf(from: number, to: number, count: number): number[] {
  const rough = (to - from) / count;
  if (!(rough > 0)) return [from];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough)!;
  const ticks: number[] = [];
  for (let index = Math.ceil(from / step); index * step <= to; index += 1) {
    ticks.push(Number((index * step).toPrecision(12)));
  }
  return ticks;
}
