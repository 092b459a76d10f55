/**
 * Every field a log line may have, once: what it is called, what it holds and what it means. The
 * compiler holds each line to this table (`log.ts`), `docs/logging.md` is made from it, and clients
 * in other languages use the same names for the same things.
 *
 * Names are OpenTelemetry's where its conventions have one (with dots, or snake case for those of
 * the trace); ours are single words in camel case, the unit last, and the same as on the status
 * page and in events. A value never is a field, nor is a key of a sensitive namespace
 * (`key-fields.ts`).
 */

/** What a type in the table is in TypeScript, and so in JSON. */
interface Types {
  readonly text: string;
  readonly 'whole number': number;
  readonly number: number;
  readonly flag: boolean;
  readonly texts: readonly string[];
  readonly numbers: Readonly<Record<string, number>>;
}

export interface FieldKind {
  readonly type: keyof Types;
  readonly meaning: string;
  /** Lines of one message that differ here are about different things: they are counted apart. */
  readonly tells?: true;
}

/** What every line begins with; written by the log itself. */
export const ENVELOPE = {
  time: { type: 'text', meaning: 'When it was written: RFC 3339, UTC, with milliseconds.' },
  level: { type: 'text', meaning: '`debug`, `info`, `warn` or `error`.' },
  message: { type: 'text', meaning: 'What happened, in words that are always the same for the same thing.' },
  replica: { type: 'text', meaning: 'The display name of the sidecar, `LEASEHOLD_NAME`.' },
} as const satisfies Record<string, FieldKind>;

/** What a line may say besides. */
export const LOG_FIELDS = {
  trace_id: { type: 'text', meaning: 'The trace of the request or round it is about: 32 hexadecimal digits.' },
  span_id: { type: 'text', meaning: 'The span within that trace: 16 hexadecimal digits.' },
  repeated: {
    type: 'whole number',
    meaning: 'How many lines like this one were left out before it; it has the fields of the last of them.',
  },

  'exception.type': { type: 'text', tells: true, meaning: 'What was thrown, by class.' },
  'exception.message': {
    type: 'text',
    meaning: 'What it said, cut off after 500 characters; absent where it may quote what was sent.',
  },
  'exception.stacktrace': { type: 'text', meaning: 'Where it came from: at most 20 frames.' },
  'error.type': { type: 'text', tells: true, meaning: 'What went wrong, as a code.' },
  detail: { type: 'text', meaning: 'What went wrong, as a sentence for people, cut off after 500 characters.' },

  namespace: { type: 'text', tells: true, meaning: 'The namespace it is about.' },
  partition: { type: 'whole number', meaning: 'The partition of that namespace in the ledger.' },
  key: { type: 'text', meaning: 'The key it is about; never of a sensitive namespace.' },
  keyHash: {
    type: 'text',
    meaning: 'Instead of `key` where the namespace is sensitive: SHA-256 of `<namespace>/<key>`, as in events.',
  },
  actor: { type: 'text', meaning: 'A run of a sidecar: 16 hexadecimal digits.' },
  'http.route': { type: 'text', tells: true, meaning: 'The route of a request, as in the OpenAPI document.' },
  stream: { type: 'text', tells: true, meaning: 'A stream of the bus.' },
  server: { type: 'text', tells: true, meaning: 'A server of the bus, as host and port.' },
  part: { type: 'text', tells: true, meaning: 'A part of the sidecar, by the name it has when parts are closed.' },
  signal: { type: 'text', meaning: 'The signal that the process was sent.' },

  reasons: { type: 'texts', meaning: 'Why the sidecar is degraded, as `/readyz` says; in lines of the bus, as far as the bus goes.' },
  pressure: { type: 'text', meaning: 'The level of pressure, as `Leasehold-Pressure` says.' },
  previous: { type: 'text', meaning: 'The level before.' },
  source: { type: 'text', meaning: 'Where pressure comes from.' },
  fill: { type: 'number', meaning: 'How full that is: 0 empty, 1 at its limit.' },

  complaints: { type: 'texts', meaning: 'What is wrong with a configuration, or with the file of tokens, with the path of each.' },
  tokens: { type: 'whole number', meaning: 'How many tokens there are.' },
  options: { type: 'texts', meaning: 'Paths of options.' },
  changed: { type: 'texts', meaning: 'Flags, with what they were and are.' },
  worstCase: { type: 'texts', meaning: 'What memory may hold at worst, line by line, and in all.' },

  partsMs: { type: 'numbers', meaning: 'By part: milliseconds that starting it took.' },
  durationMs: { type: 'whole number', meaning: 'How long it took.' },
  graceMs: { type: 'whole number', meaning: 'How long draining may take.' },
  downtimeMs: { type: 'whole number', meaning: 'How long nobody ran here, by the wall clock.' },

  found: { type: 'flag', meaning: 'Whether there was a journal.' },
  clean: { type: 'flag', meaning: 'Whether it was closed in good order.' },
  bytesRead: { type: 'whole number', meaning: 'Bytes of the journal read so far.' },
  bytesTotal: { type: 'whole number', meaning: 'Bytes of the journal in all.' },
  records: { type: 'whole number', meaning: 'Records read, or written, so far.' },
  snapshotRecords: { type: 'whole number', meaning: 'Records of the snapshot that recovery began with.' },
  replayedRecords: { type: 'whole number', meaning: 'Records read after the snapshot.' },
  replayedBytes: { type: 'whole number', meaning: 'Their bytes.' },
  missing: {
    type: 'whole number',
    meaning: 'Leases and entries held in memory that a restart would not have brought back.',
  },
  surplus: {
    type: 'whole number',
    meaning: 'Leases and entries that a restart would have brought back though they are over.',
  },
  altered: { type: 'whole number', meaning: 'Leases and entries that a restart would have brought back otherwise.' },
  misfits: { type: 'whole number', meaning: 'Records of the journal about what it does not have.' },
  file: { type: 'text', tells: true, meaning: 'A file of the data directory.' },
  offsetBytes: { type: 'whole number', meaning: 'The byte of that file from which on it cannot be trusted.' },
  tornBytes: { type: 'whole number', meaning: 'Bytes at the end of the journal that were never whole, and were cut off.' },
  leases: { type: 'whole number', meaning: 'Leases that live after recovery.' },
  entries: { type: 'whole number', meaning: 'Entries that live after recovery.' },
  answers: { type: 'whole number', meaning: 'Remembered answers to idempotent requests.' },
  owed: { type: 'whole number', meaning: 'Events that the bus has not acknowledged.' },
  forgotten: { type: 'flag', meaning: 'Whether events of an earlier run are told to nobody, for want of a bus.' },
  namespacesRemoved: { type: 'texts', meaning: 'Namespaces of the journal that are no longer configured.' },

  members: { type: 'whole number', meaning: 'Other sidecars that the ledger has heard of lately.' },
  recordVersion: { type: 'whole number', meaning: 'The version in which records are written to the ledger.' },
  versionMin: { type: 'whole number', meaning: 'The oldest version that every member of the ledger reads.' },
  versionMax: { type: 'whole number', meaning: 'The newest version that every member of the ledger reads.' },
  partitions: { type: 'whole number', meaning: 'Partitions of a namespace in the ledger.' },
  buckets: { type: 'whole number', meaning: 'Buckets of a partition in the ledger.' },
  pushed: { type: 'whole number', meaning: 'Records that were told again to the ledger.' },
  pulled: { type: 'whole number', meaning: 'Records that were taken over from the ledger.' },
  ended: { type: 'whole number', meaning: 'Values that were, or would be, ended for want of an owner.' },
  left: { type: 'whole number', meaning: 'Changes or events that were not told.' },
  events: { type: 'whole number', meaning: 'Events that are published again.' },
  differences: { type: 'texts', meaning: 'What a stream has set otherwise than it should.' },
} as const satisfies Record<string, FieldKind>;

export type FieldName = keyof typeof LOG_FIELDS;

/** What a line may say, by the table. */
export type LogFields = {
  readonly [Name in FieldName]?: Types[(typeof LOG_FIELDS)[Name]['type']] | undefined;
};
