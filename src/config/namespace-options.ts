/**
 * The contract of one namespace, as the file writes it. What needs a ledger outside the process is
 * judged in `relations.ts`, where it is known whether there is one.
 */
import * as z from 'zod';
import { TOLD_BY_CHOICE } from '../core/told.ts';
import { quotaSchema } from './admission-options.ts';
import { HOOK_ALLOWED, hookUrlComplaint } from './hook-url.ts';
import { choice, derivedWhole, flag, ratio, size, special, text, whole } from './option.ts';

const MEBIBYTE = 1024 ** 2;
const YEAR_MS = 365 * 86_400_000;
/** 30 days: what is held longer is not transient, and belongs in a database. */
export const TTL_MAX_MS = 30 * 86_400_000;

export const NAMESPACE_ALLOWED =
  'a name of 1 to 63 characters from a-z, 0-9, _ and -, beginning with a letter or digit';

/** What `events.publish` may list. Endings are not in it: they are always recorded. */
export const PUBLISHABLE = TOLD_BY_CHOICE;

/** Keys of a namespace that belong to a later version. */
export const LATER_NAMESPACE_KEYS: Readonly<Record<string, string>> = {
  permits: 'permits belong to class exclusive, which is not part of this version',
};

const ttl = z
  .strictObject({
    defaultMs: whole({
      unit: 'ms',
      min: 1,
      max: TTL_MAX_MS,
      default: 30_000,
      meaning:
        'The time to live of a lease that asks for none. About three times the interval at which ' +
        'holders renew, so that two lost renewals do no harm.',
    }),
    minMs: whole({
      unit: 'ms',
      min: 1,
      max: TTL_MAX_MS,
      default: 100,
      meaning: 'A shorter TTL is refused. Guards against holders that can only renew in a storm.',
    }),
    maxMs: whole({
      unit: 'ms',
      min: 1,
      max: TTL_MAX_MS,
      default: 3_600_000,
      meaning: 'A longer TTL is refused: how long state may outlive a holder that has died.',
    }),
    maxLifetimeMs: whole({
      unit: 'ms',
      min: 1,
      max: 10 * YEAR_MS,
      default: 86_400_000,
      meaning:
        'The longest a lease lives however often it is renewed; a lease may ask for less. ' +
        'Makes even diligent holders come back for a new grant.',
    }),
    stretchUnderPressure: ratio({
      min: 1,
      max: 10,
      default: 1,
      meaning:
        'Factor by which renewals and grants that name no TTL get a longer one while the level is ' +
        'high or critical, up to maxMs; the reply says so. Holders then come back less often. 1: not.',
    }),
  })
  .prefault({})
  .describe('Bounds of time to live. minMs ≤ defaultMs ≤ maxMs ≤ maxLifetimeMs.');

const capacity = z
  .strictObject({
    leases: whole({
      unit: 'count',
      min: 1,
      max: 20_000_000,
      default: 100_000,
      meaning: 'Live leases, implicit ones included; every entry written without a lease has one.',
    }),
    entries: whole({
      unit: 'count',
      min: 1,
      max: 20_000_000,
      default: 100_000,
      meaning: 'Live entries.',
    }),
    bytes: size({
      min: 1024,
      max: 16 * 1024 ** 3,
      default: 64 * MEBIBYTE,
      meaning: 'Keys, content types and values of live entries together.',
    }),
    eviction: choice({
      values: ['refuse', 'soonestDeadline', 'leastRecentlyUsed'],
      default: 'refuse',
      meaning:
        'What a write meets when the namespace is full: refuse answers 503 capacity; the others ' +
        'end another entry early, reason evicted: the one nearest its deadline, or the one ' +
        'unused for longest. Evict only what its owner can rebuild.',
    }),
  })
  .prefault({})
  .describe('How much the namespace may hold; it counts toward the worst case of memory.');

const events = z
  .strictObject({
    publish: special(z.union([z.literal('all'), z.array(z.enum(PUBLISHABLE))]).default('all'), {
      allowed: `all, or a list from ${PUBLISHABLE.join(', ')}`,
      default: 'all',
      meaning:
        'Which events are told. Endings (lease.ended, entry.ended) are always recorded and told, ' +
        'whatever stands here.',
    }),
    values: choice({
      values: ['none', 'hash', 'full'],
      default: 'none',
      meaning: 'Whether events carry the value of an entry: not at all, its SHA-256, or whole.',
    }),
  })
  .prefault({})
  .describe('What watchers and the bus hear.');

const hookUrl = z.string().superRefine((written, context) => {
  const wrong = hookUrlComplaint(written);
  if (wrong !== undefined) context.addIssue({ code: 'custom', params: { sentence: wrong } });
});

export const reconstituteSchema = z
  .strictObject({
    url: special(hookUrl.optional(), {
      allowed: HOOK_ALLOWED,
      default: 'none: nothing is rebuilt',
      fixed: false,
      meaning:
        'Asked for an entry that neither this sidecar nor the ledger holds: GET with ?namespace= ' +
        'and &key= added. 200 rebuilds the entry from the body, 404 and 204 say there is none.',
    }),
    timeoutMs: whole({
      unit: 'ms',
      min: 10,
      max: 60_000,
      default: 2_000,
      meaning: 'How long one answer may take; then the entry is missing, as it was.',
    }),
    ttlMs: derivedWhole({
      unit: 'ms',
      min: 1,
      max: TTL_MAX_MS,
      default: 'the default TTL of the namespace',
      meaning: 'The time to live of what was rebuilt.',
    }),
    concurrency: whole({
      unit: 'count',
      min: 1,
      max: 1_024,
      default: 16,
      meaning: 'Entries rebuilt at once. Beyond it a missing entry is answered as missing.',
    }),
    allowRemote: flag({
      default: false,
      meaning:
        'true: the URL may lead to another machine. Namespaces and keys are then told to it, and ' +
        'every miss waits for the network.',
    }),
  })
  .prefault({})
  .describe('A neighbour that rebuilds a missing entry, once per key however many ask for it.');

export const namespaceSchema = z
  .strictObject({
    owner: text({
      pattern: /^[\p{L}\p{N}\p{P}\p{S} ]{1,128}$/u,
      allowed: 'a text of 1 to 128 printable characters',
      default: 'unassigned',
      meaning: 'Who answers for what is kept here: a team or a person. Shown in status and events.',
    }),
    class: choice({
      values: ['shared', 'local'],
      default: 'shared',
      meaning:
        'shared: converges with other sidecars through the ledger, once there is one; local: never ' +
        'leaves this sidecar.',
      later: { exclusive: 'class exclusive (claims) is not part of this version' },
    }),
    ttl,
    sliding: flag({
      default: false,
      meaning:
        'true: reading an entry extends its implicit lease, at most once per eighth of its TTL. ' +
        'For sessions that live as long as they are used.',
    }),
    onExpire: choice({
      values: ['delete', 'revert'],
      default: 'delete',
      meaning:
        'What the end of a lease does to its entries: delete them, or (class local only) revert ' +
        'to the value from before that lease. For overrides that must not outlive their author.',
    }),
    onDrain: choice({
      values: ['keep', 'handover', 'release'],
      default: 'keep',
      meaning:
        'What a graceful stop does to live leases: keep them for the next run (their deadlines go ' +
        'on), leave them in the ledger for another sidecar to adopt (handover), or release them.',
    }),
    durability: choice({
      values: ['memory', 'journal', 'fsync', 'ledger'],
      default: 'journal',
      meaning:
        'What a reply has waited for: memory (nothing; lost with the process), journal (survives ' +
        'the process), fsync (survives the machine; costs a disk flush, shared by all that wait), ' +
        'ledger (survives pod and disk, as far as ledgerAck says; costs a round trip).',
    }),
    ledgerAck: choice({
      values: ['applied', 'replicated', 'fsynced'],
      default: 'applied',
      meaning:
        'How far a write has got in the ledger before it counts, for durability ledger: applied ' +
        '(survives the pod), replicated (survives a failover of the ledger), fsynced (survives ' +
        'its host).',
    }),
    conflict: choice({
      values: ['lww', 'siblings', 'ownerWins', 'firstWins', 'counter'],
      default: 'lww',
      meaning:
        'Concurrent writes of one key: lww keeps the last, siblings keeps all until a reader ' +
        'merges them, ownerWins refuses writes under another owner’s lease, firstWins (durability ' +
        'ledger only) refuses all but the first, counter adds up increments.',
    }),
    mirror: choice({
      values: ['none', 'all'],
      default: 'none',
      meaning:
        'Whether copies of the entries of other sidecars are kept here: none asks the ledger when ' +
        'one is missing; all follows its change log, so that reads are local.',
    }),
    autonomyMs: whole({
      unit: 'ms',
      min: 1_000,
      max: 86_400_000,
      default: 60_000,
      meaning:
        'The longest the sidecar grants and renews without contact to the ledger; and so how long ' +
        'others wait, beyond its deadline, before they end what a silent sidecar held. The same ' +
        'at every sidecar.',
    }),
    capacity,
    quota: quotaSchema,
    events,
    reconstitute: reconstituteSchema,
    sensitive: flag({
      default: false,
      meaning:
        'true: keys and values never appear in logs and events (a hash of the key does), and ' +
        'values are zeroed when freed.',
    }),
  })
  .prefault({})
  .describe('The contract of one namespace.');
