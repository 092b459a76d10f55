/**
 * What the ledger says, joined into what is held here: copies come and go, own values end when they
 * are over there, and everything adds up in between.
 */
import { describe, expect, it } from 'vitest';
import type { NamespaceContract } from '../../src/core/contract.ts';
import { Core } from '../../src/core/core.ts';
import { isRestated } from '../../src/core/fact-reader.ts';
import { decodeFact } from '../../src/core/fact-reader.ts';
import { checkInvariants } from '../../src/core/invariants.ts';
import { confirm, type HeldValue, ownRecord } from '../../src/core/ledger-view.ts';
import { type Keep, type LedgerKey, merge } from '../../src/core/merge.ts';
import { isRefusal } from '../../src/core/refusal.ts';
import { contractOf, optionsWith, START } from './fixtures.ts';

const OTHER = 'bbbbbbbbbbbbbbb2';
const THIRD = 'ccccccccccccccc3';
const text = new TextEncoder();

function world(more: Partial<NamespaceContract> = {}) {
  const base = optionsWith([contractOf('default', more)]);
  const core = new Core(
    {
      ...base,
      ledger: { partitions: 4, buckets: 16 },
      limits: { ...base.limits, copies: 100, copyBytes: 1 << 16, tombstones: 1000 },
    },
    START,
  );
  const namespace = core.state.namespaces.find('default')!;
  let now = START;
  return {
    core, namespace,
    advance: (ms: number) => {
      now += ms;
    },
    get now() {
      return now;
    },
    put: (key: string, value: string, more: object = {}) => {
      const reply = core.step(
        { op: 'put', namespace: 'default', key, value: text.encode(value), contentType: 'text/plain', ...more },
        now,
      );
      if (isRefusal(reply)) throw new Error(reply.detail);
      return reply;
    },
    get: (key: string) => {
      const reply = core.step({ op: 'get', namespace: 'default', key }, now);
      return isRefusal(reply) ? undefined : reply;
    },
    value: (key: string) => {
      const reply = core.step({ op: 'get', namespace: 'default', key }, now);
      return isRefusal(reply) ? undefined : Buffer.from(reply.value).toString();
    },
    merge: (key: string, ledger: LedgerKey, keep: Keep = 'all') => {
      const merged = core.reconcile(now, (state) => merge(state, namespace, key, ledger, keep));
      checkInvariants(core);
      return merged;
    },
    own: (key: string) => core.reconcile(now, (state) => ownRecord(state, namespace, key)),
    facts: () => {
      const { facts } = core;
      const told = [];
      for (let index = 0; index < facts.count; index++) {
        const fact = decodeFact(facts.bytes, facts.starts[index]!, facts.starts[index + 1]!);
        if (!isRestated(fact)) told.push(fact);
      }
      facts.reset();
      return told;
    },
  };
}

function held(actor: string, seq: number, value: string, more: Partial<HeldValue> = {}): HeldValue {
  return {
    dot: { actor, seq },
    born: { actor, seq },
    hlc: (START - 1_577_836_800_000) * 4096 + seq,
    rank: START,
    deadline: START + 1000,
    ttlMs: 1000,
    session: false,
    lease: `i-${actor}-${seq}`,
    holder: '',
    contentType: 'text/plain',
    value: text.encode(value),
    ...more,
  };
}

function ledgerKey(values: readonly HeldValue[], context: Record<string, number> = {}): LedgerKey {
  const seen = new Map(Object.entries(context));
  for (const { dot } of values) seen.set(dot.actor, Math.max(seen.get(dot.actor) ?? 0, dot.seq));
  return { values, context: [...seen].map(([actor, seq]) => ({ actor, seq })), ends: [] };
}

describe('a copy', () => {
  it('is read until its deadline, and comes and goes without an event', () => {
    const w = world();
    w.merge('k', ledgerKey([held(OTHER, 1, 'theirs')]));
    expect(w.get('k')).toMatchObject({ source: 'mirror', remainingMs: 1000 });
    expect(w.value('k')).toBe('theirs');
    w.advance(1000);
    expect(w.value('k')).toBeUndefined();
    w.merge('k', ledgerKey([], { [OTHER]: 1 }));
    expect(w.core.state.copies).toBe(0);
    expect(w.facts()).toEqual([]);
  });

  it('of a session lives on while its owner is heard of', () => {
    const w = world();
    w.merge('k', ledgerKey([held(OTHER, 1, 'theirs', { session: true })]));
    w.core.state.heardAt.set(OTHER, START + 900);
    w.advance(1500);
    expect(w.value('k')).toBe('theirs');
    w.advance(400);
    expect(w.value('k')).toBeUndefined();
  });

  it('gives way to a local write, which covers it', () => {
    const w = world();
    w.merge('k', ledgerKey([held(OTHER, 7, 'theirs')], { [THIRD]: 3 }));
    const before = w.get('k')!;
    const reply = w.put('k', 'mine', { ifMatch: [before.etag] });
    expect(reply.created).toBe(false);
    expect(w.core.state.copies).toBe(0);
    expect([...w.own('k')!.context]).toEqual(expect.arrayContaining([[OTHER, 7], [THIRD, 3]]));
    expect(w.facts().map(({ kind }) => kind)).toEqual(['entry.written']);
    checkInvariants(w.core);
  });

  it('that is deleted here leaves a tombstone for its owner, also across a crash', () => {
    const w = world();
    w.merge('k', ledgerKey([held(OTHER, 7, 'theirs')]));
    w.core.step({ op: 'delete', namespace: 'default', key: 'k' }, w.now);
    expect(w.value('k')).toBeUndefined();
    const own = w.own('k')!;
    expect(own.values).toEqual([]);
    expect([...own.context]).toEqual([[OTHER, 7]]);
    expect(own.tombstone!.runs).toMatchObject([{ born: { actor: OTHER, seq: 7 }, reason: 'deleted', told: false }]);
    const again = world();
    const { facts } = w.core;
    for (let index = 0; index < facts.count; index++) {
      again.core.restore(facts.bytes.slice(facts.starts[index], facts.starts[index + 1]));
    }
    expect([...again.own('k')!.context]).toEqual([[OTHER, 7]]);
    // The ledger has not heard of it yet: the value does not come back.
    again.merge('k', ledgerKey([held(OTHER, 7, 'theirs')]));
    expect(again.value('k')).toBeUndefined();
  });

  it('is not taken beyond the bound', () => {
    const w = world();
    for (let index = 0; index < 120; index++) {
      w.merge(`k${index}`, ledgerKey([held(OTHER, index + 1, 'theirs')]));
    }
    expect(w.core.state.copies).toBe(100);
  });

  it('goes when nothing of its own stands beside it any more, where no mirror is kept', () => {
    const w = world({ conflict: 'siblings' });
    w.put('k', 'mine', { ttlMs: 500 });
    w.merge('k', ledgerKey([held(OTHER, 1, 'theirs')]), 'beside-own');
    expect(w.get('k')!.siblings).toHaveLength(2);
    w.advance(600);
    expect(w.core.tick(w.now, 100)).toBe(false);
    expect(w.core.state.copies).toBe(0);
    checkInvariants(w.core);
  });
});

describe('an own value', () => {
  it('that the ledger covers without holding it ends, with the reason it gives', () => {
    const w = world();
    const { etag } = w.put('k', 'mine');
    const [actor, seq] = etag.split('.') as [string, string];
    const dot = { actor, seq: Number(seq) };
    w.facts();
    const merged = w.merge('k', {
      ...ledgerKey([], { [actor]: dot.seq }),
      ends: [{ born: dot, reason: 'deleted', conflict: false, told: false }],
    });
    expect(merged).toMatchObject({ ended: 1 });
    expect(w.facts()).toMatchObject([{ kind: 'entry.ended', reason: 'deleted', dot }]);
    // The ledger hears that it has been told.
    expect(w.own('k')!.tombstone!.runs).toMatchObject([{ told: true }]);
  });

  it('lost to the policy is told as a conflict first', () => {
    const w = world({ mirror: 'all' });
    const { etag } = w.put('k', 'mine');
    const [actor, seq] = etag.split('.') as [string, string];
    const dot = { actor, seq: Number(seq) };
    w.facts();
    w.merge('k', {
      ...ledgerKey([held(OTHER, 4, 'theirs')], { [actor]: dot.seq }),
      ends: [{ born: dot, reason: 'superseded', conflict: true, told: false }],
    });
    expect(w.facts().map(({ kind }) => kind)).toEqual(['entry.conflict', 'entry.ended']);
    expect(w.value('k')).toBe('theirs');
  });

  it('ended by a sweep takes its whole lease along', () => {
    const w = world();
    w.core.step({ op: 'grant', namespace: 'default', holder: 'h', id: 'l', ttlMs: 3000 }, w.now);
    w.put('a', '1', { lease: 'l' });
    w.put('b', '2', { lease: 'l' });
    const dot = w.own('a')!.values[0]!.dot;
    w.facts();
    w.merge('a', {
      ...ledgerKey([], { [dot.actor]: dot.seq }),
      ends: [{ born: dot, reason: 'expired', conflict: false, told: true }],
    });
    expect(w.facts().map(({ kind }) => kind)).toEqual(['lease.ended', 'entry.ended', 'entry.ended']);
    expect(w.value('b')).toBeUndefined();
  });

  it('goes when an earlier write of its run was ended with the lease (§3.5 S12)', () => {
    const w = world();
    w.core.step({ op: 'grant', namespace: 'default', holder: 'h', id: 'l', ttlMs: 3000 }, w.now);
    w.put('a', '1', { lease: 'l' });
    w.put('a', '2', { lease: 'l' });
    const [value] = w.own('a')!.values;
    w.facts();
    w.merge('a', {
      ...ledgerKey([value!]),
      ends: [{ born: value!.born, reason: 'expired', conflict: false, told: false }],
    });
    expect(w.facts().map(({ kind }) => kind)).toEqual(['lease.ended', 'entry.ended']);
    expect(w.own('a')!.context.get(value!.dot.actor)).toBe(value!.dot.seq);
  });

  it('stays when another write of its run was only written over: they were concurrent', () => {
    const w = world();
    w.put('a', '1');
    const [value] = w.own('a')!.values;
    w.merge('a', {
      ...ledgerKey([value!]),
      ends: [{ born: value!.born, reason: 'superseded', conflict: false, told: false }],
    });
    expect(w.value('a')).toBe('1');
  });

  it('that the ledger has lost is pushed again', () => {
    const w = world();
    w.put('k', 'mine');
    w.core.state.changedRows = [];
    w.core.state.ledger!.changed.fill(0);
    expect(w.merge('k', ledgerKey([]))).toMatchObject({ missing: 1 });
    expect(w.core.state.changedRows).toHaveLength(1);
    expect(w.value('k')).toBe('mine');
  });

  it('of this run that is not held here is told to be over (§3.5 S7)', () => {
    const w = world();
    const { etag } = w.put('k', 'mine');
    const [actor, seq] = etag.split('.') as [string, string];
    w.core.step({ op: 'delete', namespace: 'default', key: 'k' }, w.now);
    confirm(w.core.state, w.namespace, 'k', { values: [], context: new Map([[actor, 1]]), runs: 0 });
    w.core.state.tombstones.drop(w.core.state.tombstones.find(0, 'k')!);
    w.merge('k', ledgerKey([held(actor, Number(seq), 'mine', { session: true })]));
    expect(w.value('k')).toBeUndefined();
    expect([...w.own('k')!.context]).toEqual([[actor, Number(seq)]]);
  });

  it('and the better one of another are both kept until the ledger decides; the better is shown', () => {
    const w = world();
    w.put('k', 'mine');
    w.merge('k', ledgerKey([held(OTHER, 1, 'newer', { hlc: (START + 3000 - 1_577_836_800_000) * 4096 })]));
    expect(w.value('k')).toBe('newer');
    expect(w.get('k')!.siblings).toBeUndefined();
    expect(w.own('k')!.values).toHaveLength(1);
  });
});

describe('renewals', () => {
  it('promise no more than the ledger grants in silence, and end beyond it', () => {
    const w = world({ autonomyMs: 2000 });
    w.core.step({ op: 'grant', namespace: 'default', holder: 'h', id: 'l', ttlMs: 1500 }, w.now);
    w.put('a', '1', { lease: 'l' });
    w.advance(1000);
    const first = w.core.step({ op: 'renew', id: 'l' }, w.now);
    expect(first).toMatchObject({ capped: true, lease: { remainingMs: 1000 } });
    w.namespace.contactAt = w.now;
    expect(w.core.step({ op: 'renew', id: 'l' }, w.now)).toMatchObject({ capped: false, lease: { remainingMs: 1500 } });
    w.namespace.contactAt = w.now - 2001;
    expect(w.core.step({ op: 'renew', id: 'l' }, w.now)).toMatchObject({ refused: 'isolated' });
    expect(w.core.step({ op: 'grant', namespace: 'default', holder: 'h', ttlMs: 500 }, w.now))
      .toMatchObject({ refused: 'isolated' });
    expect(w.put('b', 'still').created).toBe(true);
  });

  it('beyond the autonomy bound follow when the ledger knows the deadline', () => {
    const w = world({ autonomyMs: 1000 });
    w.core.step({ op: 'grant', namespace: 'default', holder: 'h', id: 'l', ttlMs: 5000 }, w.now);
    w.put('a', '1', { lease: 'l' });
    w.core.state.changedRows = [];
    w.core.state.ledger!.changed.fill(0);
    w.advance(500);
    w.namespace.contactAt = w.now;
    const reply = w.core.step({ op: 'renew', id: 'l' }, w.now);
    expect(reply).toMatchObject({ capped: true, lease: { remainingMs: 4500 } });
    w.core.state.changedRows = [];
    w.core.state.ledger!.changed.fill(0);
    const own = w.own('a')!;
    expect(own.values[0]!.deadline).toBe(w.now + 5000);
    w.core.reconcile(w.now, (state) =>
      confirm(state, w.namespace, 'a', { values: own.values, context: own.context, runs: 0 }));
    expect(w.core.step({ op: 'get-lease', id: 'l' }, w.now)).toMatchObject({ lease: { remainingMs: 5000 } });
  });
});

describe('a delete of a key with own values and copies', () => {
  it('ends the own ones and leaves word of all others', () => {
    const w = world({ conflict: 'siblings' });
    w.put('k', 'mine');
    w.merge('k', ledgerKey([held(OTHER, 1, 'theirs'), held(THIRD, 2, 'also theirs')]), 'beside-own');
    w.facts();
    w.core.step({ op: 'delete', namespace: 'default', key: 'k' }, w.now);
    checkInvariants(w.core);
    expect(w.facts().map(({ kind }) => kind)).toEqual(['entry.buried', 'entry.buried', 'entry.ended']);
    expect([...w.own('k')!.context.keys()].sort()).toEqual(
      ['aaaaaaaaaaaaaaa1', OTHER, THIRD],
    );
  });
});
