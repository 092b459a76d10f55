/** docs/dependencies.md against what is installed: package.json and the lock files, both ways. */
import { describe, expect, test } from 'vitest';
import { filesUnder, quoted, read, section, tableRows } from './repository.ts';

type Versions = Readonly<Record<string, string>>;

interface Package {
  readonly license?: string;
  readonly dependencies?: Versions;
  readonly optionalDependencies?: Versions;
}

interface Manifest {
  readonly dependencies?: Versions;
  readonly optionalDependencies?: Versions;
  readonly devDependencies?: Versions;
  readonly overrides?: Versions;
}

const PAGE = read('docs/dependencies.md');
const manifest: Manifest = JSON.parse(read('package.json'));
const tools: Manifest = JSON.parse(read('tools/package.json'));
const locked = lockOf('package-lock.json');
const lockedTools = lockOf('tools/package-lock.json');

function lockOf(path: string): Readonly<Record<string, Package>> {
  return JSON.parse(read(path)).packages;
}

/** What the package at `path` means by `name`: the nearest one, as Node finds it. */
function nearest(path: string, name: string): string | undefined {
  for (let at = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    const candidate = `${at === '' ? '' : `${at}/`}node_modules/${name}`;
    if (candidate in locked) return candidate;
    if (!at.includes('node_modules/')) return undefined;
    if (!at.includes('/node_modules/')) at = '';
  }
}

/** How many other packages come with one. */
function brought(name: string): number {
  const seen = new Set<string>();
  const visit = (path: string | undefined): void => {
    if (path === undefined || seen.has(path)) return;
    seen.add(path);
    const { dependencies, optionalDependencies } = locked[path]!;
    for (const next of Object.keys({ ...dependencies, ...optionalDependencies })) visit(nearest(path, next));
  };
  visit(`node_modules/${name}`);
  return seen.size - 1;
}

const plain = (cell: string | undefined): string => quoted(cell ?? '')[0] ?? cell ?? '';
const rowsUnder = (heading: string): string[][] => tableRows(section(PAGE, heading));

describe.each<[string, Versions]>([
  ['## At runtime', manifest.dependencies ?? {}],
  ['## The runtime itself', manifest.optionalDependencies ?? {}],
])('"%s"', (heading, versions) => {
  test('has what is there, with its version, licence and weight', () => {
    const told = rowsUnder(heading).map(([name, version, licence, count]) => [
      plain(name), plain(version), licence, Number(count),
    ]);
    const there = Object.entries(versions).map(([name, version]) => [
      name, version, locked[`node_modules/${name}`]!.license, brought(name),
    ]);
    expect(told.sort()).toEqual(there.sort());
  });

  test('says of each what for, why it, and when it is loaded', () => {
    for (const row of rowsUnder(heading)) {
      expect(row, row[0]).toHaveLength(7);
      for (const cell of row) expect(cell, row[0]).not.toBe('');
    }
  });
});

describe('"## To test and to build"', () => {
  const rows = rowsUnder('## To test and to build');

  test('has what is there, with its version, licence and weight', () => {
    const told = rows.filter((row) => row.length === 6).map(([name, version, licence, count]) => [
      plain(name), plain(version), licence, Number(count),
    ]);
    const there = Object.entries(manifest.devDependencies ?? {}).map(([name, version]) => [
      name, version, locked[`node_modules/${name}`]!.license, brought(name),
    ]);
    expect(told.sort()).toEqual(there.sort());
  });

  test('has what the chart is tested with', () => {
    const told = rows.filter((row) => row.length === 5).map(([name, version, licence]) => [plain(name), plain(version), licence]);
    const there = Object.entries(tools.devDependencies ?? {}).map(([name, version]) => [
      name, version, lockedTools[`node_modules/${name}`]!.license,
    ]);
    expect(told.sort()).toEqual(there.sort());
  });
});

test('everything that runs is under a licence that the page names', () => {
  const named = quoted(/under one of these licences: (.*)\./.exec(PAGE)?.[1] ?? '');
  const there = Object.entries(locked)
    .filter(([path, one]) => path !== '' && !('dev' in one))
    .map(([, one]) => one.license ?? 'none');
  expect(there.length).toBeGreaterThan(100);
  expect([...new Set(there)].sort()).toEqual(named.sort());
});

test('what runs a script when it is installed is named', () => {
  const there = Object.entries(locked).filter(([, one]) => 'hasInstallScript' in one && !('dev' in one));
  const names = there.map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length));
  const sentence = /two have a script for their installation(.*?);/.exec(PAGE)?.[1] ?? '';
  expect(quoted(sentence).sort()).toEqual(names.sort());
});

test('every exact version and every override has a reason', () => {
  const all = { ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.devDependencies };
  const exact = Object.entries(all).filter(([, version]) => /^\d/.test(version));
  const pinned = [...exact, ...Object.entries(manifest.overrides ?? {})];
  const told = rowsUnder('## Versions, pins and overrides').map(([name, version]) => [plain(name), plain(version)]);
  expect(told.sort()).toEqual(pinned.sort());
});

describe('the source', () => {
  const sources = (folder: string): string => filesUnder(folder, '.ts').map(read).join('\n');
  const imported = (text: string): string[] => {
    const statements = /^(?:import|export)\b[^;']*\bfrom '([a-z@][^'.:]*)';$|\bawait import\('([a-z@][^'.:]*)'\)/gm;
    const found = [...text.matchAll(statements)].map((match) => match[1] ?? match[2]!);
    return [...new Set(found.map((name) => name.split('/').slice(0, name.startsWith('@') ? 2 : 1).join('/')))];
  };

  test('imports the packages of the runtime, all of them, and no other', () => {
    expect(imported(sources('src')).sort()).toEqual(Object.keys(manifest.dependencies ?? {}).sort());
  });
});
