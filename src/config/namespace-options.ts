/**
 * The contract of one namespace, as the file writes it. Options whose other values need a ledger
 * outside the process take their default only: they may be written down, and the sentence that
 * refuses another value says why.
 */
import * as z from 'zod';
import { choice, flag, settled, size, special, text, whole } from './option.ts';

const MEBIBYTE = 1024 ** 2;
const YEAR_MS = 365 * 86_400_000;
/** 30 days: what is held longer is not transient, and belongs in a database. */
export const TTL_MAX_MS = 30 * 86_400_000;

const NEEDS_LEDGER =
  'that needs a ledger outside the process, and this version has only the embedded one';

export const NAMESPACE_ALLOWED =
  'a name of 1 to 63 characters from a-z, 0-9, _ and -, beginning with a letter or digit';

/** What `events.publish` may list. Endings are not in it: they are always recorded. */
export const PUBLISHABLE = [
  'lease.granted',
  'lease.renewed',
  'lease.transferred',
  'entry.created',
  'entry.updated',
  'entry.reverted',
  'entry.conflict',
] as const;

/** Keys of a namespace that belong to a later version. */
export const LATER_NAMESPACE_KEYS: Readonly<Record<string, string>> = {
  permits: 'permits belong to class exclusive, which is not part of this version',
  reconstitute: 'rebuilding a missing entry through a hook is not part of this version',
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
        'shared: meant to converge with other sidecars once a ledger connects them; local: never ' +
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
      values: ['keep', 'release'],
      default: 'keep',
      meaning:
        'What a graceful stop does to live leases: keep them for the next run (their deadlines go ' +
        'on), or release them.',
      later: { handover: `onDrain handover is refused: ${NEEDS_LEDGER}` },
    }),
    durability: choice({
      values: ['memory', 'journal', 'fsync'],
      default: 'journal',
      meaning:
        'What a reply has waited for: memory (nothing; lost with the process), journal (survives ' +
        'the process), fsync (survives the machine; costs a disk flush, shared by all that wait).',
      later: { ledger: `durability ledger is refused: ${NEEDS_LEDGER}` },
    }),
    ledgerAck: settled({
      unit: '',
      value: 'applied',
      why: 'another needs a ledger outside the process',
      meaning: 'How far a write has got in the ledger before it counts, for durability ledger.',
    }),
    conflict: choice({
      values: ['lww', 'siblings', 'ownerWins', 'counter'],
      default: 'lww',
      meaning:
        'Concurrent writes of one key: lww keeps the last, siblings keeps all until a reader ' +
        'merges them, ownerWins refuses writes under another owner’s lease, counter adds up ' +
        'increments.',
      later: { firstWins: `conflict firstWins goes with durability ledger: ${NEEDS_LEDGER}` },
    }),
    mirror: settled({
      unit: '',
      value: 'none',
      why: 'another needs a ledger outside the process',
      meaning: 'Whether entries of other sidecars are kept here too.',
    }),
    autonomyMs: settled({
      unit: 'ms',
      value: 60_000,
      why: 'the embedded ledger cannot be out of reach, so there is nothing to bound yet',
      meaning: 'The longest the sidecar renews leases without contact to the ledger.',
    }),
    capacity,
    events,
    sensitive: flag({
      default: false,
      meaning:
        'true: keys and values never appear in logs and events (a hash of the key does), and ' +
        'values are zeroed when freed.',
    }),
  })
  .prefault({})
  .describe('The contract of one namespace.');
