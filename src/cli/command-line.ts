/**
 * The command line `leasehold`. Parses, dispatches, and turns every way a command can end into an
 * exit code and a sentence on stderr. It does not exit itself: the process entry does.
 */
import { Command, CommanderError } from 'commander';
import { ConfigurationError } from '../config/complaint.ts';
import type { CommandIo } from './command-io.ts';
import { addConfigCommand, type Judging } from './config-command.ts';
import { addEntryCommands } from './entry-commands.ts';
import { CommandFailure, EXIT } from './exit.ts';
import { addHealthCommand } from './health-command.ts';
import { addLeaseCommands } from './lease-commands.ts';
import { Refused } from './problem.ts';
import { addSimulateCommand, type Simulator } from './simulate-command.ts';
import { addStatusCommand } from './status-command.ts';
import { addTokenCommand } from './token-command.ts';
import { addWatchCommand } from './watch-command.ts';

export interface CommandLineParts extends Judging {
  readonly version: string;
  /** Runs the sidecar in the foreground; resolves with the exit code. */
  readonly serve: () => Promise<number>;
  /** Loads the simulator; undefined where it is not installed. */
  readonly simulator: () => Promise<Simulator | undefined>;
}

/**
 * Runs one command; `argv` without the program's own name. Without arguments it serves.
 * Resolves with the exit code; rejects only for a fault of this program.
 */
export async function runCommandLine(
  argv: readonly string[],
  io: CommandIo,
  parts: CommandLineParts,
): Promise<number> {
  let exitCode: number = EXIT.ok;
  let json = false;
  const written: Promise<void>[] = [];

  const program = new Command('leasehold')
    .description('The transient-state sidecar: leases, entries and their endings.')
    .version(parts.version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void written.push(io.write(text)),
      writeErr: (text) => io.tell(text.trimEnd()),
    })
    .hook('preAction', (_program, action) => {
      json = action.opts()['json'] === true;
    })
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 refused by the sidecar, 2 wrong usage, 69 sidecar or bus not reached,\n' +
        '78 bad configuration. LEASEHOLD_URL says where the sidecar is, LEASEHOLD_TOKEN_FILE where the\n' +
        'token is that it asks for.\n' +
        '\nExamples:\n' +
        '  leasehold serve\n' +
        "  leasehold put sessions alice 'hello' --ttl-ms 30000\n" +
        '  leasehold get sessions alice\n' +
        '  leasehold watch',
    );
  program
    .command('serve')
    .description('run one sidecar in the foreground (also what happens without arguments)')
    .addHelpText(
      'after',
      '\nIt is configured by LEASEHOLD_CONFIG and other variables; see `leasehold config`.\n' +
        '\nExamples:\n' +
        '  leasehold serve\n' +
        '  LEASEHOLD_LISTEN=127.0.0.1:0,unix:/tmp/leasehold.sock leasehold serve',
    )
    .action(async () => {
      exitCode = await parts.serve();
    });
  addConfigCommand(program, io, parts);
  addStatusCommand(program, io);
  addHealthCommand(program, io);
  addLeaseCommands(program, io);
  addEntryCommands(program, io);
  addWatchCommand(program, io);
  addTokenCommand(program, io);
  addSimulateCommand(program, io, parts.simulator);

  try {
    await program.parseAsync(argv.length === 0 ? ['serve'] : [...argv], { from: 'user' });
  } catch (error) {
    exitCode = await endOf(error, json, io);
  }
  await Promise.all(written);
  return exitCode;
}

/** The exit code a failure stands for, after it has been told. */
async function endOf(error: unknown, json: boolean, io: CommandIo): Promise<number> {
  if (error instanceof CommanderError) {
    // Asked-for help and the version end by an exception too. Its own sentence is already written.
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  if (error instanceof ConfigurationError) {
    io.tell(error.message);
    return EXIT.configuration;
  }
  if (error instanceof CommandFailure) {
    if (json && error instanceof Refused) {
      await io.write(`${JSON.stringify(error.problem, null, 2)}\n`);
    }
    io.tell(error.message);
    return error.exitCode;
  }
  throw error;
}
