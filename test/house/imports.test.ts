/**
 * The import map of ARCHITECTURE.md against the imports there are, both ways: an arrow that is not
 * drawn fails, and so does a drawn one that no import needs any more.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cycleOf, edgesOf, type Import, importsOf, roomOf } from './import-graph.ts';
import { filesUnder, read, ROOT, section } from './repository.ts';

const files = filesUnder('src', '.ts');
const imports: readonly Import[] = files.flatMap((file) => importsOf(file, read(file)));
const arrows = edgesOf(
  imports
    .map(({ from, to }) => [roomOf(from), roomOf(to)] as const)
    .filter(([from, to]) => from !== to),
);

/** Lines of the drawing: `engine --> core & journal`, or a name alone that imports nothing. */
function drawnMap(): Map<string, Set<string>> {
  const part = section(read('ARCHITECTURE.md'), '## Import map');
  const block = /```mermaid\n([\s\S]*?)```/.exec(part)?.[1];
  if (block === undefined) throw new Error('The import map has no drawing');
  const drawn = new Map<string, Set<string>>();
  for (const line of block.split('\n').map((text) => text.trim())) {
    if (line === '' || line.startsWith('graph ')) continue;
    const [from, to = ''] = line.split(' --> ');
    if (drawn.has(from!)) throw new Error(`"${from}" is drawn twice`);
    drawn.set(from!, new Set(to.split(' & ').filter((name) => name !== '')));
  }
  return drawn;
}

describe('the imports of src', () => {
  test('are read from every module there is', () => {
    expect(files.length).toBeGreaterThan(80);
    const seen = new Set(imports.flatMap(({ from, to }) => [from, to]));
    expect(files.filter((file) => !seen.has(file))).toEqual([]);
    expect(seen.size).toBe(files.length);
  });

  test('all lead to files that exist', () => {
    expect(imports.filter(({ to }) => !existsSync(join(ROOT, to)))).toEqual([]);
  });

  test('follow the import map, and need every arrow of it', () => {
    const drawn = drawnMap();
    const rooms = [...new Set(files.map(roomOf))].sort();
    const listed = (map: ReadonlyMap<string, ReadonlySet<string>>) =>
      rooms.map((room) => `${room} --> ${[...(map.get(room) ?? [])].sort().join(' & ')}`);
    expect([...drawn.keys()].sort()).toEqual(rooms);
    expect(listed(drawn)).toEqual(listed(arrows));
  });

  test('never run in a circle between folders', () => {
    expect(cycleOf(arrows)).toBeUndefined();
  });

  test('never run in a circle between files, but for types', () => {
    const values = imports.filter(({ value }) => value);
    expect(cycleOf(edgesOf(values.map(({ from, to }) => [from, to] as const)))).toBeUndefined();
  });

  test('of the core stay inside it', () => {
    const core = imports.filter(({ from }) => roomOf(from) === 'core');
    expect(core.length).toBeGreaterThan(50);
    expect(core.filter(({ to }) => roomOf(to) !== 'core')).toEqual([]);
  });
});

describe('this test', () => {
  test.each<[string, string, string, boolean]>([
    ['a plain import', "import { a } from './a.ts';", 'src/x/a.ts', true],
    ['one over several lines', "import {\n  a,\n  type B,\n} from '../y/a.ts';", 'src/y/a.ts', true],
    ['a type import', "import type { A } from '../y/a.ts';", 'src/y/a.ts', false],
    ['a default import', "import a, { b } from '../a.ts';", 'src/a.ts', true],
    ['a namespace import', "import * as a from '../a.ts';", 'src/a.ts', true],
    ['an import called type', "import type from '../a.ts';", 'src/a.ts', true],
    ['an import for its effect', "import './a.ts';", 'src/x/a.ts', true],
    ['a re-export', "export { a } from './a.ts';", 'src/x/a.ts', true],
    ['a re-export of a type', "export type { A } from './a.ts';", 'src/x/a.ts', false],
    ['a re-export of everything', "export * from './a.ts';", 'src/x/a.ts', true],
    ['a dynamic import', "const { a } = await import('../a.ts');", 'src/a.ts', true],
  ])('sees %s', (_name, source, to, value) => {
    expect(importsOf('src/x/file.ts', source)).toEqual([{ from: 'src/x/file.ts', to, value }]);
  });

  test.each([
    "// import { a } from './a.ts';",
    "/* import './a.ts' */",
    'const text = "import { a } from \'./a.ts\'";',
    "export type Name = 'a' | './b';",
    "import { readFileSync } from 'node:fs';",
  ])('does not take %j for one', (source) => {
    expect(importsOf('src/x/file.ts', source)).toEqual([]);
  });

  test('finds a circle, and none where there is none', () => {
    expect(cycleOf(edgesOf([['a', 'b'], ['b', 'c'], ['c', 'b']]))).toEqual(['b', 'c', 'b']);
    expect(cycleOf(edgesOf([['a', 'b'], ['b', 'c'], ['a', 'c']]))).toBeUndefined();
  });
});
