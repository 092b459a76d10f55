/**
 * What follows from the configuration: the pools all namespaces share and the most memory the
 * process can come to need. Everything large is allocated from bounds, so the worst case is a sum of
 * products, and each line of it can be shown to a person who wants to know what to lower.
 *
 * Given up: exactness. The costs of connections, watchers and the runtime are rounded-up estimates;
 * `npm run bench` compares the sum with what a full process really resides in.
 */
import { telemetryLines } from '../telemetry/room.ts';
import type { Complaint } from './complaint.ts';
import type { Config, NamespaceConfig } from './config.ts';
import { BEAT_MS_DEFAULT } from './ledger-options.ts';
import { outboxLines } from './outbox-room.ts';
import { POOL_BYTES_MAX, POOL_ROWS_MAX } from './process-options.ts';
import { formatSize } from './sizes.ts';

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 ** 2;

/** Fewer copies would make reads of what others hold push each other out. */
const COPIES_MIN = 1_000;
/** What piles up within seconds of a busy sidecar when the ledger is away. */
const TOMBSTONES_MIN = 10_000;
/** A tombstone with its key, context and endings. */
const TOMBSTONE_BYTES = 400;

/** Its request and response, and its place in line. */
const HELD_REFUSAL_BYTES = 3.5 * KIBIBYTE;
/** An address, the buckets of its quota, and their place in a map. */
const CALLER_BYTES = 256;

/** A row of `self-check/inventory.ts`: a test compares the two. */
export const CHECKED_ROW_BYTES = 46;

/** What the core's tables cost per slot: every column of the row and its share of the indexes. */
export interface SlotCosts {
  readonly entrySlotBytes: number;
  readonly leaseSlotBytes: number;
  /** What an entry row costs more with a ledger. */
  readonly ledgerSlotBytes: number;
}

export interface MemoryLine {
  readonly what: string;
  readonly count: number;
  readonly bytesEach: number;
  readonly bytes: number;
}

export interface WorstCase {
  readonly lines: readonly MemoryLine[];
  readonly bytes: number;
}

/** The pools where the file names none: enough for every configured namespace at once. */
export function sumCapacities(namespaces: readonly Pick<NamespaceConfig, 'capacity'>[]): {
  leases: number;
  entries: number;
  bytes: number;
} {
  const total = { leases: 0, entries: 0, bytes: 0 };
  for (const { capacity } of namespaces) {
    total.leases += capacity.leases;
    total.entries += capacity.entries;
    total.bytes += capacity.bytes;
  }
  return total;
}

interface LedgerRoom {
  readonly copies: number;
  readonly copyBytes: number;
  readonly tombstones: number;
}

/** What reconciling needs beside the pools, where the file does not say. */
export function ledgerRoom(
  pools: { readonly entries: number; readonly bytes: number },
  namespaces: readonly Pick<NamespaceConfig, 'mirror'>[],
  given: { readonly [K in keyof LedgerRoom]?: number | undefined },
): LedgerRoom {
  const mirrors = namespaces.some(({ mirror }) => mirror === 'all');
  const wanted = mirrors ? pools.entries : Math.max(COPIES_MIN, Math.ceil(pools.entries / 10));
  // Copies lie in the same tables and the same slab as what is held here.
  const copies = given.copies ?? Math.min(POOL_ROWS_MAX - pools.entries, wanted);
  const share = Math.ceil((pools.bytes * copies) / pools.entries);
  return {
    copies,
    copyBytes: given.copyBytes ?? Math.min(POOL_BYTES_MAX - pools.bytes, share),
    tombstones: given.tombstones ?? Math.max(TOMBSTONES_MIN, Math.ceil(pools.entries / 2)),
  };
}

/** Three beats fit into the autonomy of every namespace that beats. */
export function defaultBeatMs(
  namespaces: readonly Pick<NamespaceConfig, 'class' | 'autonomyMs'>[],
): number {
  const shared = namespaces.filter((namespace) => namespace.class === 'shared');
  const shortest = Math.min(...shared.map(({ autonomyMs }) => autonomyMs));
  return Math.min(BEAT_MS_DEFAULT, Math.floor(shortest / 3));
}

/** What the worst case depends on. */
type Bounding = Pick<
  Config, 'limits' | 'ledger' | 'bus' | 'admission' | 'callerQuota' | 'namespaces' | 'journal' | 'telemetry'
>;

/** The most memory the process can need with this configuration, line by line. */
export function worstCase(config: Bounding, costs: SlotCosts): WorstCase {
  const { limits, ledger, admission, callerQuota } = config;
  const { selfCheck } = config.journal;
  const hooks = config.namespaces.flatMap(({ reconstitute }) => reconstitute ?? []);
  const line = (what: string, count: number, bytesEach: number): MemoryLine => ({
    what,
    count,
    bytesEach,
    bytes: Math.ceil(count * bytesEach),
  });
  const lines = [
    line('entries', limits.entries, costs.entrySlotBytes),
    line(
      'leases, live and remembered',
      limits.leases + limits.endedMemory.entries,
      costs.leaseSlotBytes,
    ),
    // Cells of a slab are up to an eighth too large for what they hold, and the tail of a chunk up to
    // 8.6 % too small for one more cell: 1.125 / 0.914 = 1.23.
    line('bytes of keys and values', limits.bytes, 1.25),
    // A copy is an entry under an implicit lease of its own.
    line('copies of others’ entries', limits.copies, costs.entrySlotBytes + costs.leaseSlotBytes),
    line(
      'what the ledger knows of entries',
      ledger === undefined ? 0 : limits.entries + limits.copies,
      costs.ledgerSlotBytes,
    ),
    line('bytes of copies', limits.copyBytes, 1.25),
    // Cells come in steps of 16 bytes: 16 / 0.914.
    line('rounding of cells', limits.entries + limits.leases + 2 * limits.copies, 18),
    line('tombstones', limits.tombstones, TOMBSTONE_BYTES),
    // Each of 80 sizes of cell may have a chunk of 256 KiB begun and almost empty.
    line('chunks begun', 80, 256 * KIBIBYTE),
    // Id, holder and labels of a lease that ended, as far as they are remembered; of a copy likewise.
    line('details of remembered leases', limits.endedMemory.entries + limits.copies, 96),
    // Replies are kept as they are; keys, fingerprints and the map's own nodes are the half on top.
    line('remembered replies', limits.idempotency.bytes, 1.5),
    line('feed', limits.feed.bytes, 1),
    // Where each fact begins, how long it is and when it happened.
    line('index of the feed', limits.feed.facts, 28),
    // Renewals have a sixteenth of their own, one body at least (http/gate.ts).
    line(
      'request bodies in flight',
      limits.inFlightBodyBytes + Math.max(limits.bodyBytes, limits.inFlightBodyBytes / 16),
      1,
    ),
    // Socket, parser and HTTP objects, and a response in the making.
    line('connections', limits.connections, 16 * KIBIBYTE),
    // What may wait in a watcher's socket before it is left to fall behind.
    line('watchers', limits.watchers, 64 * KIBIBYTE),
    // 64 KiB go out with each and are kept until answered; as much comes back.
    line('requests to the ledger', ledger?.requestsInFlight ?? 0, 128 * KIBIBYTE),
    // The record that answers; the command that waits for it is counted with its connection.
    line('keys asked of the ledger', ledger?.readThroughs ?? 0, 4 * KIBIBYTE),
    line('writes waiting for the ledger', ledger?.waiters ?? 0, 512),
    ...outboxLines(config).map(([what, count, bytesEach]) => line(what, count, bytesEach)),
    line(
      'refusals held back',
      Math.min(admission.heldRefusals, limits.connections),
      HELD_REFUSAL_BYTES,
    ),
    line('callers counted', callerQuota?.callers ?? 0, CALLER_BYTES),
    // A body is gathered, and then whole.
    line(
      'entries being rebuilt',
      hooks.reduce((sum, { concurrency }) => sum + concurrency, 0),
      2 * limits.valueBytes,
    ),
    // What the journal lets wait for a disk that stands still, before it gives up.
    line('groups waiting for the disk', 1, 128 * MEBIBYTE),
    line('a snapshot waiting for the disk', 1, 64 * MEBIBYTE),
    // What memory holds and what the journal says, side by side, in fingerprints.
    line('a self-check', selfCheck.intervalMs === 0 ? 0 : 2 * selfCheck.rows, CHECKED_ROW_BYTES),
    line('reading the journal back', selfCheck.intervalMs === 0 ? 0 : 1, 4 * MEBIBYTE),
    ...telemetryLines(config.telemetry).map(([what, count, bytesEach]) => line(what, count, bytesEach)),
    // Node itself with all modules loaded, and the young generation.
    line('runtime', 1, 80 * MEBIBYTE),
  ];
  return { lines, bytes: lines.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** Mebibytes, for people. */
function shown(bytes: number): string {
  return `${Math.ceil(bytes / MEBIBYTE)}Mi`;
}

/** A complaint when the worst case is above the limit: it names the largest lines. */
export function memoryComplaint(
  config: Bounding & Pick<Config, 'memoryLimitBytes'>,
  costs: SlotCosts,
): Complaint | undefined {
  const { lines, bytes } = worstCase(config, costs);
  if (bytes <= config.memoryLimitBytes) return undefined;
  const largest = [...lines]
    .sort((one, other) => other.bytes - one.bytes)
    .slice(0, 3)
    .map((line) => `${line.what} ${shown(line.bytes)}`);
  return {
    path: 'memoryLimitBytes',
    message:
      `the worst case of this configuration is ${shown(bytes)}, above the limit of ` +
      `${formatSize(config.memoryLimitBytes)}; the largest parts: ${largest.join(', ')}`,
    allowed: `a limit of at least ${shown(bytes)}, or smaller capacities and limits`,
  };
}
