/**
 * `src/core` is pure: what it decides follows from what it is told. This test forbids every way out
 * (clocks, chance, timers, promises, the process, other folders) and proves on planted snippets
 * that it would see one.
 */
import { describe, expect, test } from 'vitest';
import { filesUnder, read } from './repository.ts';
import { codeOnly } from './source-text.ts';

const FORBIDDEN = [
  'Date', 'performance', 'process', 'globalThis', 'global', 'require',
  'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'clearTimeout', 'clearInterval',
  'Promise', 'async', 'await', 'console', 'fetch', 'Intl', 'crypto', 'navigator', 'Worker',
  'AbortController', 'structuredClone', 'WeakRef', 'FinalizationRegistry', 'Buffer', 'Temporal',
  'toLocaleString', 'toLocaleLowerCase', 'toLocaleUpperCase', 'localeCompare',
] as const;

/** What breaks purity in a piece of source, in the order it stands there. */
function impurities(source: string): string[] {
  const { code, withStrings } = codeOnly(source);
  const words = new RegExp(`(?<![\\w$#])(?:${FORBIDDEN.join('|')})(?![\\w$])`, 'g');
  const found = [...code.matchAll(words), ...code.matchAll(/\bMath\s*(?:\?\.|\.)\s*random\b/g)]
    .sort((left, right) => left.index - right.index)
    .map((match) => match[0].replaceAll(/\s/g, ''));
  const imports = /\b(?:from|import)\s*\(?\s*(['"])(.*?)\1/g;
  for (const match of withStrings.matchAll(imports)) {
    if (!/^\.\/[\w-]+\.ts$/.test(match[2]!)) found.push(`import of ${match[2]}`);
  }
  return found;
}

describe('the core', () => {
  const files = filesUnder('src/core', '.ts');

  test('is there', () => {
    expect(files.length).toBeGreaterThan(25);
  });

  test.each(files)('%s reads no clock, draws no chance, waits for nothing and reaches nowhere', (file) => {
    expect(impurities(read(file))).toEqual([]);
  });
});

describe('this test', () => {
  test.each([
    ['const now = Date.now();', ['Date']],
    ['const at = new Date();', ['Date']],
    ['const id = Math.random();', ['Math.random']],
    ['const id = Math\n  .random();', ['Math.random']],
    ['setTimeout(() => {}, 1);', ['setTimeout']],
    ['setImmediate(next); queueMicrotask(next);', ['setImmediate', 'queueMicrotask']],
    ['const at = performance.now();', ['performance']],
    ["if (process.env['X']) {}", ['process']],
    ['async function later() { await it; }', ['async', 'await']],
    ['return new Promise(() => {});', ['Promise']],
    ['console.log(1); fetch(url); new Intl.Collator();', ['console', 'fetch', 'Intl']],
    ["names.sort((a, b) => a.localeCompare(b));", ['localeCompare']],
    ["import { readFileSync } from 'node:fs';", ['import of node:fs']],
    ["import type { Journal } from '../journal/journal.ts';", ['import of ../journal/journal.ts']],
    ["const fs = await import('node:fs');", ['await', 'import of node:fs']],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source text
    ['const text = `at ${Date.now()} ms`;', ['Date']],
    ['const half = size / 2; Date.now(); const more = size / 4;', ['Date']],
    ['const pattern = /[/"]/; Date.now();', ['Date']],
  ])('sees %j', (planted, found) => {
    expect(impurities(planted)).toEqual(found);
  });

  test.each([
    '// Date.now() would not do here',
    '/* No Promise, no setTimeout. */',
    "const text = 'Date.now() and Math.random()';",
    'const text = `process`;',
    'const pattern = /Date|process/;',
    "import type { State } from './state.ts';",
    'const updated = lastDate + dateOf(row).process$ + row.performanceOf;',
    'const least = Math.min(1, 2);',
  ])('lets %j pass', (harmless) => {
    expect(impurities(harmless)).toEqual([]);
  });
});
