/**
 * `leasehold health`: how the sidecar in this container is, told by an exit code, for a platform
 * that cannot ask by HTTP itself: the sidecar listens on loopback or a socket, and its image has
 * neither a shell nor curl. It is asked every few seconds beside a service that wants its core, so
 * `main.ts` calls it without the parser of the command line, and this file imports next to nothing.
 */
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import type { Command } from 'commander';
import { type ListenAddress, parseListenAddress } from '../config/listen.ts';
import type { CommandIo } from './command-io.ts';
import { CommandFailure, EXIT } from './exit.ts';
import { printable } from './printable.ts';
import { DEFAULT_URL, parseTarget, type Target } from './target.ts';

export interface HealthOptions {
  /** Whether it can serve; without, whether its event loop turns. */
  readonly ready?: boolean;
  readonly url?: string;
}

type Environment = CommandIo['environment'];

/** Connecting, asking and reading, all in all. */
const ANSWER_MAX_MS = 4_000;
const ANSWER_BYTES_MAX = 64 * 1024;
/** Inside a host, "every address" is reached by the one of loopback. */
const WILDCARDS: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

export function addHealthCommand(program: Command, io: CommandIo): void {
  program
    .command('health')
    .description('ask whether the sidecar lives; exit code 0 when it does, else 1')
    .option('--ready', 'ask whether it can serve (degraded can)')
    .option(
      '--url <url>',
      'the sidecar: http://host:port or unix:/path (LEASEHOLD_URL, else where LEASEHOLD_LISTEN or ' +
        'the file of LEASEHOLD_CONFIG has it listen)',
    )
    .addHelpText(
      'after',
      '\nFor health checks of containers and probes of pods. It needs no token.\n' +
        '\nExamples:\n' +
        '  leasehold health\n' +
        '  leasehold health --ready --url unix:/run/leasehold.sock',
    )
    .action(async (options: HealthOptions) => {
      await tellHealth(options, io);
    });
}

/** Prints one line about a sidecar that is well; throws a failure with exit code 1 for any other. */
export async function tellHealth(
  { ready = false, url }: HealthOptions,
  io: Pick<CommandIo, 'environment' | 'write'>,
): Promise<void> {
  const target = await targetOf(url, io.environment);
  const path = ready ? '/readyz' : '/livez';
  const { status, body } = await ask(target, path).catch((error: Error) => {
    throw unhealthy(`${target.url} does not answer: ${error.message || error.name}`);
  });
  const said = documentOf(body);
  if (status !== 200) {
    throw unhealthy(`${target.url} answers ${status} to ${path}: ${said['detail'] ?? 'no reason given'}`);
  }
  const reasons = Array.isArray(said['reasons']) ? said['reasons'] : [];
  const state = ready ? String(said['state'] ?? 'ready') : 'alive';
  await io.write(`${printable(reasons.length > 0 ? `${state}: ${reasons.join('; ')}` : state)}\n`);
}

/** The same for `main.ts`: resolves with the exit code instead of throwing. */
export async function probeHealth(
  options: HealthOptions,
  io: Pick<CommandIo, 'environment' | 'write' | 'tell'>,
): Promise<number> {
  try {
    await tellHealth(options, io);
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    io.tell(error.message);
    return error.exitCode;
  }
}

/* ---- where it is ------------------------------------------------------------------------- */

async function targetOf(url: string | undefined, environment: Environment): Promise<Target> {
  const written = url ?? (environment['LEASEHOLD_URL'] || undefined);
  if (written !== undefined) return parseTarget(written);
  const listen = environment['LEASEHOLD_LISTEN'] || (await listenInFile(environment['LEASEHOLD_CONFIG']));
  if (listen === undefined) return parseTarget(DEFAULT_URL);
  // Port 0 is known to the sidecar alone; any other of its addresses will do.
  for (const part of listen.split(',')) {
    const address = parseListenAddress(part.trim());
    if (typeof address === 'string') throw unhealthy(address);
    if (address.kind === 'unix' || address.port !== 0) return reached(address);
  }
  throw unhealthy(`"${listen}" names no port that could be asked: say where it is with --url`);
}

function reached(address: ListenAddress): Target {
  if (address.kind === 'unix') {
    return { url: `unix:${address.path}`, connect: { socketPath: address.path } };
  }
  const host = WILDCARDS[address.host] ?? address.host;
  const shown = host.includes(':') ? `[${host}]` : host;
  return { url: `http://${shown}:${address.port}`, connect: { host, port: address.port } };
}

/** `listen` of the file, comma-separated; undefined: the file leaves it to its default. */
async function listenInFile(path: string | undefined): Promise<string | undefined> {
  if (path === undefined || path === '') return undefined;
  // Only now, as an image says by its environment where it listens.
  const { parse } = await import('yaml');
  let listen: unknown;
  try {
    listen = (parse(readFileSync(path, 'utf8')) as { listen?: unknown } | null)?.listen;
  } catch (error) {
    throw unhealthy(`Cannot read ${path}: ${(error as Error).message.split('\n')[0]}`);
  }
  if (listen === undefined || listen === null) return undefined;
  return Array.isArray(listen) ? listen.join(',') : String(listen);
}

/* ---- what it says ------------------------------------------------------------------------ */

function ask({ connect }: Target, path: string): Promise<{ status: number; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  const read = (response: IncomingMessage): void => {
    let body = '';
    response.setEncoding('utf8');
    response.on('data', (text: string) => {
      body += text;
      if (body.length > ANSWER_BYTES_MAX) outgoing.destroy(new Error('its answer has no end'));
    });
    response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    response.on('error', reject);
  };
  const outgoing = request({ ...connect, path, agent: false }, read);
  outgoing.on('error', reject);
  // The answer may also come to a halt in the middle, so it is not silence that is measured.
  const impatience = setTimeout(() => {
    outgoing.destroy(new Error(`no answer within ${ANSWER_MAX_MS / 1000} s`));
  }, ANSWER_MAX_MS);
  outgoing.end();
  return promise.finally(() => clearTimeout(impatience));
}

function documentOf(body: string): Readonly<Record<string, unknown>> {
  try {
    const document: unknown = JSON.parse(body);
    return typeof document === 'object' && document !== null ? { ...document } : {};
  } catch {
    return {};
  }
}

function unhealthy(why: string): CommandFailure {
  return new CommandFailure(EXIT.refused, printable(why));
}
