/** The catalogue of errors and the page about it: neither may name what the other does not. */
import { describe, expect, test } from 'vitest';
import { ERRORS } from '../../src/errors.ts';
import { filesUnder, quoted, read, section, tableRows } from './repository.ts';

const PAGE = read('docs/errors.md');
const NOT_GIVEN = '## Not given by this version';

interface Row {
  readonly code: string;
  readonly status: number;
  readonly retryable: boolean;
  readonly title: string;
}

function rowsOf(markdown: string): Row[] {
  return tableRows(markdown).map(([code = '', status, retryable, title = '']) => ({
    code: quoted(code)[0] ?? code,
    status: Number(status),
    retryable: retryable === 'yes',
    title,
  }));
}

describe('docs/errors.md', () => {
  test('has every code of the catalogue once, as it is there, and no other', () => {
    const catalogue = Object.entries(ERRORS).map(([code, kind]) => ({ code, ...kind }));
    const byCode = (left: Row, right: Row) => (left.code < right.code ? -1 : 1);
    expect(rowsOf(PAGE).sort(byCode)).toEqual(catalogue.sort(byCode));
  });

  test('says of every code what to do, in a sentence', () => {
    for (const row of tableRows(PAGE)) {
      expect(row, row[0]).toHaveLength(5);
      expect(row[2], row[0]).toMatch(/^(yes|no)$/);
      expect(row[4], row[0]).toMatch(/^[A-Z`].{10,}\.$/);
    }
  });

  test('lists as not given exactly the codes that no code of ours gives', () => {
    const giving = filesUnder('src', '.ts')
      .filter((file) => file !== 'src/errors.ts' && file !== 'src/core/refusal.ts')
      .map(read)
      .join('\n');
    const unused = Object.keys(ERRORS).filter((code) => !giving.includes(`'${code}'`));
    expect(rowsOf(section(PAGE, NOT_GIVEN)).map(({ code }) => code).sort()).toEqual(unused.sort());
  });

  test('names only options that exist', () => {
    const options = quoted(PAGE).filter((text) => /^(?:limits|http)\.[A-Za-z]+$/.test(text));
    expect(options.length).toBeGreaterThan(5);
    const reference = read('docs/configuration.md');
    for (const option of options) expect(reference).toMatch(new RegExp(`\`${option.replace('.', '\\.')}[.\`]`));
  });
});
