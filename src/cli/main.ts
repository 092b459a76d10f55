/** Wires the command line to this process. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SLOT_COSTS } from '../core/costs.ts';
import { VERSION } from '../version.ts';
import { processIo } from './command-io.ts';
import { runCommandLine } from './command-line.ts';
import type { Simulator } from './simulate-command.ts';

/** Runs one command of `leasehold`, without the program's name; resolves with the exit code. */
export function runLeasehold(argv: readonly string[]): Promise<number> {
  return runCommandLine(argv, processIo(), {
    version: VERSION,
    costs: SLOT_COSTS,
    // Loaded only to serve: a command should not wait for the whole sidecar's modules.
    serve: async () => (await import('../serve.ts')).serve(),
    simulator,
  });
}

/**
 * It stands with the tests, which the product must not need: it is found as a file beside the
 * sources, or not at all.
 */
async function simulator(): Promise<Simulator | undefined> {
  const file = new URL('../../test/simulation/runner/simulate.ts', import.meta.url);
  if (!existsSync(fileURLToPath(file))) return undefined;
  return ((await import(file.href)) as { simulator: Simulator }).simulator;
}
