/** Facts of every kind that is an event: one of each to begin with, and any (fast-check). */
import fc from 'fast-check';
import type { Fact } from '../../src/core/fact.ts';
import type { EventContract } from '../../src/events/cloud-event.ts';
import { EVENT_TYPES } from '../../src/events/event-types.ts';

export const AT = 1_000_000.25;
/** The wall clock was this far from the timeline when the facts were made. */
export const OFFSET_MS = 1_700_000_000_000 - 1_000_000;
export const ACTOR = '00000000000000aa';
export const GRANTING = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
export const ACTING = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

const common = {
  at: AT, wallMs: AT + OFFSET_MS, namespace: 'sessions', lease: 'l-1', holder: 'web-1',
};
const OF_NONE = { namespace: '', lease: '', holder: '' };
const ofProcess = { ...common, ...OF_NONE };
const origin = { actor: ACTOR, seq: 7 };
const entry = {
  ...common, key: 'user/1', dot: { actor: ACTOR, seq: 7 }, born: { actor: ACTOR, seq: 30 },
  contentType: 'text/plain', size: 5, deadline: AT + 1000, implicit: false,
};
const grant = {
  ...common, kind: 'lease.granted' as const, origin, ttlMs: 1000, deadline: AT + 1000,
  lifetimeEnd: AT + 9000, labels: { a: 'b' },
};
const write = {
  ...entry, kind: 'entry.written' as const, created: true, hlc: 1, context: [], ttlMs: 1000,
  grantedAt: AT, previousEtag: undefined, previousLease: undefined,
  value: new TextEncoder().encode('hello'),
};

/** By the name of the event each becomes. */
export const FACTS = {
  'lease.granted': grant,
  'lease.adopted': { ...grant, adopted: true },
  'lease.renewed': {
    ...common, kind: 'lease.renewed', ttlMs: 1000, deadline: AT + 2000, renewedAt: AT, renewals: 3,
    implicit: false,
  },
  'lease.transferred': { ...common, kind: 'lease.transferred', previousHolder: 'web-0' },
  'lease.ended': {
    ...common, kind: 'lease.ended', reason: 'expired', cause: undefined, origin,
    deadline: AT - 3.5, entries: 2,
  },
  'entry.created': write,
  'entry.updated': {
    ...write, created: false, previousEtag: `${ACTOR}.6`, previousLease: 'l-0',
  },
  'entry.reverted': {
    ...entry, kind: 'entry.reverted', hlc: 2, previousEtag: `${ACTOR}.35`, previousLease: 'l-0',
  },
  'entry.conflict': { ...entry, kind: 'entry.conflict', policy: 'siblings', siblings: 2 },
  'entry.ended': { ...entry, kind: 'entry.ended', reason: 'released', cause: undefined },
  'reconcile.repaired': {
    ...common, lease: '', holder: '', kind: 'reconcile.repaired', partition: 3, pushed: 2, pulled: 1,
    ended: 0, against: 'ledger',
  },
  'pressure.changed': {
    ...ofProcess, kind: 'pressure.changed', level: 'high', previous: 'elevated', source: 'outbox',
    fill: 0.83,
  },
  'source.closed': {
    ...ofProcess, kind: 'source.closed', actor: '00000000000000cc',
    lastSequence: { endings: 12, events: 0 },
  },
} as const satisfies Record<string, Fact>;

/** One that is no event: another sidecar tells it. */
export const BURIED: Fact = { ...entry, kind: 'entry.buried', reason: 'expired', context: [] };

export function contractOf(
  changes: { sensitive?: boolean; events?: Partial<EventContract['events']> } = {},
): EventContract {
  return { sensitive: false, ...changes, events: { values: 'none', publish: 'all', ...changes.events } };
}

const actor = fc.stringMatching(/^[0-9a-f]{16}$/);
const sequence = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const dot = fc.record({ actor, seq: sequence });
const count = fc.nat();
/** Within a few centuries of 1970, with fractions. */
const instant = fc.double({ min: 0, max: 1e13, noNaN: true });
const text = fc.string({ unit: 'grapheme', maxLength: 40 });
/** Controls, quotes, percent signs and characters outside the first plane: all a key may hold. */
const nasty = fc.string({
  unit: fc.oneof(
    fc.constantFrom('\u0001', '\u007f', '"', '%', ' ', '.', '*', '>', '\ufffe', '😀'),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
  ),
  minLength: 1, maxLength: 60,
});
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const traceparent = fc.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);

const anyCommon = fc.record(
  {
    at: instant, wallMs: instant, namespace: fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,62}$/),
    lease: fc.stringMatching(/^[A-Za-z0-9._~-]{1,128}$/), holder: text, traceparent,
    actingTraceparent: traceparent,
  },
  { requiredKeys: ['at', 'wallMs', 'namespace', 'lease', 'holder'] },
);
/** What differs from the fact it is drawn for; the kind stays. */
const anyMembers: { readonly [Name in keyof typeof FACTS]: fc.Arbitrary<object> } = {
  'lease.granted': fc.record({ origin: dot, ttlMs: count, deadline: instant }),
  'lease.adopted': fc.record({ origin: dot, ttlMs: count, deadline: instant }),
  'lease.renewed': fc.record({ ttlMs: count, deadline: instant, renewals: count }),
  'lease.transferred': fc.record({ previousHolder: text }),
  'lease.ended': anyEnding('lease.ended', fc.record({ origin: dot, deadline: instant, entries: count })),
  'entry.created': anyEntry(fc.record({ value: fc.uint8Array({ maxLength: 100 }) })),
  'entry.updated': anyEntry(fc.record({ value: fc.uint8Array({ maxLength: 100 }), ...anyPrevious() })),
  'entry.reverted': anyEntry(fc.record(anyPrevious())),
  'entry.conflict': anyEntry(fc.record({ siblings: count })),
  'entry.ended': anyEnding('entry.ended', anyEntry(fc.constant({}))),
  'reconcile.repaired': fc.record({ partition: count, pushed: count, pulled: count, ended: count, against: fc.constantFrom('ledger', 'journal') }),
  'pressure.changed': fc.record({ fill: fc.double({ min: 0, max: 10, noNaN: true }) }),
  'source.closed': fc.record({ actor, lastSequence: fc.record({ endings: count, events: count }) }),
};

function anyPrevious() {
  return { previousEtag: maybe(dot.map((one) => `${one.actor}.${one.seq}`)), previousLease: maybe(text) };
}

function anyEntry(own: fc.Arbitrary<object>): fc.Arbitrary<object> {
  const shared = fc.record({
    key: nasty, dot, born: dot, contentType: text, size: count, deadline: instant,
  });
  return fc.tuple(shared, own).map(([all, rest]) => ({ ...all, ...rest }));
}

function anyEnding(name: 'lease.ended' | 'entry.ended', own: fc.Arbitrary<object>): fc.Arbitrary<object> {
  const reason = fc.constantFrom(...Object.keys(EVENT_TYPES[name].reasons ?? {}));
  const why = fc.record({ reason, cause: maybe(text) });
  return fc.tuple(why, own).map(([all, rest]) => ({ ...all, ...rest }));
}

/** Any fact of the kinds that are events. */
export const anyFact: fc.Arbitrary<Fact> = fc.oneof(
  ...Object.entries(FACTS).map(([name, fact]) =>
    fc.tuple(anyCommon, anyMembers[name as keyof typeof FACTS]).map(([all, own]) => {
      const drawn = { ...fact, ...all, ...own };
      if (fact.lease !== '') return drawn as Fact;
      return { ...drawn, ...OF_NONE, namespace: fact.namespace && drawn.namespace } as Fact;
    }),
  ),
);

export const anyContract: fc.Arbitrary<EventContract> = fc.record({
  sensitive: fc.boolean(),
  events: fc.record({
    values: fc.constantFrom('none', 'hash', 'full'),
    publish: fc.constantFrom('all' as const, [], ['entry.updated']),
  }),
});
