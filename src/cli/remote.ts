/** What every command that talks to a sidecar has in common: where it is, and how answers are shown. */
import { type Command, InvalidArgumentError } from 'commander';
import type * as z from 'zod';
import { isTokenText } from '../access/token.ts';
import { readSecret } from '../config/secret-file.ts';
import { Client } from './client.ts';
import type { CommandIo } from './command-io.ts';
import { CommandFailure, EXIT } from './exit.ts';
import { DEFAULT_URL, parseTarget } from './target.ts';

export interface RemoteOptions {
  readonly url?: string;
  readonly tokenFile?: string;
  readonly json?: boolean;
}

/** Adds the options every such command has. */
export function remote(command: Command): Command {
  return command
    .option(
      '--url <url>',
      `the sidecar: http://host:port or unix:/path (LEASEHOLD_URL, else ${DEFAULT_URL})`,
    )
    .option('--token-file <file>', 'the token to show, as its first line (LEASEHOLD_TOKEN_FILE)')
    .option('--json', 'print JSON for machines');
}

export function clientFor(options: RemoteOptions, io: CommandIo): Client {
  const target = parseTarget(options.url ?? (io.environment['LEASEHOLD_URL'] || DEFAULT_URL));
  const file = options.tokenFile ?? (io.environment['LEASEHOLD_TOKEN_FILE'] || undefined);
  return new Client(target, file === undefined ? undefined : () => tokenOf(file));
}

/** From a file, never as an argument: everybody on a machine can read those. */
function tokenOf(file: string): string {
  try {
    const token = readSecret(file);
    if (!isTokenText(token)) throw new Error('its first line is no token');
    return token;
  } catch (error) {
    throw new CommandFailure(EXIT.configuration, `Cannot read the token in "${file}": ${(error as Error).message}`);
  }
}

/** Prints the document with `--json`, else the lines for people. */
export async function show(
  io: CommandIo,
  options: RemoteOptions,
  document: unknown,
  lines: string | readonly string[],
): Promise<void> {
  const text = typeof lines === 'string' ? lines : lines.join('\n');
  await io.write(`${options.json === true ? JSON.stringify(document, null, 2) : text}\n`);
}

/** The answer in the shape a sidecar gives, or a failure that says something else answered. */
export function expectShape<S extends z.ZodType>(
  schema: S,
  value: unknown,
  client: Client,
): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const where = parsed.error.issues[0]?.path.join('.') ?? '';
  throw new CommandFailure(
    EXIT.unreachable,
    `${client.target.url} answers, but not as a sidecar of this version does (at "${where}")`,
  );
}

/** For options that take a whole number; its bounds are the sidecar's to judge. */
export function wholeNumber(written: string): number {
  const value = Number(written);
  if (/^-?\d+$/.test(written) && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError('It must be a whole number.');
}
