/**
 * `leasehold simulate`: whole clusters in one process, on virtual time and one seed each, with
 * everything going wrong. The simulator is no part of the product: it stands beside it in the
 * repository and is loaded only here, where it is there.
 */
import { availableParallelism } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { CommandIo } from './command-io.ts';
import { CommandFailure, EXIT } from './exit.ts';
import { wholeNumber } from './remote.ts';

export type SimulatorIo = Pick<CommandIo, 'write' | 'tell' | 'progress' | 'colours'>;

export interface SimulateOptions {
  /** The first seed; undefined: what the scenario says, else 1. */
  readonly from: number | undefined;
  readonly seeds: number | undefined;
  readonly seedsDefault: number;
  readonly sidecars: number;
  /** Only these kinds. */
  readonly faults: readonly string[] | undefined;
  readonly scenario: { readonly path: string; readonly text: string } | undefined;
  readonly workers: number;
  readonly keepGoing: boolean;
  /** Of what fails, look for a shorter schedule. */
  readonly shrinks: boolean;
  /** Timelines with nothing folded. */
  readonly whole: boolean;
  readonly json: boolean;
}

/** What this command needs of the simulator. */
export interface Simulator {
  /** Every kind of fault and every invariant. */
  list(json: boolean): string;
  /** Resolves with how many seeds failed, or with what was wrong with how it was asked. */
  simulate(options: SimulateOptions, io: SimulatorIo, signal: AbortSignal): Promise<number | string>;
}

interface Written {
  readonly seeds?: number;
  readonly seed?: number;
  readonly from?: number;
  readonly sidecars: number;
  readonly scenario?: string;
  readonly faults?: readonly string[];
  readonly workers: number;
  readonly keepGoing?: boolean;
  readonly shrink: boolean;
  readonly whole?: boolean;
  readonly list?: boolean;
  readonly json?: boolean;
}

const SEEDS = 1_000;
const SIDECARS_MAX = 9;
const WORKERS_MAX = 256;
const SEED_MAX = 2 ** 32 - 1;

export function addSimulateCommand(
  program: Command,
  io: CommandIo,
  open: () => Promise<Simulator | undefined>,
): void {
  program
    .command('simulate')
    .description('run simulated clusters on virtual time with everything going wrong, and check them')
    .addOption(
      new Option('--seeds <count>', `so many seeds, one after the other (default: ${SEEDS})`)
        .argParser(from(1, SEED_MAX)),
    )
    .addOption(
      new Option('--seed <number>', 'this one: the same run again')
        .argParser(from(0, SEED_MAX)).conflicts(['seeds', 'from']),
    )
    .option('--from <number>', 'the first seed (default: 1)', from(0, SEED_MAX))
    .option('--sidecars <count>', 'in each cluster', from(1, SIDECARS_MAX), 3)
    .addOption(new Option('--scenario <file>', 'what strikes when, as a YAML file').conflicts('faults'))
    .option('--faults <kinds>', 'only these kinds of faults, comma-separated', listed)
    .addOption(
      new Option('--workers <count>', 'seeds at once')
        .argParser(from(1, WORKERS_MAX)).default(availableParallelism(), 'one per core'),
    )
    .option('--keep-going', 'go on after a seed that fails')
    .option('--no-shrink', 'show what fails as it is, without looking for a shorter schedule')
    .option('--whole', 'show timelines with nothing folded')
    .option('--list', 'print every kind of fault and every invariant')
    .option('--json', 'print JSON for machines')
    .addHelpText(
      'after',
      '\nExits with 1 when an invariant does not hold. Then it prints the timeline of the shortest\n' +
        'schedule it finds that fails so, and how to see it again. Interrupted, it tells what it knows.\n' +
        'See docs/simulation.md.\n' +
        '\nExamples:\n' +
        '  leasehold simulate --seeds 2000\n' +
        '  leasehold simulate --seed 42 --sidecars 3 --whole\n' +
        '  leasehold simulate --faults power-cut,ledger-failover --keep-going\n' +
        '  leasehold simulate --scenario split.yaml --seeds 100',
    )
    .action(async (written: Written) => {
      const simulator = await open();
      if (simulator === undefined) {
        throw new CommandFailure(
          EXIT.unreachable,
          'This installation has no simulator: it comes with the source, under test/simulation',
        );
      }
      if (written.list === true) {
        await io.write(`${simulator.list(written.json === true)}\n`);
        return;
      }
      const options = await optionsOf(written, io);
      const stop = new AbortController();
      const forget = io.onInterrupt(() => stop.abort());
      try {
        const came = await simulator.simulate(options, io, stop.signal);
        if (typeof came === 'string') throw new CommandFailure(EXIT.usage, came);
        if (came > 0) throw new CommandFailure(EXIT.refused, came === 1 ? '1 seed failed' : `${came} seeds failed`);
      } finally {
        forget();
      }
    });
}

async function optionsOf(written: Written, io: CommandIo): Promise<SimulateOptions> {
  const { seed, scenario: path } = written;
  return {
    from: seed ?? written.from,
    seeds: seed === undefined ? written.seeds : 1,
    seedsDefault: SEEDS,
    sidecars: written.sidecars,
    faults: written.faults,
    scenario: path === undefined ? undefined : { path, text: await textOf(path, io) },
    workers: written.workers,
    keepGoing: written.keepGoing === true,
    shrinks: written.shrink,
    whole: written.whole === true,
    json: written.json === true,
  };
}

async function textOf(path: string, io: CommandIo): Promise<string> {
  try {
    return new TextDecoder().decode(await io.readFile(path));
  } catch (error) {
    throw new CommandFailure(EXIT.usage, `Cannot read the scenario: ${(error as Error).message}`);
  }
}

function from(least: number, most: number): (written: string) => number {
  return (written) => {
    const value = wholeNumber(written);
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be from ${least} to ${most}.`);
  };
}

function listed(written: string): string[] {
  return written.split(',').map((kind) => kind.trim()).filter((kind) => kind !== '');
}
