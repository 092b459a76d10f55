/**
 * The contract's table "Which lease an entry is under", row by row: each test is named for the
 * row's request and what it results in.
 */
import { describe, expect, test } from 'vitest';
import type {
  Command, IncrementReply, LeaseReply, LeaseView, PutCommand, PutReply, Reply,
} from '../../src/core/command.ts';
import { Core } from '../../src/core/core.ts';
import { decodeFact } from '../../src/core/fact-reader.ts';
import type { Fact } from '../../src/core/fact.ts';
import { isRefusal, type Refusal } from '../../src/core/refusal.ts';
import { contractOf, optionsWith, START } from './fixtures.ts';

const DEFAULT_TTL = 3000;

/** One core and one clock, with the words the rows are written in. */
class Sidecar {
  readonly core = new Core(
    optionsWith([contractOf('default'), contractOf('owned', { conflict: 'ownerWins' })]),
    START,
  );
  now = START;

  /** The reply, which must not be a refusal. */
  ask<C extends Command>(command: C): Exclude<Reply<C>, Refusal> {
    const reply = this.core.step(command, this.now);
    if (isRefusal(reply)) throw new Error(`${reply.refused}: ${reply.detail}`);
    return reply as Exclude<Reply<C>, Refusal>;
  }

  /** The refusal, which it must be. */
  refusal(command: Command): Refusal {
    const reply = this.core.step(command, this.now);
    if (!isRefusal(reply)) throw new Error(`Not refused: ${JSON.stringify(reply)}`);
    return reply;
  }

  grant(id: string, more: { holder?: string; namespace?: string; ttlMs?: number } = {}): LeaseView {
    const { holder = 'ann', namespace = 'default', ttlMs = 20_000 } = more;
    return this.ask({ op: 'grant', id, holder, namespace, ttlMs }).lease;
  }

  put(more: Partial<PutCommand> = {}): PutReply {
    return this.ask(putting(more));
  }

  lease(id: string): LeaseView {
    return (this.ask({ op: 'get-lease', id }) as LeaseReply).lease;
  }

  text(namespace = 'default'): string {
    return Buffer.from(this.ask({ op: 'get', namespace, key: 'k' }).value).toString();
  }

  /** Facts told since the last call. */
  told(): Fact[] {
    const { facts } = this.core;
    const told: Fact[] = [];
    for (let index = 0; index < facts.count; index += 1) {
      told.push(decodeFact(facts.bytes.slice(facts.starts[index], facts.starts[index + 1])) as Fact);
    }
    facts.reset();
    return told;
  }
}

function putting(more: Partial<PutCommand> = {}): PutCommand {
  return {
    op: 'put', namespace: 'default', key: 'k', value: Buffer.from('1'), contentType: 'text/plain',
    ...more,
  };
}

describe('which lease an entry is under', () => {
  test('PUT with neither, entry live: value replaced; lease and deadline unchanged', () => {
    const sidecar = new Sidecar();
    const first = sidecar.put({ ttlMs: 5000 });
    sidecar.now += 1000;
    const second = sidecar.put({ value: Buffer.from('2') });
    expect(second).toMatchObject({ created: false, lease: first.lease, remainingMs: 4000 });
    expect(second.etag).not.toBe(first.etag);
    expect(sidecar.text()).toBe('2');

    sidecar.grant('a');
    sidecar.put({ lease: 'a' });
    sidecar.now += 1000;
    expect(sidecar.put()).toMatchObject({ lease: 'a', remainingMs: 19_000 });
  });

  test('PUT with neither, absent: an implicit lease of the namespace\'s defaultMs', () => {
    const sidecar = new Sidecar();
    const reply = sidecar.put();
    expect(reply).toMatchObject({ created: true, remainingMs: DEFAULT_TTL });
    expect(sidecar.lease(reply.lease)).toMatchObject({ implicit: true, ttlMs: DEFAULT_TTL, entries: 1 });
  });

  test('PUT with both: invalid-request', () => {
    const sidecar = new Sidecar();
    sidecar.grant('a');
    expect(sidecar.refusal(putting({ lease: 'a', ttlMs: 1000 })).refused).toBe('invalid-request');
  });

  test('PUT ?ttlMs: a fresh implicit lease, deadline now + ttlMs, shorter than before if so asked', () => {
    const sidecar = new Sidecar();
    const first = sidecar.put({ ttlMs: 5000 });
    sidecar.now += 1000;
    const second = sidecar.put({ ttlMs: 200 });
    expect(second).toMatchObject({ created: false, remainingMs: 200 });
    expect(second.lease).not.toBe(first.lease);
    expect(sidecar.lease(first.lease)).toMatchObject({ state: 'ended', reason: 'superseded' });
    sidecar.now += 200;
    expect(sidecar.refusal({ op: 'get', namespace: 'default', key: 'k' }).refused).toBe('entry-not-found');
  });

  test('PUT ?ttlMs: an explicit lease it was under lives on with one entry fewer', () => {
    const sidecar = new Sidecar();
    sidecar.grant('a');
    sidecar.put({ lease: 'a' });
    sidecar.put({ lease: 'a', key: 'other' });
    sidecar.put({ ttlMs: 1000 });
    expect(sidecar.lease('a')).toMatchObject({ state: 'live', entries: 1 });
  });

  test('PUT ?lease=B on an entry under A: moves; entry.updated carries previousLease', () => {
    const sidecar = new Sidecar();
    sidecar.grant('a');
    sidecar.grant('b', { ttlMs: 9000 });
    const first = sidecar.put({ lease: 'a' });
    sidecar.told();
    expect(sidecar.put({ lease: 'b' })).toMatchObject({ created: false, lease: 'b', remainingMs: 9000 });
    expect(sidecar.told()).toMatchObject([
      { kind: 'entry.ended', lease: 'a', reason: 'superseded' },
      {
        kind: 'entry.written', lease: 'b', created: false,
        previousLease: 'a', previousEtag: first.etag,
      },
    ]);
    expect(sidecar.lease('a')).toMatchObject({ state: 'live', entries: 0 });
    expect(sidecar.lease('b').entries).toBe(1);
  });

  test('PUT ?lease=B with ownerWins: entry-held while another owner\'s entry lives', () => {
    const sidecar = new Sidecar();
    const namespace = 'owned';
    sidecar.grant('a', { namespace, holder: 'ann', ttlMs: 500 });
    sidecar.grant('also-ann', { namespace, holder: 'ann' });
    sidecar.grant('b', { namespace, holder: 'bob' });
    sidecar.put({ namespace, lease: 'a' });
    const bobs = putting({ namespace, lease: 'b' });
    expect(sidecar.refusal(bobs).refused).toBe('entry-held');
    expect(sidecar.refusal(putting({ namespace, ttlMs: 1000 })).refused).toBe('entry-held');
    expect(sidecar.put({ namespace }).lease).toBe('a');
    expect(sidecar.put({ namespace, lease: 'also-ann' }).lease).toBe('also-ann');
    sidecar.ask({ op: 'release', id: 'also-ann' });
    expect(sidecar.ask(bobs)).toMatchObject({ created: true, lease: 'b' });
  });

  test.each(['put', 'increment'] as const)(
    '%s under an ended lease: lease-ended; under an unknown one: lease-not-found',
    (op) => {
      const sidecar = new Sidecar();
      sidecar.grant('a', { ttlMs: 500 });
      sidecar.grant('b');
      sidecar.ask({ op: 'release', id: 'b' });
      sidecar.now += 500;
      const under = (lease: string): Command =>
        op === 'put' ? putting({ lease }) : { op, namespace: 'default', key: 'k', by: 1, lease };
      expect(sidecar.refusal(under('a'))).toMatchObject({
        refused: 'lease-ended', members: { reason: 'expired' },
      });
      expect(sidecar.refusal(under('b'))).toMatchObject({
        refused: 'lease-ended', members: { reason: 'released' },
      });
      expect(sidecar.refusal(under('nobody')).refused).toBe('lease-not-found');
      expect(sidecar.refusal({ op: 'get', namespace: 'default', key: 'k' }).refused).toBe('entry-not-found');
    },
  );

  test.each([0, -1, 1.5, 99, 60_001, Number.MAX_SAFE_INTEGER, Number.NaN])(
    'TTL outside the bounds (%d): ttl-out-of-range with the bounds, never clamped',
    (ttlMs) => {
      const sidecar = new Sidecar();
      const wanted = { refused: 'ttl-out-of-range', members: { minMs: 100, maxMs: 60_000 } };
      const before = sidecar.put({ ttlMs: 60_000 });
      const increment = { op: 'increment', namespace: 'default', key: 'n', by: 1, ttlMs } as const;
      expect(sidecar.refusal(putting({ ttlMs }))).toMatchObject(wanted);
      expect(sidecar.refusal(increment)).toMatchObject(wanted);
      expect(sidecar.refusal({ op: 'renew', id: before.lease, ttlMs })).toMatchObject(wanted);
      expect(
        sidecar.refusal({ op: 'grant', id: 'a', holder: 'ann', namespace: 'default', ttlMs }),
      ).toMatchObject(wanted);
      expect(sidecar.ask({ op: 'get', namespace: 'default', key: 'k' }).etag).toBe(before.etag);
      expect(sidecar.lease(before.lease).renewals).toBe(0);
    },
  );

  test('If-None-Match: * on an entry past its deadline: its ending is recorded first, then 201', () => {
    const sidecar = new Sidecar();
    const first = sidecar.put({ ttlMs: 100 });
    sidecar.told();
    expect(sidecar.refusal(putting({ ifNoneMatch: '*' })).refused).toBe('version-mismatch');
    sidecar.now += 100;
    const second = sidecar.put({ ifNoneMatch: '*' });
    expect(second.created).toBe(true);
    expect(sidecar.told()).toMatchObject([
      { kind: 'entry.ended', lease: first.lease, reason: 'expired', deadline: START + 100 },
      { kind: 'entry.written', lease: second.lease, created: true },
    ]);
  });

  test('increment on an absent key: starts at 0, lease as for PUT', () => {
    const sidecar = new Sidecar();
    sidecar.grant('a', { ttlMs: 9000 });
    const add = (key: string, more: object): IncrementReply =>
      sidecar.ask({ op: 'increment', namespace: 'default', key, by: 5, ...more });
    expect(add('x', {})).toMatchObject({ value: 5, created: true, remainingMs: DEFAULT_TTL });
    expect(add('y', { ttlMs: 700 })).toMatchObject({ value: 5, created: true, remainingMs: 700 });
    expect(add('z', { lease: 'a' })).toMatchObject({ value: 5, lease: 'a', remainingMs: 9000 });
  });

  test('increment on a live one: the deadline moves only if ttlMs is given', () => {
    const sidecar = new Sidecar();
    const add = (more: object): IncrementReply =>
      sidecar.ask({ op: 'increment', namespace: 'default', key: 'k', by: 1, ...more });
    const first = add({});
    sidecar.now += 1000;
    expect(add({})).toMatchObject({ value: 2, lease: first.lease, remainingMs: DEFAULT_TTL - 1000 });
    expect(add({ ttlMs: 700 })).toMatchObject({ value: 3, remainingMs: 700 });
  });

  test('increment of what is no integer: not-an-integer; beyond ±(2^53 − 1): counter-overflow', () => {
    const sidecar = new Sidecar();
    const add = (by: number): Command => ({ op: 'increment', namespace: 'default', key: 'k', by });
    for (const text of ['', 'one', '1.0', ' 1', '+1', '0x1', '9007199254740992']) {
      sidecar.put({ value: Buffer.from(text) });
      expect(sidecar.refusal(add(1)).refused, text).toBe('not-an-integer');
    }
    for (const [text, by] of [['9007199254740991', 1], ['-9007199254740991', -1]] as const) {
      sidecar.put({ value: Buffer.from(text) });
      expect(sidecar.refusal(add(by)).refused, text).toBe('counter-overflow');
      expect(sidecar.ask(add(-by))).toMatchObject({ value: Number(text) - by });
    }
  });

  test('DELETE of an entry, or its end: an explicit lease lives on', () => {
    const sidecar = new Sidecar();
    sidecar.grant('a');
    sidecar.put({ lease: 'a' });
    expect(sidecar.ask({ op: 'delete', namespace: 'default', key: 'k' })).toEqual({ existed: true });
    expect(sidecar.lease('a')).toMatchObject({ state: 'live', entries: 0 });
    sidecar.put({ lease: 'a' });
    sidecar.put({ ttlMs: 100 });
    sidecar.now += 100;
    expect(sidecar.refusal({ op: 'get', namespace: 'default', key: 'k' }).refused).toBe('entry-not-found');
    expect(sidecar.lease('a')).toMatchObject({ state: 'live', entries: 0 });
  });

  test('an implicit lease has an id, can be renewed by it, and ends with its entry', () => {
    const sidecar = new Sidecar();
    const { lease } = sidecar.put();
    sidecar.now += 1000;
    expect(sidecar.ask({ op: 'renew', id: lease })).toMatchObject({
      capped: false, lease: { id: lease, remainingMs: DEFAULT_TTL, renewals: 1 },
    });
    sidecar.ask({ op: 'delete', namespace: 'default', key: 'k' });
    expect(sidecar.lease(lease)).toMatchObject({ state: 'ended', reason: 'deleted' });

    const other = sidecar.put().lease;
    sidecar.ask({ op: 'release', id: other });
    expect(sidecar.refusal({ op: 'get', namespace: 'default', key: 'k' }).refused).toBe('entry-not-found');
  });

  test('an implicit lease counts, and is listed only with implicit=true', () => {
    const sidecar = new Sidecar();
    sidecar.grant('a');
    const { lease } = sidecar.put();
    const ids = (implicit: boolean): string[] =>
      sidecar.ask({ op: 'list-leases', limit: 10, implicit }).leases.map(({ id }) => id);
    expect(ids(false)).toEqual(['a']);
    expect(ids(true)).toEqual(['a', lease]);
    expect(sidecar.core.usage().leases).toBe(2);
  });
});
