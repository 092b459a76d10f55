/** The table of options and what is written about it: neither may name what the other does not. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { configurationPage, defaultFile } from '../../scripts/configuration-page.ts';
import { VARIABLES } from '../../src/config/environment.ts';
import { ANY_NAME, ROWS } from '../../src/config/table.ts';
import { COSTS, load, MACHINE } from './loading.ts';
import { loadConfig } from '../../src/config/load.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

const optionPaths = ROWS.filter((row) => row.kind === 'option').map((row) => row.path.join('.'));

describe('docs/configuration.md', () => {
  const page = read('docs/configuration.md');

  test('is what `npm run docs` would write now', () => {
    expect(page).toBe(configurationPage());
  });

  test('has a row for every option and variable, and for no other', () => {
    const named = [...page.matchAll(/^\| `([^`]+)`/gm)].map((match) => match[1]!);
    const known = [...VARIABLES.map(({ name }) => name), ...optionPaths];
    expect(named.toSorted()).toEqual(known.toSorted());
  });
});

describe('config/leasehold.yaml', () => {
  const file = read('config/leasehold.yaml');

  test('is what `npm run docs` would write now', () => {
    expect(file).toBe(defaultFile());
  });

  test('names every option, and no other', () => {
    // An option whose default depends on the machine stands there as a comment without a value.
    const uncommented = file.replace(/^( *)# ([A-Za-z]+):$/gm, '$1$2: left out');
    const named: string[] = [];
    const collect = (value: unknown, path: readonly string[]) => {
      const general = path.map((part, at) =>
        at === 1 && path[0] === 'namespaces' ? ANY_NAME : part,
      );
      if (optionPaths.includes(general.join('.'))) named.push(general.join('.'));
      else if (typeof value === 'object' && value !== null) {
        for (const [key, one] of Object.entries(value)) collect(one, [...path, key]);
      } else throw new Error(`${general.join('.')} is no option`);
    };
    collect(parse(uncommented), []);
    expect(named.toSorted()).toEqual(optionPaths.toSorted());
  });

  test('loads to the defaults, except that namespaces are no longer created on demand', () => {
    expect(load(file)).toEqual({ ...load(), autoCreateNamespaces: false });
  });

  test('has no line too long to read', () => {
    for (const line of file.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });
});

describe('config/examples', () => {
  const examples = readdirSync(join(ROOT, 'config/examples'));

  test('there are some', () => {
    expect(examples.length).toBeGreaterThanOrEqual(2);
  });

  test.each(examples)('%s loads within the default memory limit', (name) => {
    const config = loadConfig({
      environment: { LEASEHOLD_CONFIG: join(ROOT, 'config/examples', name) },
      costs: COSTS,
      machine: MACHINE,
    });
    expect(config.namespaces.length).toBeGreaterThan(3);
    expect(config.memoryLimitBytes).toBe(1024 ** 3);
  });
});

describe('the table', () => {
  test('gives every option a meaning, and one that is a sentence', () => {
    for (const row of ROWS) {
      if (row.path.length === 0) continue;
      expect(row.meaning, row.path.join('.')).toMatch(/\.$/);
      expect(row.meaning.length, row.path.join('.')).toBeGreaterThan(10);
    }
  });

  test('names durations, sizes and counts with their unit where they are not plain counts', () => {
    for (const row of ROWS) {
      if (row.kind !== 'option') continue;
      const name = row.path.at(-1)!;
      if (row.unit === 'ms') expect(name).toMatch(/Ms$/);
      if (row.unit === 'bytes') expect(name.toLowerCase()).toMatch(/bytes$/);
    }
  });
});
