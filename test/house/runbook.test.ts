/**
 * The runbook against what it speaks of: the catalogue of reasons, the lines of the log, the
 * metrics. That its commands answer as printed is tried in test/process/runbook.test.ts.
 */
import { basename } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runbookPage } from '../../scripts/runbook-page.ts';
import { EXIT_CODES } from '../../src/exit-codes.ts';
import { INSTRUMENTS } from '../../src/metrics/instruments.ts';
import { prometheusName } from '../../src/metrics/prometheus-name.ts';
import { READINESS_CODES, READINESS_REASONS } from '../../src/readiness.ts';
import { pageOf, told } from '../process/runbook/page.ts';
import { sessionOf } from './console-session.ts';
import { filesUnder, read, section, tableRows } from './repository.ts';

const HEADINGS = [
  '## What it means', '## What to look at', '## What to do', '## What not to do', '## How it goes away',
];

const METRICS = Object.entries(INSTRUMENTS).map(([name, one]) => prometheusName(name, one));

const source = filesUnder('src', '.ts').map(read).join('\n');

test('the runbook has a page for every reason of readiness, and for no other', () => {
  const pages = filesUnder('docs/runbook', '.md').map((path) => basename(path, '.md'));
  expect(pages.sort()).toEqual([...READINESS_CODES].sort());
});

test('docs/runbook.md is what `npm run docs` would write now', () => {
  expect(read('docs/runbook.md')).toBe(runbookPage());
});

test('every page is tried out beside a sidecar', () => {
  const tried = read('test/process/runbook.test.ts');
  expect(READINESS_CODES.filter((code) => !tried.includes(`('${code}',`))).toEqual([]);
});

test('docs/runbook.md has every exit code of a process that has stopped by itself', () => {
  const codes = tableRows(section(read('docs/runbook.md'), '## When it is not there at all')).map(([code]) => Number(code));
  const killed = 128 + 9;
  expect(codes.sort()).toEqual([...Object.values(EXIT_CODES).filter((code) => code !== EXIT_CODES.clean), killed].sort());
});

describe.each(READINESS_CODES)('the page about %s', (code) => {
  const page = read(pageOf(code));

  test('begins with what the catalogue says, and has what every page has', () => {
    expect(page.startsWith(`# ${code}\n\n${READINESS_REASONS[code].meaning}\n`)).toBe(true);
    expect([...page.matchAll(/^##.*$/gm)].map((match) => match[0])).toEqual(HEADINGS);
    for (const heading of HEADINGS) expect(section(page, heading).trim(), heading).not.toBe('');
    expect(sessionOf(section(page, '## What to look at')).length).toBeGreaterThan(0);
  });

  test('names lines of the log that there are', () => {
    expect(told(page, 'Log').filter((message) => !source.includes(`'${message}'`))).toEqual([]);
  });

  test('names metrics that there are', () => {
    const named = told(page, 'Metrics');
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((name) => !METRICS.includes(name))).toEqual([]);
  });
});
