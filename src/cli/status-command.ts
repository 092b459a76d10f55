/** `leasehold status`: everything the sidecar says of itself, on one page. */
import type { Command } from 'commander';
import { stringify } from 'yaml';
import type { CommandIo } from './command-io.ts';
import { clientFor, remote, type RemoteOptions, show } from './remote.ts';

export function addStatusCommand(program: Command, io: CommandIo): void {
  remote(program.command('status'))
    .description('show what the sidecar holds and how it is')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  leasehold status\n' +
        '  leasehold status --url unix:/run/leasehold.sock\n' +
        '  leasehold status --json | jq .entries',
    )
    .action(async (options: RemoteOptions) => {
      const status = await clientFor(options, io).askJson('GET', '/v1/status');
      // YAML: people read it without practice, and it shows whatever the sidecar has to say. Its
      // writer escapes control characters.
      await show(io, options, status, stringify(status, { lineWidth: 100 }).trimEnd());
    });
}
