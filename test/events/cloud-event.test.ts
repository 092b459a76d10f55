import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PUBLISHABLE } from '../../src/config/namespace-options.ts';
import type { Fact } from '../../src/core/fact.ts';
import { murmur3 } from '../../src/core/placement.ts';
import { TOLD_BY_CHOICE } from '../../src/core/told.ts';
import { cloudEvent, eventName } from '../../src/events/cloud-event.ts';
import { EVENT_NAMES, isEnding, isOfProcess } from '../../src/events/event-types.ts';
import { AT, BURIED, contractOf, FACTS, GRANTING, OFFSET_MS } from './facts.ts';

const wall = (instant: number) => new Date(instant + OFFSET_MS).toISOString();

const GRANTED = FACTS['lease.granted'];
const LEASE_ENDED = FACTS['lease.ended'];
const WRITTEN = FACTS['entry.created'];
const ENTRY_ENDED = FACTS['entry.ended'];
const RENEWED = FACTS['lease.renewed'];

/** What the data of every entry here says. */
const ENTRY = { key: 'user/1', etag: '"00000000000000aa.7"', contentType: 'text/plain', size: 5 };
const SOURCE = { name: 'pod 1', actor: '00000000000000bb', stream: 'feed', sequence: 42 };

const eventOf = (fact: Fact, changes: Parameters<typeof contractOf>[0] = {}) =>
  cloudEvent(fact, SOURCE, contractOf(changes));

describe('a CloudEvent', () => {
  test('says what, where, when and which', () => {
    expect(eventOf(GRANTED)).toEqual({
      specversion: '1.0',
      id: '00000000000000bb:feed:42',
      source: '/leasehold/pod%201/00000000000000bb',
      type: 'leasehold.lease.granted.v1',
      subject: 'l-1',
      time: wall(AT),
      datacontenttype: 'application/json',
      sequence: '0000000000000042',
      partitionkey: 'sessions:bea16143',
      data: {
        namespace: 'sessions', lease: 'l-1', holder: 'web-1', at: wall(AT),
        ttlMs: 1000, deadline: wall(AT + 1000),
      },
    });
  });

  test.each([
    ['lease.granted', 'l-1', { ttlMs: 1000, deadline: wall(AT + 1000) }],
    ['lease.adopted', 'l-1', { ttlMs: 1000, deadline: wall(AT + 1000) }],
    ['lease.renewed', 'l-1', { ttlMs: 1000, deadline: wall(AT + 2000), renewals: 3 }],
    ['lease.transferred', 'l-1', { previousHolder: 'web-0' }],
    ['lease.ended', 'l-1', {
      reason: 'expired', deadline: wall(AT - 3.5), latenessMs: 4, entries: 2,
      endingId: expect.stringMatching(/^[\w-]{22}$/),
    }],
    ['entry.created', 'sessions/user/1', ENTRY],
    ['entry.updated', 'sessions/user/1', {
      ...ENTRY, previousLease: 'l-0', previousEtag: '"00000000000000aa.6"',
    }],
    ['entry.reverted', 'sessions/user/1', {
      ...ENTRY, previousLease: 'l-0', previousEtag: '"00000000000000aa.35"',
    }],
    ['entry.conflict', 'sessions/user/1', { ...ENTRY, policy: 'siblings', siblings: 2 }],
    ['entry.ended', 'sessions/user/1', {
      ...ENTRY, reason: 'released', latenessMs: 0, deadline: wall(AT + 1000),
      endingId: expect.stringMatching(/^[\w-]{22}$/),
    }],
    ['reconcile.repaired', 'sessions', { partition: 3, pushed: 2, pulled: 1, ended: 0, against: 'ledger' }],
    ['pressure.changed', 'pod 1', {
      level: 'high', previousLevel: 'elevated', source: 'outbox', fill: 0.83,
    }],
    ['source.closed', '/leasehold/pod%201/00000000000000cc', {
      source: '/leasehold/pod%201/00000000000000cc', lastSequences: { endings: 12, events: 0 },
    }],
  ] as const)('tells %s', (name, subject, data) => {
    const fact: Fact = FACTS[name];
    expect(eventName(fact)).toBe(name);
    const event = eventOf(fact)!;
    expect(event.type).toBe(`leasehold.${name}.v1`);
    expect(event.subject).toBe(subject);
    const { namespace, lease, holder } = fact;
    expect(event.data).toEqual({ namespace, lease, holder, at: wall(AT), ...data });
  });

  test('is told for each type there is', () => {
    expect(Object.keys(FACTS).toSorted()).toEqual(EVENT_NAMES.toSorted());
  });

  test('is none for what another sidecar tells', () => {
    expect(eventOf(BURIED)).toBeUndefined();
  });

  test('has the times of any instant', () => {
    const edges = fc.constantFrom(-Number.MIN_VALUE, -0.5, -1, -1000.5, 999.9999999999999);
    const instant = fc.oneof(fc.double({ min: -4e12, max: 4e12, noNaN: true }), edges);
    fc.assert(
      fc.property(instant, fc.nat(10_000), (at, ttlMs) => {
        const event = eventOf({ ...GRANTED, at, wallMs: at, deadline: at + ttlMs })!;
        expect(event.time).toBe(new Date(at).toISOString());
        expect(event.data['deadline']).toBe(new Date(at + ttlMs).toISOString());
      }),
    );
  });

  test('has the trace of what was granted, and none where it is not known', () => {
    expect(eventOf({ ...ENTRY_ENDED, traceparent: GRANTING })!.traceparent).toBe(GRANTING);
    expect(eventOf(ENTRY_ENDED)).not.toHaveProperty('traceparent');
  });

  test('has no character in its subject that an attribute may not have', () => {
    const key = 'a\u0007b\u0085c%\ufffe é😀';
    const event = eventOf({ ...ENTRY_ENDED, key })!;
    expect(event.subject).toBe('sessions/a%07b%C2%85c%%EF%BF%BE é😀');
    expect(event.data['key']).toBe(key);
  });

  test('is none for the renewal of an implicit lease', () => {
    expect(eventOf({ ...RENEWED, implicit: true })).toBeUndefined();
  });

  test('leaves out what there is nothing of', () => {
    const { data } = eventOf(WRITTEN)!;
    for (const absent of ['previousEtag', 'previousLease', 'value', 'valueHash', 'keyHash']) {
      expect(data).not.toHaveProperty(absent);
    }
    expect(eventOf(LEASE_ENDED)!.data).not.toHaveProperty('cause');
    expect(eventOf({ ...LEASE_ENDED, cause: 'downtime' })!.data['cause']).toBe('downtime');
  });
});

describe('the partition key', () => {
  const keyOf = (fact: Fact, changes = {}) => eventOf(fact, changes)!.partitionkey;

  test('is the same for all events of a key, here and elsewhere, sensitive or not', () => {
    const events = [WRITTEN, FACTS['entry.updated'], FACTS['entry.conflict'], ENTRY_ENDED];
    const keys = [
      ...events.map((fact) => keyOf({ ...fact, lease: fact.kind })),
      ...events.map((fact) => keyOf(fact, { sensitive: true })),
      cloudEvent(WRITTEN, { ...SOURCE, name: 'pod 2' }, contractOf())!.partitionkey,
    ];
    expect(new Set(keys)).toEqual(new Set(['sessions:36b8f7cd']));
  });

  test('tells keys, leases and namespaces apart', () => {
    const keys = [
      WRITTEN, { ...WRITTEN, key: 'user/2' }, { ...WRITTEN, namespace: 'other' }, GRANTED,
      { ...GRANTED, lease: 'l-2' }, FACTS['reconcile.repaired'], FACTS['pressure.changed'],
    ].map((fact) => keyOf(fact));
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.at(-1)).toMatch(/^_:[0-9a-f]{8}$/);
  });

  test('leads to the place of the key in the ledger', () => {
    // MurmurHash3 of "hello" with seed 0, from its published test vectors.
    expect(keyOf({ ...WRITTEN, key: 'hello' })).toBe('sessions:248bfa47');
    for (const key of ['é€😀', 'é'.repeat(256), 'é'.repeat(1024)]) {
      const digits = murmur3(new TextEncoder().encode(key)).toString(16).padStart(8, '0');
      expect(keyOf({ ...WRITTEN, key })).toBe(`sessions:${digits}`);
    }
  });
});

describe('the id of an ending', () => {
  const idOf = (fact: Fact) => eventOf(fact)!.data['endingId'];

  test('depends on what was granted, not on who tells it, when and why', () => {
    const elsewhere = cloudEvent(
      {
        ...ENTRY_ENDED, reason: 'expired', at: AT + 5, holder: 'x',
        dot: { actor: '00000000000000cc', seq: 1 },
      },
      { ...SOURCE, actor: '00000000000000cc', sequence: 1 },
      contractOf(),
    )!;
    expect(elsewhere.data['endingId']).toBe(idOf(ENTRY_ENDED));
    expect(idOf(ENTRY_ENDED)).toMatch(/^[A-Za-z0-9_-]{22}$/);
  });

  test('differs for every other grant', () => {
    const ids = [
      ENTRY_ENDED,
      { ...ENTRY_ENDED, key: 'user/2' },
      { ...ENTRY_ENDED, namespace: 'other' },
      { ...ENTRY_ENDED, born: { ...ENTRY_ENDED.born, seq: 31 } },
      { ...ENTRY_ENDED, born: { ...ENTRY_ENDED.born, actor: '00000000000000ab' } },
      LEASE_ENDED,
      { ...LEASE_ENDED, lease: 'l-2' },
      { ...LEASE_ENDED, origin: { ...LEASE_ENDED.origin, seq: 8 } },
    ].map(idOf);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('what a namespace lets out', () => {
  test('values as a whole, as a hash, or not at all', () => {
    expect(eventOf(WRITTEN, { events: { values: 'full' } })!.data['value']).toBe('aGVsbG8=');
    expect(eventOf(WRITTEN, { events: { values: 'hash' } })!.data['valueHash']).toBe(
      '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
    );
  });

  test('the hash of a value that is too large for a message of the bus', () => {
    const full = { events: { values: 'full' as const } };
    const dataOf = (size: number) => eventOf({ ...WRITTEN, value: new Uint8Array(size) }, full)!.data;
    expect(dataOf(512 * 1024)).toHaveProperty('value');
    const { value, valueHash } = dataOf(512 * 1024 + 1);
    expect([value, valueHash]).toEqual([undefined, expect.stringMatching(/^[0-9a-f]{64}$/)]);
  });

  test('neither key nor value where it is sensitive', () => {
    for (const values of ['full', 'hash'] as const) {
      const event = eventOf(WRITTEN, { sensitive: true, events: { values } })!;
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
    expect(eventOf(WRITTEN, publish)).toBeUndefined();
    expect(eventOf({ ...WRITTEN, created: false }, publish)).toBeDefined();
    expect(eventOf(GRANTED, publish)).toBeUndefined();
    expect(eventOf(ENTRY_ENDED, publish)).toBeDefined();
    expect(eventOf(LEASE_ENDED, publish)).toBeDefined();
  });

  test('what is of no namespace, whatever it lists', () => {
    const nothing = { events: { publish: [] } };
    const told = EVENT_NAMES.filter((name) => eventOf(FACTS[name], nothing) !== undefined);
    expect(told).toEqual(['lease.ended', 'entry.ended', 'pressure.changed', 'source.closed']);
  });

  test('only what may be listed: every event of a namespace that is no ending', () => {
    const choice = EVENT_NAMES.filter((name) => !isEnding(name) && !isOfProcess(name));
    expect([...PUBLISHABLE].toSorted()).toEqual(choice.toSorted());
    expect([...TOLD_BY_CHOICE].toSorted()).toEqual(choice.toSorted());
  });
});
