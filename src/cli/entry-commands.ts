/** `leasehold get`, `put` and `delete`: one entry each. */
import type { Command } from 'commander';
import * as z from 'zod';
import { pathOf, queryOf, type Reply } from './client.ts';
import type { CommandIo } from './command-io.ts';
import { CommandFailure, EXIT } from './exit.ts';
import { printable } from './printable.ts';
import { clientFor, expectShape, remote, type RemoteOptions, show, wholeNumber } from './remote.ts';

interface PutOptions extends RemoteOptions {
  readonly file?: string;
  readonly lease?: string;
  readonly ttlMs?: number;
  readonly contentType?: string;
  readonly ifMatch?: string;
  readonly ifAbsent?: boolean;
}

const siblingsSchema = z.looseObject({
  siblings: z.array(
    z.looseObject({ etag: z.string(), contentType: z.string(), actor: z.string() }),
  ),
});

/** The slashes of a key stay slashes, so that the path reads as people write keys. */
const entryPath = (namespace: string, key: string) =>
  pathOf('v1', 'entries', namespace, ...key.split('/'));

export function addEntryCommands(program: Command, io: CommandIo): void {
  addGet(program, io);
  addPut(program, io);
  addDelete(program, io);
}

function addGet(program: Command, io: CommandIo): void {
  remote(program.command('get'))
    .description('write the value of an entry to stdout, byte for byte')
    .argument('<namespace>', 'its namespace')
    .argument('<key>', 'its key')
    .addHelpText(
      'after',
      '\nWith --json: the value in base64, with its content type, ETag, lease and what remains.\n' +
        '\nExamples:\n' +
        '  leasehold get sessions alice\n' +
        '  leasehold get uploads 42/part-7 > part-7\n' +
        '  leasehold get sessions alice --json | jq .remainingMs',
    )
    .action(async (namespace: string, key: string, options: RemoteOptions) => {
      const client = clientFor(options, io);
      const reply = await client.ask('GET', entryPath(namespace, key));
      if (reply.status === 300) {
        const document = client.parse(reply.body);
        const { siblings } = expectShape(siblingsSchema, document, client);
        if (options.json === true) await show(io, options, document, '');
        const each = siblings.map(({ etag, contentType, actor }) =>
          printable(`  ${etag}  ${contentType}  written by ${actor}`),
        );
        const what = printable(`${namespace}/${key}`);
        const message = `${what} holds ${siblings.length} concurrent values; see --json\n${each.join('\n')}`;
        throw new CommandFailure(EXIT.refused, message);
      }
      if (options.json !== true) return io.write(reply.body);
      await show(
        io,
        options,
        { namespace, key, ...described(reply), value: reply.body.toString('base64') },
        '',
      );
    });
}

function addPut(program: Command, io: CommandIo): void {
  remote(program.command('put'))
    .description('write an entry: the value is an argument, a file, or stdin')
    .argument('<namespace>', 'its namespace')
    .argument('<key>', 'its key')
    .argument('[value]', 'its value; left out: from --file or stdin')
    .option('--file <path>', 'read the value from a file')
    .option('--lease <id>', 'put it under this lease')
    .option('--ttl-ms <ms>', 'put it under a fresh lease of its own', wholeNumber)
    .option('--content-type <type>', 'default: text for an argument, bytes otherwise')
    .option('--if-match <etag>', 'only if this is its version')
    .option('--if-absent', 'only if there is no such entry')
    .addHelpText(
      'after',
      '\nA value that begins with a dash goes after --.\n' +
        '\nExamples:\n' +
        '  leasehold put sessions alice \'{"user":"alice"}\' --content-type application/json\n' +
        '  leasehold put uploads 42/part-7 --file part-7 --lease upload-42\n' +
        '  date | leasehold put default started --ttl-ms 60000 --if-absent',
    )
    .action(
      async (namespace: string, key: string, value: string | undefined, options: PutOptions) => {
        if (options.lease !== undefined && options.ttlMs !== undefined) {
          throw new CommandFailure(EXIT.usage, '--lease and --ttl-ms exclude each other');
        }
        const body = await valueToPut(value, options.file, io);
        const standard =
          value === undefined ? 'application/octet-stream' : 'text/plain; charset=utf-8';
        const headers: Record<string, string> = { 'content-type': options.contentType ?? standard };
        if (options.ifMatch !== undefined) headers['if-match'] = quoted(options.ifMatch);
        if (options.ifAbsent === true) headers['if-none-match'] = '*';
        const query = queryOf({ lease: options.lease, ttlMs: options.ttlMs });
        const path = entryPath(namespace, key) + query;
        const reply = await clientFor(options, io).ask('PUT', path, { headers, body });
        const created = reply.status === 201;
        const { contentType: _ofTheAnswer, ...rest } = described(reply);
        const document = { namespace, key, created, ...rest };
        const done = created ? 'created' : 'replaced';
        const etag = rest.etag === undefined ? '' : `, version ${rest.etag}`;
        await show(io, options, document, printable(`${done} ${namespace}/${key}${etag}`));
      },
    );
}

function addDelete(program: Command, io: CommandIo): void {
  remote(program.command('delete'))
    .description('delete an entry; fine too when there is none')
    .argument('<namespace>', 'its namespace')
    .argument('<key>', 'its key')
    .option('--if-match <etag>', 'only if this is its version')
    .addHelpText('after', '\nExample:\n  leasehold delete sessions alice')
    .action(
      async (namespace: string, key: string, options: RemoteOptions & { ifMatch?: string }) => {
        const headers: Record<string, string> =
          options.ifMatch === undefined ? {} : { 'if-match': quoted(options.ifMatch) };
        await clientFor(options, io).ask('DELETE', entryPath(namespace, key), { headers });
        const document = { namespace, key, deleted: true };
        await show(io, options, document, printable(`deleted ${namespace}/${key}`));
      },
    );
}

/** What the headers of an answer say of the entry. */
function described({ headers }: Reply) {
  const text = (name: string): string | undefined => {
    const value = headers[name];
    return typeof value === 'string' ? value : undefined;
  };
  const remaining = text('leasehold-remaining-ms');
  return {
    etag: text('etag')?.replaceAll('"', ''),
    contentType: text('content-type'),
    lease: text('leasehold-lease'),
    remainingMs: remaining === undefined ? undefined : Number(remaining),
    context: text('leasehold-context'),
  };
}

/** ETags are quoted on the wire; people leave the quotes out. */
function quoted(etag: string): string {
  return etag === '*' || etag.startsWith('"') ? etag : `"${etag}"`;
}

async function valueToPut(
  value: string | undefined,
  file: string | undefined,
  io: CommandIo,
): Promise<Uint8Array> {
  if (value !== undefined && file !== undefined) {
    throw new CommandFailure(EXIT.usage, 'The value is given twice: as an argument and by --file');
  }
  if (value !== undefined) return Buffer.from(value);
  try {
    const input = file === undefined ? io.readInput() : io.readFile(file);
    if (input !== undefined) return await input;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(EXIT.usage, `Cannot read the value: ${reason}`, { cause: error });
  }
  throw new CommandFailure(EXIT.usage, 'There is no value: give an argument, --file, or stdin');
}
