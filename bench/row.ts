/**
 * One line of the table: what was measured, beside what it must reach and aims at. Ratios are of
 * two things measured in the same run; absolute bounds are only those that are promised as such.
 */
export type Direction = 'at least' | 'at most';

export interface Row {
  readonly what: string;
  readonly value: number;
  readonly unit: '×' | 'B' | 'ms' | 'µs' | 'MB' | 's' | '/s' | '';
  /** Absent for what is shown only to judge the others by. */
  readonly bar?: { readonly direction: Direction; readonly must: number; readonly aims: number };
  readonly note?: string;
}

export type Verdict = 'reached' | 'within' | 'missed' | '';

export function verdictOf(row: Row): Verdict {
  if (row.bar === undefined) return '';
  const { direction, must, aims } = row.bar;
  const holds = (bound: number): boolean =>
    direction === 'at least' ? row.value >= bound : row.value <= bound;
  if (holds(aims)) return 'reached';
  return holds(must) ? 'within' : 'missed';
}

export const atLeast = (must: number, aims: number): Row['bar'] & object => ({
  direction: 'at least',
  must,
  aims,
});

export const atMost = (must: number, aims: number): Row['bar'] & object => ({
  direction: 'at most',
  must,
  aims,
});

/** The rows as a Markdown table. */
export function tableOf(rows: readonly Row[]): string {
  const head = '| what | measured | must | aims at | verdict | note |\n|---|---|---|---|---|---|';
  const lines = rows.map((row) => {
    const sign = row.bar?.direction === 'at least' ? '≥' : '≤';
    const bound = (value: number | undefined): string =>
      value === undefined ? '' : `${sign} ${shown(value, row.unit)}`;
    const cells = [
      row.what,
      shown(row.value, row.unit),
      bound(row.bar?.must),
      bound(row.bar?.aims),
      verdictOf(row),
      row.note ?? '',
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [head, ...lines].join('\n');
}

function shown(value: number, unit: Row['unit']): string {
  const digits = Number(value.toPrecision(3)).toLocaleString('en', { maximumSignificantDigits: 3 });
  return unit === '' || unit === '/s' ? `${digits}${unit}` : `${digits} ${unit}`;
}
