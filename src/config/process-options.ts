/** The options of the process as a whole: limits, journal, HTTP. */
import * as z from 'zod';
import { choice, derivedSize, derivedWhole, size, special, text, whole } from './option.ts';

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 ** 2;
const GIBIBYTE = 1024 ** 3;
const DAY_MS = 86_400_000;

/** Rows are numbered in 32-bit columns and the columns are allocated whole; this leaves them room. */
export const POOL_ROWS_MAX = 100_000_000;
/** References into the slab end at 32 GiB; half of that leaves room for what cells waste. */
export const POOL_BYTES_MAX = 16 * GIBIBYTE;

const inFlight = (what: string, count: number) =>
  whole({ unit: 'count', min: 1, max: 100_000, default: count, meaning: what });

const requestsInFlight = z
  .strictObject({
    renew: inFlight(
      'Renewals and releases: last to be refused, so it has a reserve of its own.',
      4096,
    ),
    read: inFlight('Reads of one entry or lease.', 4096),
    put: inFlight('Writes: puts, increments, deletes, batches.', 4096),
    grant: inFlight('Grants of leases.', 2048),
    list: inFlight('Listings and status.', 64),
  })
  .prefault({})
  .describe(
    'Requests being worked on at once, by class; beyond it 503 under-pressure. Classes do not ' +
      'borrow from each other: a flood of grants cannot keep a renewal waiting.',
  );

const idempotency = z
  .strictObject({
    entries: whole({
      unit: 'count',
      min: 1,
      max: 10_000_000,
      default: 100_000,
      meaning: 'Idempotency keys remembered with their replies. Beyond it the oldest leaves first.',
    }),
    bytes: size({
      min: 64 * KIBIBYTE,
      max: 16 * GIBIBYTE,
      default: 16 * MEBIBYTE,
      meaning: 'What the remembered replies may weigh. Beyond it the oldest leaves first.',
    }),
    ttlMs: whole({
      unit: 'ms',
      min: 1_000,
      max: DAY_MS,
      default: 300_000,
      meaning: 'How long a key is remembered: longer than any client goes on retrying.',
    }),
  })
  .prefault({})
  .describe('What is remembered of requests with an Idempotency-Key.');

const endedMemory = z
  .strictObject({
    entries: whole({
      unit: 'count',
      min: 1,
      max: 20_000_000,
      default: 100_000,
      meaning: 'Ended leases remembered. Beyond it the oldest leaves first.',
    }),
    ttlMs: whole({
      unit: 'ms',
      min: 1_000,
      max: DAY_MS,
      default: 600_000,
      meaning: 'How long they are remembered.',
    }),
  })
  .prefault({})
  .describe('For how long an ended lease answers 410 with its reason, and then 404.');

const feed = z
  .strictObject({
    facts: whole({
      unit: 'count',
      min: 256,
      max: 10_000_000,
      default: 65_536,
      meaning: 'Facts held. A watcher that falls further behind is told to resync.',
    }),
    bytes: size({
      min: 64 * KIBIBYTE,
      max: 16 * GIBIBYTE,
      default: 32 * MEBIBYTE,
      meaning: 'What the held facts may weigh.',
    }),
    ageMs: whole({
      unit: 'ms',
      min: 1_000,
      max: DAY_MS,
      default: 300_000,
      meaning: 'How long a fact is held: the longest pause from which a watcher resumes.',
    }),
  })
  .prefault({})
  .describe('The numbered stream of what happened, which watchers read. The oldest leaves first.');

export const outboxSchema = z
  .strictObject({
    endings: derivedWhole({
      unit: 'count',
      min: 1,
      max: 2 * POOL_ROWS_MAX,
      default: 'a quarter more than limits.leases and limits.entries together',
      meaning:
        'Endings that live leases and entries have reserved and those the bus has not acknowledged, ' +
        'together. Beyond it grants and writes of new entries get 503 capacity; no ending is lost.',
    }),
    endingBytes: derivedSize({
      min: 64 * KIBIBYTE,
      max: 64 * GIBIBYTE,
      default: '320 bytes for each of those endings',
      meaning:
        'What they may weigh, likewise: 176 bytes and the names of namespace, lease, holder and key ' +
        'each.',
    }),
    events: whole({
      unit: 'count',
      min: 256,
      max: 10_000_000,
      default: 65_536,
      meaning:
        'All other events that the bus has not acknowledged. As they fill it pressure rises, and what ' +
        'would tell more is refused; renewals of one lease become one event instead.',
    }),
    eventBytes: size({
      min: 64 * KIBIBYTE,
      max: 16 * GIBIBYTE,
      default: 16 * MEBIBYTE,
      meaning: 'What those events may weigh, likewise.',
    }),
    keptBytes: size({
      min: 64 * KIBIBYTE,
      max: 16 * GIBIBYTE,
      default: 16 * MEBIBYTE,
      meaning:
        'What acknowledged endings may weigh that are kept for bus.keptMs. Beyond it the oldest leave ' +
        'early.',
    }),
  })
  .prefault({})
  .describe('What waits for the bus. Without a bus there is no outbox, and none of this counts.');

export const limitsSchema = z
  .strictObject({
    namespaces: whole({
      unit: 'count',
      min: 1,
      max: 1024,
      default: 64,
      meaning: 'Namespaces, configured and created on demand.',
    }),
    leases: derivedWhole({
      unit: 'count',
      min: 1,
      max: POOL_ROWS_MAX,
      default: 'the sum of capacity.leases over the configured namespaces',
      meaning:
        'The pool of leases all namespaces share. Smaller than the sum: namespaces compete for ' +
        'it; larger: room for namespaces created on demand.',
    }),
    entries: derivedWhole({
      unit: 'count',
      min: 1,
      max: POOL_ROWS_MAX,
      default: 'the sum of capacity.entries over the configured namespaces',
      meaning: 'The pool of entries, likewise.',
    }),
    bytes: derivedSize({
      min: 64 * KIBIBYTE,
      max: POOL_BYTES_MAX,
      default: 'the sum of capacity.bytes over the configured namespaces',
      meaning: 'The pool of bytes, likewise.',
    }),
    copies: derivedWhole({
      unit: 'count',
      min: 0,
      max: POOL_ROWS_MAX,
      default:
        'limits.entries where a namespace mirrors all, else a tenth of it, at least 1000; without ' +
        'a ledger 0',
      meaning:
        'Copies of what other sidecars hold. Where a namespace mirrors all: everything all of them ' +
        'hold there, or the mirror is not whole.',
    }),
    copyBytes: derivedSize({
      min: 0,
      max: POOL_BYTES_MAX,
      default: 'limits.bytes, in the proportion of limits.copies to limits.entries',
      meaning: 'Keys, content types and values of those copies together.',
    }),
    tombstones: derivedWhole({
      unit: 'count',
      min: 0,
      max: POOL_ROWS_MAX,
      default: 'half of limits.entries, at least 10000; without a ledger 0',
      meaning:
        'Remains of ended entries that the ledger has not confirmed, or not for long enough. What ' +
        'a ledger that is away makes pile up. Each may cost 400 bytes.',
    }),
    valueBytes: size({
      min: 1,
      max: 64 * MEBIBYTE,
      default: MEBIBYTE,
      meaning: 'One value. Large values stall everybody while they are copied.',
    }),
    keyBytes: whole({
      unit: 'count',
      min: 16,
      max: 2048,
      default: 512,
      meaning:
        'Bytes of one key in UTF-8. Percent-encoded, three times as long, it must fit a request target.',
    }),
    bodyBytes: size({
      min: KIBIBYTE,
      max: 256 * MEBIBYTE,
      default: 4 * MEBIBYTE,
      meaning: 'One request body; a batch is one body.',
    }),
    inFlightBodyBytes: size({
      min: 64 * KIBIBYTE,
      max: 16 * GIBIBYTE,
      default: 64 * MEBIBYTE,
      meaning:
        'All request bodies being received or worked on, and large replies until they are sent; beyond ' +
        'it 503 under-pressure. A page or batch of values may be 4 MiB and one value more, in JSON a ' +
        'third on top: where that is too much, one that large finds no room however quiet it is.',
    }),
    headerBytes: size({
      min: 4 * KIBIBYTE,
      max: 64 * KIBIBYTE,
      default: 16 * KIBIBYTE,
      meaning: 'Request line and headers of one request.',
    }),
    connections: whole({
      unit: 'count',
      min: 1,
      max: 100_000,
      default: 12_000,
      meaning: 'Open connections; further ones are closed at once. Each may cost 16 KiB.',
    }),
    requestsInFlight,
    pageItems: whole({
      unit: 'count',
      min: 1,
      max: 10_000,
      default: 1_000,
      meaning: 'Items on one page of a listing.',
    }),
    batchOperations: whole({
      unit: 'count',
      min: 1,
      max: 10_000,
      default: 1_000,
      meaning: 'Operations in one batch: all of them run in one turn of the loop.',
    }),
    renewIds: whole({
      unit: 'count',
      min: 1,
      max: 100_000,
      default: 10_000,
      meaning: 'Leases renewed by one bulk renewal.',
    }),
    watchers: whole({
      unit: 'count',
      min: 1,
      max: 10_000,
      default: 256,
      meaning: 'Open event streams. Each may buffer 64 KiB.',
    }),
    siblings: whole({
      unit: 'count',
      min: 2,
      max: 64,
      default: 8,
      meaning: 'Concurrent values one entry may hold where conflict is siblings.',
    }),
    idempotency,
    endedMemory,
    feed,
    outbox: outboxSchema,
  })
  .prefault({})
  .describe('Bounds of the whole process. Beyond one: a coded refusal, and nothing changes.');

const selfCheck = z
  .strictObject({
    intervalMs: whole({
      unit: 'ms',
      min: 0,
      max: 7 * DAY_MS,
      default: 600_000,
      meaning:
        'From one self-check to the next; 0: never. Each reads the whole journal back and compares it ' +
        'with memory. A difference is told, makes the sidecar unready for a moment, and is repaired.',
    }),
    readPerSecondBytes: size({
      min: 64 * KIBIBYTE,
      max: 16 * GIBIBYTE,
      default: 16 * MEBIBYTE,
      meaning: 'How fast the journal may be read for it. Its share of a core is at most a tenth.',
    }),
    rows: whole({
      unit: 'count',
      min: 1_024,
      max: POOL_ROWS_MAX,
      default: 65_536,
      meaning:
        'Leases and entries compared at once. Where more are held, each check compares a part of them, ' +
        'and the next one another.',
    }),
  })
  .prefault({})
  .describe('Whether memory is what a restart would bring back, looked at while everything goes on.');

export const journalSchema = z
  .strictObject({
    segmentBytes: size({
      min: MEBIBYTE,
      max: 4 * GIBIBYTE,
      default: 64 * MEBIBYTE,
      meaning: 'One segment file is about this large before the next begins.',
    }),
    reserveBytes: size({
      min: MEBIBYTE,
      max: 4 * GIBIBYTE,
      default: 32 * MEBIBYTE,
      meaning:
        'Disk space held back for endings and renewals, so that a full disk refuses new state but ' +
        'loses none.',
    }),
    snapshotAfterBytes: size({
      min: MEBIBYTE,
      max: 64 * GIBIBYTE,
      default: 64 * MEBIBYTE,
      meaning:
        'A snapshot is due when this much has been journalled since the last. Smaller: faster ' +
        'restarts, more writing.',
    }),
    selfCheck,
    onCorruption: choice({
      values: ['refuse', 'truncate'],
      default: 'refuse',
      meaning:
        'A journal damaged in the middle: refuse to start and say where, or keep what comes before ' +
        'the damage and drop the rest. A torn last record is always cut.',
    }),
  })
  .prefault({})
  .describe('The local append-only record in dataDir.');

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i;

export const httpSchema = z
  .strictObject({
    requestTimeoutMs: whole({
      unit: 'ms',
      min: 1_000,
      max: 600_000,
      default: 30_000,
      meaning: 'How long a whole request may take to arrive; then 408.',
    }),
    headersTimeoutMs: whole({
      unit: 'ms',
      min: 1_000,
      max: 600_000,
      default: 10_000,
      meaning: 'How long its headers may take. At most requestTimeoutMs.',
    }),
    keepAliveMs: whole({
      unit: 'ms',
      min: 1_000,
      max: 3_600_000,
      default: 72_000,
      meaning: 'How long an idle connection stays open: longer than clients keep theirs pooled.',
    }),
    hosts: special(z.array(z.string().regex(HOST_NAME)).max(64).default([]), {
      allowed: 'a list of at most 64 host names',
      default: '[]',
      meaning:
        'Names taken in the Host header beside the loopback ones, and whose pages may ask. Others get ' +
        '421, which keeps web pages from reaching the sidecar by DNS rebinding; with a token of ' +
        'tokensFile any name is taken.',
    }),
    socketMode: text({
      pattern: /^0[0-7]{3}$/,
      allowed: 'four octal digits in quotes, as in "0660"',
      default: '0600',
      meaning:
        'Permissions of the file of a Unix socket. Who may write to it may connect: 0660 for the group, ' +
        '0666 for everybody who reaches its directory.',
    }),
  })
  .prefault({})
  .describe('The HTTP edge.');
