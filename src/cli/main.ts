/** The command line as a process: the real streams, the real sidecar. */
import { SLOT_COSTS } from '../core/costs.ts';
import { VERSION } from '../version.ts';
import { processIo } from './command-io.ts';
import { runCommandLine } from './command-line.ts';

export function runLeasehold(args: readonly string[]): Promise<number> {
  return runCommandLine(args, processIo(), {
    version: VERSION,
    costs: SLOT_COSTS,
    serve: async () => (await import('../serve.ts')).serve(),
  });
}
