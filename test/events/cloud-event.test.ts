import { describe, expect, test } from 'vitest';
import type { Fact } from '../../src/core/fact.ts';
import { cloudEvent, type EventContract } from '../../src/events/cloud-event.ts';

const AT = 1_000_000.25;
/** The wall clock was this far from the timeline when the facts were made. */
const OFFSET_MS = 1_700_000_000_000 - 1_000_000;
const wall = (instant: number) => new Date(instant + OFFSET_MS).toISOString();

const common = {
  at: AT, wallMs: AT + OFFSET_MS, namespace: 'sessions', lease: 'l-1', holder: 'web-1',
};
const entry = {
  ...common, key: 'user/1', dot: { actor: '00000000000000aa', seq: 7 },
  born: { actor: '00000000000000aa', seq: 30 }, contentType: 'text/plain', size: 5,
  deadline: AT + 1000, implicit: false,
};
const origin = { actor: '00000000000000aa', seq: 7 };

const FACTS = {
  granted: {
    ...common, kind: 'lease.granted', origin, ttlMs: 1000, deadline: AT + 1000,
    lifetimeEnd: AT + 9000, labels: { a: 'b' },
  },
  renewed: {
    ...common, kind: 'lease.renewed', ttlMs: 1000, deadline: AT + 2000, renewedAt: AT, renewals: 3,
    implicit: false,
  },
  transferred: { ...common, kind: 'lease.transferred', previousHolder: 'web-0' },
  leaseEnded: {
    ...common, kind: 'lease.ended', reason: 'expired', cause: undefined, origin,
    deadline: AT - 3.5, entries: 2,
  },
  written: {
    ...entry, kind: 'entry.written', created: true, hlc: 1, context: [], ttlMs: 1000, grantedAt: AT,
    previousEtag: undefined, previousLease: undefined, value: new TextEncoder().encode('hello'),
  },
  reverted: { ...entry, kind: 'entry.reverted', hlc: 2, previousEtag: '00000000000000aa.z', previousLease: 'l-0' },
  entryEnded: { ...entry, kind: 'entry.ended', reason: 'released', cause: undefined },
  conflict: { ...entry, kind: 'entry.conflict', policy: 'siblings', siblings: 2 },
} satisfies Record<string, Fact>;

const SOURCE = { name: 'pod 1', actor: '00000000000000bb', stream: 'feed', sequence: 42 };

function contract(changes: { sensitive?: boolean; events?: Partial<EventContract['events']> } = {}): EventContract {
  return { sensitive: false, ...changes, events: { values: 'none', publish: 'all', ...changes.events } };
}
const eventOf = (fact: Fact, changes: Parameters<typeof contract>[0] = {}) =>
  cloudEvent(fact, SOURCE, contract(changes));

describe('a CloudEvent', () => {
  test('says what, where, when and which', () => {
    expect(eventOf(FACTS.granted)).toEqual({
      specversion: '1.0',
      id: '00000000000000bb:feed:42',
      source: '/leasehold/pod%201/00000000000000bb',
      type: 'leasehold.lease.granted.v1',
      subject: 'l-1',
      time: wall(AT),
      datacontenttype: 'application/json',
      sequence: '0000000000000042',
      data: {
        namespace: 'sessions', lease: 'l-1', holder: 'web-1', at: wall(AT),
        ttlMs: 1000, deadline: wall(AT + 1000),
      },
    });
  });

  test.each([
    ['renewed', 'lease.renewed', { deadline: wall(AT + 2000), renewals: 3 }],
    ['transferred', 'lease.transferred', { previousHolder: 'web-0' }],
    ['leaseEnded', 'lease.ended', { reason: 'expired', deadline: wall(AT - 3.5), latenessMs: 4, entries: 2 }],
    ['written', 'entry.created', { key: 'user/1', etag: '"00000000000000aa.7"', contentType: 'text/plain', size: 5 }],
    ['reverted', 'entry.reverted', { previousEtag: '"00000000000000aa.z"', previousLease: 'l-0' }],
    ['entryEnded', 'entry.ended', { reason: 'released', latenessMs: 0, deadline: wall(AT + 1000) }],
    ['conflict', 'entry.conflict', { policy: 'siblings', siblings: 2 }],
  ] as const)('is made of a fact that is %s', (name, type, data) => {
    const event = eventOf(FACTS[name]);
    expect(event?.type).toBe(`leasehold.${type}.v1`);
    expect(event?.data).toMatchObject(data);
    expect(event?.subject).toBe('key' in FACTS[name] ? 'sessions/user/1' : 'l-1');
  });

  test('of an overwritten entry tells an update', () => {
    const event = eventOf({ ...FACTS.written, created: false, previousLease: 'l-0', previousEtag: '00000000000000aa.y' });
    expect(event?.type).toBe('leasehold.entry.updated.v1');
    expect(event?.data).toMatchObject({ previousLease: 'l-0', previousEtag: '"00000000000000aa.y"' });
  });

  test('is none for the renewal of an implicit lease', () => {
    expect(eventOf({ ...FACTS.renewed, implicit: true })).toBeUndefined();
  });

  test('leaves out what there is nothing of', () => {
    const { data } = eventOf(FACTS.written)!;
    for (const absent of ['previousEtag', 'previousLease', 'value', 'valueHash', 'keyHash']) {
      expect(data).not.toHaveProperty(absent);
    }
    expect(eventOf(FACTS.leaseEnded)!.data).not.toHaveProperty('cause');
    expect(eventOf({ ...FACTS.leaseEnded, cause: 'downtime' })!.data['cause']).toBe('downtime');
  });
});

describe('the id of an ending', () => {
  const idOf = (fact: Fact) => eventOf(fact)!.data['endingId'];

  test('depends on what was granted, not on who tells it, when and why', () => {
    const elsewhere = cloudEvent(
      { ...FACTS.entryEnded, reason: 'expired', at: AT + 5, holder: 'x', dot: { actor: '00000000000000cc', seq: 1 } },
      { ...SOURCE, actor: '00000000000000cc', sequence: 1 },
      contract(),
    )!;
    expect(elsewhere.data['endingId']).toBe(idOf(FACTS.entryEnded));
    expect(idOf(FACTS.entryEnded)).toMatch(/^[A-Za-z0-9_-]{22}$/);
  });

  test('differs for every other grant', () => {
    const ids = [
      FACTS.entryEnded,
      { ...FACTS.entryEnded, key: 'user/2' },
      { ...FACTS.entryEnded, namespace: 'other' },
      { ...FACTS.entryEnded, born: { ...entry.born, seq: 31 } },
      { ...FACTS.entryEnded, born: { ...entry.born, actor: '00000000000000ab' } },
      FACTS.leaseEnded,
      { ...FACTS.leaseEnded, lease: 'l-2' },
      { ...FACTS.leaseEnded, origin: { ...origin, seq: 8 } },
    ].map(idOf);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('what a namespace lets out', () => {
  test('values as a whole, as a hash, or not at all', () => {
    expect(eventOf(FACTS.written, { events: { values: 'full' } })!.data['value']).toBe('aGVsbG8=');
    expect(eventOf(FACTS.written, { events: { values: 'hash' } })!.data['valueHash']).toBe(
      '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
    );
  });

  test('neither key nor value where it is sensitive', () => {
    for (const values of ['full', 'hash'] as const) {
      const event = eventOf(FACTS.written, { sensitive: true, events: { values } })!;
      const text = JSON.stringify(event);
      expect(text).not.toContain('user/1');
      expect(text).not.toContain('aGVsbG8');
      expect(event.data).not.toHaveProperty('valueHash');
      expect(event.data['keyHash']).toMatch(/^[0-9a-f]{64}$/);
      expect(event.subject).toBe(event.data['keyHash']);
    }
  });

  test('the events it lists, and every ending', () => {
    const publish = { events: { publish: ['entry.updated'] } };
    expect(eventOf(FACTS.written, publish)).toBeUndefined();
    expect(eventOf({ ...FACTS.written, created: false }, publish)).toBeDefined();
    expect(eventOf(FACTS.granted, publish)).toBeUndefined();
    expect(eventOf(FACTS.entryEnded, publish)).toBeDefined();
    expect(eventOf(FACTS.leaseEnded, publish)).toBeDefined();
  });
});
