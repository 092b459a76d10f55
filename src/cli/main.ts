/** Wires the command line to this process. */
import { SLOT_COSTS } from '../core/costs.ts';
import { VERSION } from '../version.ts';
import { processIo } from './command-io.ts';
import { runCommandLine } from './command-line.ts';

/** Runs one command of `leasehold`, without the program's name; resolves with the exit code. */
export function runLeasehold(argv: readonly string[]): Promise<number> {
  return runCommandLine(argv, processIo(), {
    version: VERSION,
    costs: SLOT_COSTS,
    // Loaded only to serve: a command should not wait for the whole sidecar's modules.
    serve: async () => (await import('../serve.ts')).serve(),
  });
}
