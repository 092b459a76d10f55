/** SPEC.md cites files and tests. Every one must be there, under the name it is cited by. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Citation, citationsOf, testNames } from './citations.ts';
import { quoted, read, ROOT, section, tableRows } from './repository.ts';

const PAGE = read('SPEC.md');
const PROMISES = section(PAGE, '## Promises');
const INVARIANTS = section(PAGE, '## Invariants');
const LIMITS = section(PAGE, '## Limits and loops');

interface Row {
  readonly number: string;
  readonly enforcing: readonly string[];
  readonly citations: readonly Citation[];
}

function rowOf(cells: readonly string[]): Row {
  const [number = '', ...rest] = cells;
  const [enforcing = '', shown = ''] = rest.slice(-2);
  return { number, enforcing: quoted(enforcing), citations: citationsOf(shown) };
}

/** The first table under Promises says what; the second, of three columns, who sees to it. */
const promised = tableRows(PROMISES).filter((cells) => !cells.at(-1)!.includes('`test/'));
const rows: readonly Row[] = [
  ...tableRows(PROMISES).filter((cells) => cells.at(-1)!.includes('`test/')),
  ...tableRows(INVARIANTS),
  ...tableRows(LIMITS),
].map(rowOf);

describe('SPEC.md', () => {
  test('lists the promises P1 to P10, once each', () => {
    expect(promised.map(([number]) => number)).toEqual(
      Array.from({ length: 10 }, (_, index) => `P${index + 1}`),
    );
  });

  test('says of every promise that holds who sees to it, and of no other', () => {
    const holds = promised.filter((cells) => !cells[2]!.startsWith('comes')).map(([number]) => number);
    const shown = rows.map(({ number }) => number).filter((number) => number.startsWith('P'));
    expect(shown).toEqual(holds);
  });

  test.each([['I', INVARIANTS], ['L', LIMITS]])('numbers its %s rows without a gap', (letter, part) => {
    const numbers = tableRows(part).map(([number]) => number);
    expect(numbers).toEqual(numbers.map((_, index) => `${letter}${index + 1}`));
    expect(numbers.length).toBeGreaterThan(10);
  });

  test('has a row for every limit that P8 refers to', () => {
    const last = /rows L1 to (L\d+)/.exec(PROMISES)?.[1];
    expect(tableRows(LIMITS).at(-1)![0]).toBe(last);
  });

  test('names options that exist', () => {
    const options = quoted(LIMITS).filter((text) => /^(?:limits|journal|http)\.\w+/.test(text));
    expect(options.length).toBeGreaterThan(10);
    const reference = read('docs/configuration.md');
    for (const option of options) expect(reference, option).toMatch(new RegExp(`\`${option.replaceAll('.', '\\.')}[.\`]`));
  });

  test.each(rows)('$number names what enforces it and a test that shows it, and both are there', (row) => {
    expect(row.enforcing).not.toEqual([]);
    expect(row.enforcing.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
    expect(row.citations).not.toEqual([]);
    const missing = row.citations.filter(({ file, name }) => !existsSync(join(ROOT, file)) || !testNames(file).has(name));
    expect(missing).toEqual([]);
  });

  test('would miss a test that is not there', () => {
    expect(testNames('test/house/spec.test.ts').has('would miss a test that is not there')).toBe(true);
    expect(testNames('test/house/spec.test.ts').has('is not there')).toBe(false);
  });

  test('says what is not enforced or not shown', () => {
    expect(section(PAGE, '## Gaps')).toMatch(/^- .+/m);
  });
});
