/** `leasehold token`: a fresh token, and what a file of tokens says of it. */
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { parseTokens } from '../access/token-list.ts';
import { VERBS } from '../access/verbs.ts';
import type { CommandIo } from './command-io.ts';
import { CommandFailure, EXIT } from './exit.ts';

/** Nobody guesses 256 bits. */
const TOKEN_BYTES = 32;

interface TokenOptions {
  readonly subject: string;
  readonly namespace?: readonly string[];
  readonly verb?: readonly string[];
  readonly expiresAt?: string;
  readonly out?: string;
}

export function addTokenCommand(program: Command, io: CommandIo): void {
  program
    .command('token')
    .description('make a fresh token, and its entry for the file of tokens')
    .requiredOption('--subject <name>', 'who: callers of one subject share their leases')
    .option('--namespace <name...>', 'namespaces it may use (all of them)')
    .option('--verb <verb...>', `what it may do: ${VERBS.join(', ')} (all of it)`)
    .option('--expires-at <instant>', 'as in 2027-01-01T00:00:00Z (never)')
    .option('--out <file>', 'write the token there, for its owner alone, instead of printing it')
    .addHelpText(
      'after',
      '\nThe entry goes under the line `tokens:`, with which the file that LEASEHOLD_TOKENS_FILE names at\n' +
        'the sidecar begins; it has the digest of the token only. The token goes to its caller and nowhere else.\n' +
        '\nExamples:\n' +
        '  leasehold token --subject web --namespace sessions presence --verb read write\n' +
        '  leasehold token --subject ops --verb operate --out ops.token >> tokens.yaml',
    )
    .action(async (options: TokenOptions) => {
      const token = randomBytes(TOKEN_BYTES).toString('base64url');
      const entry = entryOf(options, token);
      const shown = `${stringify([entry], { lineWidth: 0 })}`.replaceAll(/^/gm, '  ').trimEnd();
      if (options.out === undefined) {
        await io.write(`${token}\n${shown}\n`);
        return;
      }
      keep(options.out, token);
      await io.write(`${shown}\n`);
    });
}

function entryOf(options: TokenOptions, token: string): object {
  const { subject, namespace = ['*'], verb = ['*'], expiresAt } = options;
  const entry = {
    subject,
    sha256: createHash('sha256').update(token).digest('hex'),
    namespaces: namespace,
    verbs: verb,
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
  const judged = parseTokens(JSON.stringify({ tokens: [entry] }));
  if ('tokens' in judged) return entry;
  const [first] = judged.complaints;
  throw new CommandFailure(EXIT.usage, `Cannot make the token: ${first?.path.replace('tokens[0].', '')} ${first?.message}`);
}

/** A file that is there already may hold a token in use. */
function keep(path: string, token: string): void {
  try {
    writeFileSync(path, `${token}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw new CommandFailure(EXIT.usage, `Cannot write the token: ${(error as Error).message}`);
  }
}
