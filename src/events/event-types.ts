/**
 * Every type of event there is, in one table: what it is about, when it is told, and what its data
 * holds. Subjects, streams, the list that `/v1/events?types=` takes, the AsyncAPI document and the
 * reference page derive from it; the tests compare it with what `cloud-event.ts` really makes.
 */
import type { EndReason } from '../core/command.ts';
import type { StreamName } from './bus.ts';
import {
  CLOSED_SOURCE, COMMON, CONFLICT, ENDING, ENTRIES_GONE, ENTRY, type Members, PREVIOUS,
  PREVIOUS_HOLDER, PRESSURE, RENEWALS, REPAIRS, TERM, VALUE,
} from './event-members.ts';

/** What the `subject` attribute names. */
export type SubjectKind = 'lease' | 'entry' | 'namespace' | 'replica' | 'source';

export interface EventType {
  /** What it says. */
  readonly meaning: string;
  /** What makes it be told. */
  readonly told: string;
  readonly about: SubjectKind;
  /** `data`, beside what all have. */
  readonly data: Members;
  /** Of endings: why, and when that is the reason. */
  readonly reasons?: Readonly<Partial<Record<EndReason, string>>>;
}

/** By `noun.verb`. Those whose verb is `ended` are endings. */
const TABLE = {
  'lease.granted': {
    meaning: 'A holder has got a lease.',
    told: 'when an explicit lease is granted; an implicit one is told by its entry',
    about: 'lease',
    data: TERM,
  },
  'lease.renewed': {
    meaning: 'The deadline of a lease has moved.',
    told:
      'when an explicit lease is renewed; renewals that follow one another before they are ' +
      'published become one',
    about: 'lease',
    data: { ...TERM, ...RENEWALS },
  },
  'lease.transferred': {
    meaning: 'A live lease has another holder.',
    told: 'when a lease is handed to a successor',
    about: 'lease',
    data: PREVIOUS_HOLDER,
  },
  'lease.adopted': {
    meaning: 'A lease that another sidecar handed over goes on here.',
    told: 'when its holder asks for it here',
    about: 'lease',
    data: TERM,
  },
  'lease.ended': {
    meaning: 'A lease is over, and everything under it.',
    told: 'once for each explicit lease',
    about: 'lease',
    data: { ...ENDING, ...ENTRIES_GONE },
    reasons: {
      released: 'its holder gave it up',
      expired: 'its deadline has come',
      revoked: 'an operator, a draining sidecar or a changed configuration took it back',
      superseded: 'another sidecar has adopted it',
    },
  },
  'entry.created': {
    meaning: 'A key that held nothing has a value.',
    told: 'when it is written',
    about: 'entry',
    data: { ...ENTRY, ...VALUE },
  },
  'entry.updated': {
    meaning: 'A key has another value, or another lease.',
    told: 'when it is written again',
    about: 'entry',
    data: { ...ENTRY, ...PREVIOUS, ...VALUE },
  },
  'entry.reverted': {
    meaning: 'A key has the value again that it had before a lease that is over.',
    told: 'where the namespace says `onExpire: revert`',
    about: 'entry',
    data: { ...ENTRY, ...PREVIOUS },
  },
  'entry.conflict': {
    meaning: 'Concurrent values of a key have met.',
    told: 'when they meet; the data describe the value that is shown',
    about: 'entry',
    data: { ...ENTRY, ...CONFLICT },
  },
  'entry.ended': {
    meaning: 'A value that was granted is no more.',
    told: 'once for each unbroken run of overwrites under one lease',
    about: 'entry',
    data: { ...ENTRY, ...ENDING },
    reasons: {
      deleted: 'it was deleted; an explicit lease lives on',
      expired: 'its deadline has come',
      released: 'its lease was given up',
      evicted: 'the namespace made room for another entry',
      revoked: 'its lease was taken back',
      superseded: 'it was written under another lease, or lost against a concurrent value',
    },
  },
  'pressure.changed': {
    meaning: 'The sidecar admits more or less than before.',
    told: 'once per crossing of a level',
    about: 'replica',
    data: PRESSURE,
  },
  'reconcile.repaired': {
    meaning: 'The ledger, or its own journal, and this sidecar differed, and were put right.',
    told:
      'for each partition in which a truth check found a difference, and for each namespace in which a ' +
      'self-check did',
    about: 'namespace',
    data: REPAIRS,
  },
  'source.closed': {
    meaning: 'A run of this sidecar is over, and how far its sequences went.',
    told: 'by the next run, after everything of the earlier one',
    about: 'source',
    data: CLOSED_SOURCE,
  },
} as const satisfies Readonly<Record<`${string}.${string}`, EventType>>;

/** `lease.granted`, `entry.updated` and so on. */
export type EventName = keyof typeof TABLE;

export const EVENT_TYPES: Readonly<Record<EventName, EventType>> = TABLE;
export const EVENT_NAMES = Object.keys(TABLE) as readonly EventName[];

/**
 * Of claims, which a later version has: nothing tells them yet. Their names and subjects are taken,
 * so that neither the streams nor those who ask for them change when they come.
 */
export const RESERVED_NAMES = [
  'claim.acquired', 'claim.jeopardy', 'claim.safe', 'claim.ended',
] as const;
export type ReservedName = (typeof RESERVED_NAMES)[number];

/** What may be asked for. */
export const ALL_NAMES: readonly (EventName | ReservedName)[] = [
  ...EVENT_NAMES, ...RESERVED_NAMES,
];

/** As the attribute `type` has it. */
export function eventTypeOf(name: string): string {
  return `leasehold.${name}.v1`;
}

export function isEnding(name: string): boolean {
  return name.endsWith('.ended');
}

export function streamOf(name: string): StreamName {
  return isEnding(name) ? 'endings' : 'events';
}

/** Of no namespace: no contract of one decides whether it is told. */
export function isOfProcess(name: EventName): boolean {
  const { about } = EVENT_TYPES[name];
  return about === 'replica' || about === 'source';
}

/** All members of `data`. */
export function membersOf(name: EventName): Members {
  const { data, reasons } = EVENT_TYPES[name];
  if (reasons === undefined) return { ...COMMON, ...data };
  const why = { schema: { type: 'string', enum: Object.keys(reasons) }, meaning: 'Why it ended.' };
  return { ...COMMON, ...data, reason: why };
}
