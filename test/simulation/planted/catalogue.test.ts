import { execFileSync } from 'node:child_process';
import { stripTypeScriptTypes } from 'node:module';
import { describe, expect, test } from 'vitest';
import { read } from '../../house/repository.ts';
import { PLANTED_FAULTS, plantedFault } from './catalogue.ts';
import { rewritten } from './plant.ts';
import type { PlantedEdit } from './planted-fault.ts';

const edited = PLANTED_FAULTS.flatMap(({ name, edits }) =>
  [...Map.groupBy(edits, ({ file }) => file)].map(([file, each]) => ({ name, file, each })),
);

const here = (file: string): string => JSON.stringify(new URL(file, import.meta.url).href);

/** What a process of its own prints that runs these statements. */
function printedBy(...statements: readonly string[]): string {
  const script = statements.join('\n');
  return execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim();
}

describe('the catalogue of planted faults', () => {
  test('names each fault once, in lower case with hyphens', () => {
    const names = PLANTED_FAULTS.map(({ name }) => name);
    expect(names.length).toBeGreaterThanOrEqual(28);
    expect(names.filter((name) => !/^[a-z]+(-[a-z]+)+$/.test(name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  });

  test('says of each what may catch it, and within how many seeds', () => {
    for (const { name, invariants, seedsMax } of PLANTED_FAULTS) {
      expect(invariants.length, name).toBeGreaterThan(0);
      expect(new Set(invariants).size, name).toBe(invariants.length);
      expect(seedsMax, name).toBeGreaterThan(0);
    }
  });

  test('changes one file for each fault, or two', () => {
    for (const { name, edits } of PLANTED_FAULTS) {
      expect([1, 2], name).toContain(new Set(edits.map(({ file }) => file)).size);
    }
  });

  test.each(edited)('$name fits $file, which stays a module', ({ file, each }) => {
    const text = read(file);
    const changed = rewritten(text, each);
    expect(changed).not.toBe(text);
    expect(() => stripTypeScriptTypes(changed)).not.toThrow();
  });

  test('refuses an edit that does not find its place exactly once', () => {
    const edit = (find: string): PlantedEdit => ({ file: 'src/core/dot.ts', find, replace: '' });
    expect(() => rewritten('one two two', [edit('three')])).toThrow('found 0 times');
    expect(() => rewritten('one two two', [edit('two')])).toThrow('found 2 times');
    expect(rewritten('one two two', [edit('one ')])).toBe('two two');
  });
});

describe('a planted fault', () => {
  const covers = [
    `const { covers } = await import(${here('../../../src/core/dot.ts')});`,
    `console.log(covers([{ actor: 'a', seq: 3 }], 'a', 2), covers([{ actor: 'a', seq: 3 }], 'a', 3));`,
  ];

  test('is at work in the process that planted it, and in no other', () => {
    const planting = [
      `const { plant } = await import(${here('./plant.ts')});`,
      `const { plantedFault } = await import(${here('./catalogue.ts')});`,
      `const planting = plant(plantedFault('context-excludes-its-last-write'));`,
      'console.log(planting.idle.length);',
    ];
    expect(printedBy(...covers)).toBe('true true');
    expect(printedBy(...planting, ...covers, 'console.log(planting.idle.length);'))
      .toBe('1\ntrue false\n0');
  });

  test('that no longer fits is refused before anything is loaded', () => {
    const outdated = { ...plantedFault('context-excludes-its-last-write') };
    const edits = [{ ...outdated.edits[0], find: 'what is not there' }];
    const planting = [
      `const { plant } = await import(${here('./plant.ts')});`,
      `plant(${JSON.stringify({ ...outdated, edits })});`,
    ];
    expect(() => printedBy(...planting)).toThrow('Cannot plant in src/core/dot.ts: found 0 times');
  });
});
