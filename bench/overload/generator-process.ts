/** The load generator as a child process, pinned to the processor that the sidecar does not have. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { SERVER_PROCESSOR } from '../http/processes.ts';
import type { Order } from './generator.ts';
import type { PhaseReport } from './tally.ts';

/** The other one. */
const PROCESSOR = 1;

export interface Generator {
  readonly processor: number;
  /** One after the other. @throws Error when the generator ended, having said why on stderr */
  run(order: Order): Promise<PhaseReport>;
  stop(): void;
}

export function startGenerator(): Generator {
  const command = [process.execPath, fileURLToPath(new URL('generator.ts', import.meta.url))];
  if (SERVER_PROCESSOR !== undefined) command.unshift('taskset', '-c', String(PROCESSOR));
  const child = spawn(command[0]!, command.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    processor: PROCESSOR,
    run: async (order) => {
      child.stdin.write(`${JSON.stringify(order)}\n`);
      const { value, done } = await lines.next();
      if (done === true) throw new Error('Cannot measure: the load generator ended');
      return JSON.parse(value) as PhaseReport;
    },
    stop: () => child.stdin.end(),
  };
}
