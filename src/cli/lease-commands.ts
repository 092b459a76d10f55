/** `leasehold lease grant|renew|release|list`. */
import { type Command, InvalidArgumentError } from 'commander';
import * as z from 'zod';
import { pathOf, queryOf } from './client.ts';
import type { CommandIo } from './command-io.ts';
import { CommandFailure, EXIT } from './exit.ts';
import { printable, spoken } from './printable.ts';
import { readProblem, sentenceOf } from './problem.ts';
import { clientFor, expectShape, remote, type RemoteOptions, show, wholeNumber } from './remote.ts';

const leaseSchema = z.looseObject({
  id: z.string(),
  namespace: z.string(),
  holder: z.string(),
  state: z.string(),
  remainingMs: z.number(),
  safeForMs: z.number(),
  renewals: z.number(),
  entries: z.number(),
  reason: z.string().optional(),
});
type Lease = z.output<typeof leaseSchema>;

const renewedSchema = leaseSchema.extend({ capped: z.boolean().optional() });
const bulkSchema = z.looseObject({
  results: z.array(
    z.looseObject({ id: z.string(), status: z.int(), problem: z.unknown().optional() }),
  ),
});
const pageSchema = z.looseObject({ leases: z.array(leaseSchema), cursor: z.string().optional() });

interface GrantOptions extends RemoteOptions {
  readonly holder: string;
  readonly namespace?: string;
  readonly id?: string;
  readonly ttlMs?: number;
  readonly maxLifetimeMs?: number;
  readonly label?: Readonly<Record<string, string>>;
}
interface ListOptions extends RemoteOptions {
  readonly namespace?: string;
  readonly holder?: string;
  readonly state?: string;
  readonly implicit?: boolean;
  readonly limit: number;
  readonly cursor?: string;
}

export function addLeaseCommands(program: Command, io: CommandIo): void {
  const lease = program
    .command('lease')
    .description('grant, renew, release and list leases: promises with a deadline');
  addGrant(lease, io);
  addRenew(lease, io);
  addRelease(lease, io);
  addList(lease, io);
}

function addGrant(lease: Command, io: CommandIo): void {
  remote(lease.command('grant'))
    .description('grant a lease to a holder')
    .requiredOption('--holder <name>', 'who renews it')
    .option('--namespace <name>', 'the namespace it belongs to (default: default)')
    .option(
      '--id <id>',
      'an id of your choice; granting the same id and holder again changes nothing',
    )
    .option('--ttl-ms <ms>', 'time to live (default: that of the namespace)', wholeNumber)
    .option('--max-lifetime-ms <ms>', 'no renewal goes beyond this', wholeNumber)
    .option('--label <name=value>', 'a label; may be given several times', collectLabel)
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  leasehold lease grant --holder web-1\n' +
        '  leasehold lease grant --holder worker-7 --id upload-42 --ttl-ms 60000 --label user=ann\n' +
        '  id=$(leasehold lease grant --holder cron --json | jq -r .id)',
    )
    .action(async (options: GrantOptions) => {
      const client = clientFor(options, io);
      const { holder, namespace, id, ttlMs, maxLifetimeMs, label: labels } = options;
      const body = { holder, namespace, id, ttlMs, maxLifetimeMs, labels };
      const document = await client.askJson('POST', '/v1/leases', body);
      const granted = expectShape(leaseSchema, document, client);
      await show(io, options, document, `lease ${summary(granted)}`);
    });
}

function addRenew(lease: Command, io: CommandIo): void {
  remote(lease.command('renew'))
    .description('renew one lease, or several in one request')
    .argument('<id...>', 'ids of leases')
    .option('--ttl-ms <ms>', 'time to live from now (one lease only)', wholeNumber)
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  leasehold lease renew upload-42\n' +
        '  leasehold lease renew upload-42 --ttl-ms 120000\n' +
        '  leasehold lease renew upload-42 upload-43 upload-44',
    )
    .action(async (ids: string[], options: RemoteOptions & { ttlMs?: number }) => {
      const [id, ...others] = ids as [string, ...string[]];
      if (others.length === 0) return renewOne(id, options, io);
      if (options.ttlMs !== undefined) {
        throw new CommandFailure(EXIT.usage, '--ttl-ms goes with one lease, not with several');
      }
      return renewSeveral(ids, options, io);
    });
}

async function renewOne(
  id: string,
  options: RemoteOptions & { ttlMs?: number },
  io: CommandIo,
): Promise<void> {
  const client = clientFor(options, io);
  const body = options.ttlMs === undefined ? {} : { ttlMs: options.ttlMs };
  const document = await client.askJson('POST', `${pathOf('v1', 'leases', id)}/renew`, body);
  const renewed = expectShape(renewedSchema, document, client);
  const capped = renewed.capped === true ? ', capped by its longest lifetime' : '';
  await show(io, options, document, `renewed lease ${summary(renewed)}${capped}`);
}

async function renewSeveral(
  ids: readonly string[],
  options: RemoteOptions,
  io: CommandIo,
): Promise<void> {
  const client = clientFor(options, io);
  const document = await client.askJson('POST', '/v1/leases/renew', { ids });
  const { results } = expectShape(bulkSchema, document, client);
  const lines = results.map(({ id, status, problem }) => {
    const known = readProblem(problem);
    const said = known === undefined ? `refused with ${status}` : sentenceOf(known);
    return `${printable(id)}  ${status < 400 ? 'renewed' : said}`;
  });
  await show(io, options, document, lines);
  const refused = results.filter(({ status }) => status >= 400).length;
  if (refused > 0) {
    throw new CommandFailure(
      EXIT.refused,
      `${refused} of ${results.length} leases were not renewed`,
    );
  }
}

function addRelease(lease: Command, io: CommandIo): void {
  remote(lease.command('release'))
    .description('release a lease; its entries end with it')
    .argument('<id>', 'id of the lease')
    .addHelpText('after', '\nExample:\n  leasehold lease release upload-42')
    .action(async (id: string, options: RemoteOptions) => {
      await clientFor(options, io).ask('DELETE', pathOf('v1', 'leases', id));
      await show(io, options, { id, released: true }, `released lease ${printable(id)}`);
    });
}

function addList(lease: Command, io: CommandIo): void {
  remote(lease.command('list'))
    .description('list leases, ordered by id, a page at a time')
    .option('--namespace <name>', 'of this namespace')
    .option('--holder <name>', 'of this holder')
    .option('--state <state>', 'live or ended (default: live)')
    .option('--implicit', 'also those that came with an entry')
    .option('--limit <count>', 'leases on the page', wholeNumber, 100)
    .option('--cursor <cursor>', 'go on from an earlier page')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  leasehold lease list\n' +
        '  leasehold lease list --namespace sessions --holder web-1 --json\n' +
        '  leasehold lease list --state ended --limit 10',
    )
    .action(async (options: ListOptions) => {
      const client = clientFor(options, io);
      const { namespace, holder, state, limit, cursor } = options;
      const implicit = options.implicit === true ? 'true' : undefined;
      const query = queryOf({ namespace, holder, state, implicit, limit, cursor });
      const document = await client.askJson('GET', `/v1/leases${query}`);
      const page = expectShape(pageSchema, document, client);
      await show(io, options, document, table(page.leases));
      if (page.cursor !== undefined && options.json !== true) {
        io.tell(`there are more: --cursor ${printable(page.cursor)}`);
      }
    });
}

function summary(lease: Lease): string {
  const { id, holder, namespace } = lease;
  const whose = printable(`${id} of ${holder} in ${namespace}`);
  if (lease.state !== 'live') return `${whose}, ended (${printable(lease.reason ?? lease.state)})`;
  return `${whose}, ${spoken(lease.remainingMs)} left, safe for ${spoken(lease.safeForMs)}`;
}

function table(leases: readonly Lease[]): string[] {
  const rows = leases.map((lease) => [
    printable(lease.id),
    printable(lease.holder),
    lease.namespace,
    lease.state === 'live' ? spoken(lease.remainingMs) : printable(lease.reason ?? lease.state),
    String(lease.entries),
    String(lease.renewals),
  ]);
  const all = [['ID', 'HOLDER', 'NAMESPACE', 'LEFT', 'ENTRIES', 'RENEWALS'], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}

function collectLabel(
  written: string,
  labels: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const at = written.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Write it as name=value.');
  return { ...labels, [written.slice(0, at)]: written.slice(at + 1) };
}
