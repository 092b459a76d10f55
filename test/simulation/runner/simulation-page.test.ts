import { describe, expect, test } from 'vitest';
import { simulationPage } from '../../../scripts/simulation-page.ts';
import { read, section, tableRows } from '../../house/repository.ts';
import { createCheckers } from '../checkers/all.ts';
import { checkedWorld } from '../checked-world.ts';
import { FAULTS } from '../faults/catalogue.ts';
import { PLANTED_FAULTS } from '../planted/catalogue.ts';
import { World } from '../world.ts';
import { INVARIANTS, invariantOf } from './invariants.ts';

const PAGE = read('docs/simulation.md');

describe('docs/simulation.md', () => {
  test('has the tables that the catalogues make; `npm run docs` writes them', () => {
    expect(PAGE).toBe(simulationPage());
  });

  test('lists every fault, every invariant and every planted fault', () => {
    const names = (heading: string) => tableRows(section(PAGE, heading)).map(([name]) => name!.slice(1, -1));
    expect(names('## Faults')).toEqual(FAULTS.map(({ kind }) => kind));
    expect(names('## Invariants')).toEqual(INVARIANTS.map(({ name }) => name));
    expect(names('## Planted faults')).toEqual(PLANTED_FAULTS.map(({ name }) => name));
  });
});

describe('the table of invariants', () => {
  test('has every one that a checker judges by, once', () => {
    const checkers = createCheckers(checkedWorld(new World({ seed: 1, sidecars: ['s1'] })));
    expect(checkers.length).toBeGreaterThan(10);
    expect(checkers.map(({ invariant }) => invariant).filter((name) => invariantOf(name) === undefined)).toEqual([]);
    const names = INVARIANTS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  test('has every one that is to catch a planted fault', () => {
    const expected = new Set(PLANTED_FAULTS.flatMap(({ invariants }) => invariants));
    expect([...expected].filter((name) => invariantOf(name) === undefined)).toEqual([]);
  });
});
