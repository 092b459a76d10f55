/** Documents lead somewhere: their links, the files they name, and the shape of the decisions. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { filesUnder, quoted, read, ROOT, section } from './repository.ts';

const pages = [
  'README.md', 'ARCHITECTURE.md', 'SPEC.md', 'CONTRIBUTING.md', 'CHANGELOG.md',
  ...filesUnder('docs', '.md'),
];

describe.each(pages)('%s', (page) => {
  const text = read(page);

  test('has links that lead to files', () => {
    const links = [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map((match) => match[1]!);
    const local = links.filter((link) => !link.includes('://'));
    expect(local.filter((link) => !existsSync(join(ROOT, dirname(page), link)))).toEqual([]);
  });

  test('names files that exist', () => {
    const paths = quoted(text).filter((name) => /^(?:src|test|scripts|bench|docs|config)\/[\w/.-]+$/.test(name));
    expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });
});

describe('ARCHITECTURE.md', () => {
  test('explains each word of its glossary once', () => {
    const rows = section(read('ARCHITECTURE.md'), '## Glossary').split('\n').slice(2);
    const words = rows.filter((row) => row.startsWith('| ')).slice(1).flatMap((row) => row.split('|')[1]!.split(','));
    const trimmed = words.map((word) => word.trim());
    expect(trimmed.length).toBeGreaterThan(30);
    expect(new Set(trimmed).size).toBe(trimmed.length);
  });

  test('has a tour that comes by every room', () => {
    const tour = section(read('ARCHITECTURE.md'), '## Tour in reading order');
    for (const room of ['core', 'engine', 'journal', 'http', 'cli', 'config']) {
      expect(quoted(tour).filter((path) => path.startsWith(`src/${room}/`)), room).not.toEqual([]);
    }
  });
});

describe('docs/decisions', () => {
  const decisions = filesUnder('docs/decisions', '.md');

  test('are numbered without a gap', () => {
    const numbers = decisions.map((path) => Number(/\/(\d{4})-[a-z0-9-]+\.md$/.exec(path)?.[1]));
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    expect(numbers.length).toBeGreaterThanOrEqual(10);
  });

  test.each(decisions)('%s gives context, decision and consequences', (path) => {
    const headings = [...read(path).matchAll(/^#+ .*$/gm)].map((match) => match[0]);
    expect(headings[0]).toMatch(new RegExp(`^# ${/\d{4}/.exec(path)![0]}\\. \\S`));
    expect(headings.slice(1)).toEqual(['## Context', '## Decision', '## Consequences']);
  });
});
