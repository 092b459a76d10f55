/** `leasehold config`: judges the configuration without starting, and shows the effective result. */
import type { Command } from 'commander';
import { ConfigurationError } from '../config/complaint.ts';
import { type SlotCosts, worstCase } from '../config/derive.ts';
import { loadConfig } from '../config/load.ts';
import type { Machine } from '../config/machine.ts';
import { printConfig } from '../config/print.ts';
import type { CommandIo } from './command-io.ts';

interface ConfigOptions {
  readonly print?: boolean;
  readonly explain?: boolean;
  readonly json?: boolean;
}

/** What it takes to judge a configuration as `serve` would. */
export interface Judging {
  readonly costs: SlotCosts;
  readonly machine?: Machine;
}

export function addConfigCommand(program: Command, io: CommandIo, judging: Judging): void {
  program
    .command('config')
    .description('check the configuration without starting; exits with 78 when it is refused')
    .option('--print', 'print the effective configuration as YAML')
    .option('--explain', 'print it with the meaning, default and bounds of each option')
    .option('--json', 'print JSON for machines')
    .addHelpText(
      'after',
      '\nWithout --print: what the configuration may need of memory at worst, line by line.\n' +
        '\nExamples:\n' +
        '  leasehold config\n' +
        '  LEASEHOLD_CONFIG=leasehold.yaml leasehold config --print\n' +
        '  leasehold config --explain > leasehold.yaml',
    )
    .action(async (options: ConfigOptions) => {
      const json = options.json === true;
      try {
        const config = loadConfig({ environment: io.environment, ...judging });
        if (options.print === true || options.explain === true) {
          await io.write(printConfig(config, { json, explain: options.explain === true }));
          return;
        }
        const { lines, bytes } = worstCase(config, judging.costs);
        const { memoryLimitBytes } = config;
        const document = { memoryLimitBytes, worstCaseBytes: bytes, lines };
        const shown = lines.map((line) => `  ${mebibytes(line.bytes)}  ${line.what}`);
        const text = [
          'The configuration is good. At worst it needs:',
          ...shown,
          `  ${mebibytes(bytes)}  together, of a limit of ${mebibytes(memoryLimitBytes).trim()}`,
        ].join('\n');
        await io.write(`${json ? JSON.stringify(document, null, 2) : text}\n`);
      } catch (error) {
        if (json && error instanceof ConfigurationError) {
          await io.write(`${JSON.stringify({ complaints: error.complaints }, null, 2)}\n`);
        }
        throw error;
      }
    });
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(1).padStart(9)} MiB`;
}
