/**
 * The members of an event's data: one word, one meaning, whichever event it stands in. Each is a
 * JSON Schema (draft 07) fragment and a sentence for people; `event-types.ts` says which event has
 * which.
 */

export interface Member {
  readonly schema: Readonly<Record<string, unknown>>;
  readonly meaning: string;
  /** Left out where there is nothing to tell. */
  readonly optional?: true;
}

export type Members = Readonly<Record<string, Member>>;

const TEXT = { type: 'string' };
const WHOLE = { type: 'integer', minimum: 0 };
const INSTANT = { type: 'string', format: 'date-time' };
/** An actor and its number there, quoted, as the header has it. */
const ETAG = { type: 'string', pattern: '^"[0-9a-f]{16}\\.[0-9]{1,16}"$' };
const SHA256_HEX = { type: 'string', pattern: '^[0-9a-f]{64}$' };

export const PRESSURE_LEVELS = ['nominal', 'elevated', 'high', 'critical'] as const;
export const PRESSURE_SOURCES = ['outbox', 'ledger', 'journal', 'memory', 'loop'] as const;

/** Every event's. */
export const COMMON = {
  namespace: { schema: TEXT, meaning: 'The namespace; empty where the event is of none.' },
  lease: { schema: TEXT, meaning: 'The lease id, implicit ones too; empty where it is of none.' },
  holder: { schema: TEXT, meaning: 'Who holds the lease; empty where there is no holder.' },
  at: { schema: INSTANT, meaning: 'When it happened, by the wall clock.' },
} satisfies Members;

const DEADLINE = {
  schema: INSTANT,
  meaning: 'The instant from which the lease is, or was, no longer live.',
} satisfies Member;

/** Of what a lease has just been granted. */
export const TERM = {
  ttlMs: { schema: WHOLE, meaning: 'The time to live it was granted, in milliseconds.' },
  deadline: DEADLINE,
} satisfies Members;

export const RENEWALS = {
  renewals: { schema: WHOLE, meaning: 'How often the lease has been renewed.' },
} satisfies Members;

export const PREVIOUS_HOLDER = {
  previousHolder: { schema: TEXT, meaning: 'Who held the lease before.' },
} satisfies Members;

/** Every entry's: exactly one of `key` and `keyHash`. */
export const ENTRY = {
  key: {
    schema: { type: 'string', minLength: 1, maxLength: 512 },
    meaning: 'The key; absent where the namespace is sensitive.',
    optional: true,
  },
  keyHash: {
    schema: SHA256_HEX,
    meaning: 'Instead of `key` where the namespace is sensitive: SHA-256 of `<namespace>/<key>`.',
    optional: true,
  },
  etag: { schema: ETAG, meaning: 'The version of the value.' },
  contentType: { schema: TEXT, meaning: 'The media type of the value.' },
  size: { schema: WHOLE, meaning: 'Bytes of the value.' },
} satisfies Members;

/** Of what stood there before. */
export const PREVIOUS = {
  previousEtag: { schema: ETAG, meaning: 'The version that was replaced.', optional: true },
  previousLease: {
    schema: TEXT,
    meaning: 'The lease the entry was under, where it has moved.',
    optional: true,
  },
} satisfies Members;

/** At most one of them, as `events.values` of the namespace says; neither where it is sensitive. */
export const VALUE = {
  value: {
    schema: { type: 'string', contentEncoding: 'base64' },
    meaning: 'The value in base64, where the namespace tells values in full; up to 512 KiB of it.',
    optional: true,
  },
  valueHash: {
    schema: SHA256_HEX,
    meaning: 'SHA-256 of the value, where the namespace tells hashes, or the value is larger.',
    optional: true,
  },
} satisfies Members;

export const CONFLICT = {
  policy: { schema: TEXT, meaning: 'The `conflict` policy of the namespace that settled it.' },
  siblings: { schema: WHOLE, meaning: 'How many values met.' },
} satisfies Members;

/** Every ending's, beside its reason. */
export const ENDING = {
  cause: {
    schema: TEXT,
    meaning:
      'More about the reason. `downtime`: it fell due while nothing ran; `drain`: its sidecar ' +
      'stopped; `namespace-removed`: no longer configured; `adopted`: it goes on at another ' +
      'sidecar; `ledger`: the ledger told of its end. Others may come.',
    optional: true,
  },
  endingId: {
    schema: { type: 'string', pattern: '^[A-Za-z0-9_-]{22}$' },
    meaning: 'Names the ending, whoever tells it and however often: dedupe by this.',
  },
  deadline: DEADLINE,
  latenessMs: { schema: WHOLE, meaning: 'How long after the deadline it ended; 0 before it.' },
} satisfies Members;

export const ENTRIES_GONE = {
  entries: { schema: WHOLE, meaning: 'Entries that end with it; each has an ending of its own.' },
} satisfies Members;

export const PRESSURE = {
  level: {
    schema: { type: 'string', enum: PRESSURE_LEVELS },
    meaning: 'The level of pressure from now on.',
  },
  previousLevel: {
    schema: { type: 'string', enum: PRESSURE_LEVELS },
    meaning: 'The level until now.',
  },
  source: {
    schema: { type: 'string', enum: PRESSURE_SOURCES },
    meaning: 'What is the fullest.',
  },
  fill: {
    schema: { type: 'number', minimum: 0 },
    meaning: 'How full that is: 0 empty, 1 at its limit, more where it can be exceeded.',
  },
} satisfies Members;

export const REPAIRS = {
  partition: {
    schema: WHOLE,
    meaning: 'The partition of the namespace that differed; 0 where it was the journal.',
  },
  pushed: {
    schema: WHOLE,
    meaning: 'Values told to the ledger again; of the journal, leases and entries written to it again.',
  },
  pulled: { schema: WHOLE, meaning: 'Values taken from the ledger.' },
  ended: {
    schema: WHOLE,
    meaning:
      'Values ended here because the ledger knew their end; of the journal, leases and entries it still ' +
      'had although they had ended.',
  },
  against: {
    schema: { type: 'string', enum: ['ledger', 'journal'] },
    meaning: 'What had differed from what this sidecar held.',
  },
} satisfies Members;

export const CLOSED_SOURCE = {
  source: {
    schema: { type: 'string', format: 'uri-reference' },
    meaning: 'The `source` of the run that is over: nothing new will come from it.',
  },
  lastSequences: {
    schema: {
      type: 'object',
      properties: {
        endings: { ...WHOLE, description: 'In the stream of endings.' },
        events: { ...WHOLE, description: 'In the stream of the other events.' },
      },
      required: ['endings', 'events'],
      additionalProperties: false,
    },
    meaning: 'The last `sequence` of that run in each stream; 0 where it told nothing there.',
  },
} satisfies Members;
