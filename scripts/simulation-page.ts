/**
 * The tables of docs/simulation.md: the page is written by hand, and what stands between its
 * markers is made from the simulator's catalogues.
 */
import { join } from 'node:path';
import { FAULTS } from '../test/simulation/faults/catalogue.ts';
import { PLANTED_FAULTS } from '../test/simulation/planted/catalogue.ts';
import { foundBefore } from '../test/simulation/planted/found.ts';
import { INVARIANTS } from '../test/simulation/runner/invariants.ts';
import { code, markedPage, row } from './marked-page.ts';

export const SIMULATION_PAGE = join(import.meta.dirname, '../docs/simulation.md');

const TABLES: Readonly<Record<string, () => readonly string[]>> = {
  faults: () => [
    '| fault | strikes | what |',
    '|---|---|---|',
    ...FAULTS.map(({ kind, strikes, what }) => row(code(kind), strikes, what)),
  ],
  invariants: () => [
    '| invariant | what always holds | promised in |',
    '|---|---|---|',
    ...INVARIANTS.map(({ name, what, where }) => row(code(name), what, where)),
  ],
  planted: () => {
    const found = foundBefore();
    return [
      '| planted fault | the mistake | found by | at seed | of at most |',
      '|---|---|---|---|---|',
      ...PLANTED_FAULTS.map(({ name, what, seedsMax }) => {
        const by = found[name];
        const result = by === undefined ? ['', 'not measured yet'] : [code(by.invariant), String(by.seed)];
        return row(code(name), what, ...result, String(seedsMax));
      }),
    ];
  },
};

/** The page as it stands, with its tables made anew. @throws Error when it lacks a marker */
export function simulationPage(): string {
  return markedPage(SIMULATION_PAGE, TABLES);
}
