/**
 * `node scripts/plant.ts [--only NAME,NAME] [--seeds N] [--write]`: plants each of the simulator's
 * faults and counts the seeds until it is found. Exits with 1 when one is not. With `--write` the
 * results are kept, and the table of docs/simulation.md is made from them.
 */
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { PLANTED_FAULTS } from '../test/simulation/planted/catalogue.ts';
import { FOUND_FILE, type FoundBy, foundBefore } from '../test/simulation/planted/found.ts';
import type { PlantedFault } from '../test/simulation/planted/planted-fault.ts';
import { limiter, unearth, unplanted } from '../test/simulation/runner/plant-run.ts';
import { SIMULATION_PAGE, simulationPage } from './simulation-page.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    seeds: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
});
const only = values.only?.split(',');
const faults = PLANTED_FAULTS.filter(({ name }) => only === undefined || only.includes(name));
const seeds = values.seeds === undefined ? undefined : Number(values.seeds);
if (faults.length < (only?.length ?? 1) || (seeds !== undefined && !(Number.isSafeInteger(seeds) && seeds > 0))) {
  process.stderr.write(
    'Usage: node scripts/plant.ts [--only NAME,NAME] [--seeds N] [--write]\n' +
      `Planted faults: ${PLANTED_FAULTS.map(({ name }) => name).join(', ')}\n`,
  );
  process.exit(2);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const width = Math.max(...faults.map(({ name }) => name.length));
const found: Record<string, FoundBy> = {};
const inTurn = limiter(availableParallelism());
const product = unplanted();
const look = async (fault: PlantedFault): Promise<void> => {
  const { name, seedsMax } = fault;
  const unearthed = await inTurn(() =>
    unearth(fault, { seedsMax: seeds ?? seedsMax }, product),
  ).catch((error: Error) => error);
  if (unearthed === undefined) say(`${name.padEnd(width)}  not found in ${seeds ?? seedsMax} seeds`);
  else if (unearthed instanceof Error) say(`${name.padEnd(width)}  ${unearthed.message}`);
  else {
    const { seed, invariant, detail } = unearthed;
    found[name] = { seed, invariant };
    say(`${name.padEnd(width)}  ${String(seed).padStart(5)}  ${invariant}: ${detail.split('\n')[0]}`);
  }
};
await Promise.all(faults.map(look));
await product.close();
const missing = faults.filter(({ name }) => found[name] === undefined);
say(`${faults.length - missing.length} of ${faults.length} found`);
process.exitCode = missing.length === 0 ? 0 : 1;

if (values.write) {
  const before = foundBefore();
  const kept = PLANTED_FAULTS.flatMap((fault) => {
    const { name } = fault;
    const result = faults.includes(fault) ? found[name] : before[name];
    return result === undefined ? [] : [[name, result] as const];
  });
  await writeFile(FOUND_FILE, `${JSON.stringify(Object.fromEntries(kept), undefined, 2)}\n`);
  await writeFile(SIMULATION_PAGE, simulationPage());
}
