/** What can only be judged of the completed configuration: sums, defaults of the machine, files. */
import { accessSync, constants } from 'node:fs';
import { readTokens } from '../access/tokens-file.ts';
import type { Complaint } from './complaint.ts';
import type { BusConfig, Config, LedgerConfig } from './config.ts';
import { memoryComplaint, type SlotCosts } from './derive.ts';
import { messageBytes } from './outbox-room.ts';
import { POOL_BYTES_MAX, POOL_ROWS_MAX } from './process-options.ts';
import { fileSchema, type ParsedFile } from './schema.ts';
import { readSecret } from './secret-file.ts';
import { formatSize } from './sizes.ts';
import { rowOf } from './table.ts';
import { tokenComplaints } from './token-complaints.ts';

/** `file` as it was written: what it left out may have a default that this machine cannot give. */
export function lastChecks(config: Config, file: ParsedFile, costs: SlotCosts): Complaint[] {
  const complaints: Complaint[] = [];
  const row = rowOf(['name']);
  if (file.name === undefined && !fileSchema.shape.name.safeParse(config.name).success) {
    const allowed = row?.kind === 'option' ? row.allowed : '';
    const message = `the host name ${JSON.stringify(config.name)} cannot serve as one; set it to ${allowed}`;
    complaints.push({ path: 'LEASEHOLD_NAME', message, allowed });
  }
  const { tokensFile } = config;
  const tokens = tokensFile === undefined ? undefined : readTokens(tokensFile);
  if (tokens !== undefined && 'complaints' in tokens) {
    complaints.push(...tokenComplaints(tokensFile!, tokens.complaints));
  }
  for (const group of ['ledger', 'bus'] as const) {
    const options = config[group];
    if (options !== undefined) complaints.push(...unreadableFiles(group, options));
  }
  complaints.push(...fullPools(config), ...smallOutbox(config), ...largeMessages(config));
  const memory = memoryComplaint(config, costs);
  return memory === undefined ? complaints : [...complaints, memory];
}

/** Copies lie beside what is held here, in tables and a slab with one end for both. */
function fullPools({ limits, ledger }: Config): Complaint[] {
  const pools = [
    ['copies', 'entries', POOL_ROWS_MAX, String],
    ['copies', 'leases', POOL_ROWS_MAX, String],
    ['copyBytes', 'bytes', POOL_BYTES_MAX, formatSize],
  ] as const;
  return pools.flatMap(([copied, held, max, show]) => {
    if (ledger !== undefined && limits[copied] === 0) {
      const allowed = `less than ${show(max)} with a ledger, to leave room for copies`;
      return [{ path: `limits.${held}`, message: `must be ${allowed}`, allowed }];
    }
    if (limits[copied] + limits[held] <= max) return [];
    const allowed = `at most ${show(max)} together with limits.${held}, which is ${show(limits[held])}`;
    const message = `must be ${allowed}, got ${show(limits[copied])}`;
    return [{ path: `limits.${copied}`, message, allowed }];
  });
}

/** An outbox that could not hold what the pools may, or one event as large as events may be. */
function smallOutbox({ limits, namespaces }: Config): Complaint[] {
  const { outbox, leases, entries, valueBytes } = limits;
  const complaints: Complaint[] = [];
  if (outbox === undefined) return complaints;
  const [pool, most] = leases > entries ? ['leases', leases] : ['entries', entries];
  if (outbox.endings < most) {
    const allowed = `at least limits.${pool}, which is ${most}: each of them will end`;
    const message = `must be ${allowed}; got ${outbox.endings}`;
    complaints.push({ path: 'limits.outbox.endings', message, allowed });
  }
  // For a hash the value itself must wait there.
  const tells = namespaces.find(({ events }) => events.values !== 'none');
  if (tells !== undefined && outbox.eventBytes < 2 * valueBytes) {
    const allowed =
      `at least twice limits.valueBytes, which is ${formatSize(valueBytes)}, where events tell ` +
      `values or their hash, as in ${tells.name}`;
    const message = `must be ${allowed}; got ${formatSize(outbox.eventBytes)}`;
    complaints.push({ path: 'limits.outbox.eventBytes', message, allowed });
  }
  return complaints;
}

/** A message that no server takes would hold up all behind it. */
function largeMessages({ limits, bus, namespaces }: Config): Complaint[] {
  const full = namespaces.find(({ events, sensitive }) => events.values === 'full' && !sensitive);
  if (bus === undefined || full === undefined) return [];
  // Base64 makes four bytes of three.
  const most = Math.floor(((bus.payloadBytes - messageBytes(limits)) * 3) / 4);
  if (limits.valueBytes <= most) return [];
  const allowed =
    `at most ${formatSize(most - (most % 1024))} where events tell values whole, as in ${full.name}, ` +
    `to fit a message of bus.payloadBytes, which is ${formatSize(bus.payloadBytes)}`;
  const message = `must be ${allowed}; got ${formatSize(limits.valueBytes)}`;
  return [{ path: 'limits.valueBytes', message, allowed }];
}

/** Files that hold one secret in their first line. */
const SECRET_FILES = ['passwordFile', 'tokenFile', 'nkeyFile'] as const;

/** Found out at start rather than at the first connect. They are read then all the same. */
function unreadableFiles(group: 'ledger' | 'bus', options: LedgerConfig | BusConfig): Complaint[] {
  const complaints: Complaint[] = [];
  const check = (option: string, path: string | undefined, look: (path: string) => void) => {
    if (path === undefined) return;
    try {
      look(path);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const message = `"${path}" cannot be used: ${reason}`;
      const allowed = 'the path of a readable file';
      complaints.push({ path: `${group}.${option}`, message, allowed });
    }
  };
  const readable = (path: string) => accessSync(path, constants.R_OK);
  const files: Partial<BusConfig> = options;
  for (const option of SECRET_FILES) check(option, files[option], readSecret);
  check('credentialsFile', files.credentialsFile, readable);
  for (const option of ['caFile', 'certFile', 'keyFile'] as const) {
    check(`tls.${option}`, options.tls[option], readable);
  }
  return complaints;
}
