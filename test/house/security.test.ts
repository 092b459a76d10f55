/** SECURITY.md says who can do what and which test shows what stops them: every one must be there. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseTokens } from '../../src/access/token-list.ts';
import { VERBS } from '../../src/access/verbs.ts';
import { citationsOf, testNames } from './citations.ts';
import { quoted, read, ROOT, section, tableRows } from './repository.ts';

const PAGE = read('SECURITY.md');
const threats = tableRows(section(PAGE, '## Who can do what'));

describe('SECURITY.md', () => {
  test.each(threats.map((cells) => [cells[0]!, cells] as const))('%s: what stops them is shown by tests that are there', (_who, cells) => {
    expect(cells).toHaveLength(4);
    const citations = citationsOf(cells[3]!);
    expect(citations).not.toEqual([]);
    const missing = citations.filter(({ file, name }) => !existsSync(join(ROOT, file)) || !testNames(file).has(name));
    expect(missing).toEqual([]);
  });

  test('has a row for every kind of neighbour', () => {
    expect(threats.length).toBeGreaterThan(10);
  });

  test('names the verbs there are', () => {
    const named = tableRows(section(PAGE, '## Tokens')).map(([verb = '']) => quoted(verb)[0]);
    expect(named).toEqual([...VERBS]);
  });

  test('shows a file of tokens that is taken', () => {
    const [, example] = /```yaml\n([\s\S]*?)```/.exec(PAGE)!;
    expect(parseTokens(example!)).toHaveProperty('tokens');
  });
});
