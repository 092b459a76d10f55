/**
 * The specification by itself: whatever is asked of a partition in whatever order, everything that
 * is kept beside the records agrees with the records.
 */
import { hash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type BeatRequest, type Digest, NO_CHAIN, NO_CURSOR, NO_DIGEST, type PushRequest,
  type SweepRequest, type Terms,
} from '../../src/ledger/ledger.ts';
import {
  compareDots, type LedgerRecord, REASONS_BY_RANK, sameDot, type Sibling,
} from '../../src/ledger/record.ts';
import { beat } from '../../src/ledger/specification/beat.ts';
import { Expiry } from '../../src/ledger/specification/expiry.ts';
import { standingOf } from '../../src/ledger/specification/history.ts';
import {
  begin, clonePartition, emptyPartition, type Partition,
} from '../../src/ledger/specification/partition.ts';
import { judge } from '../../src/ledger/specification/policy.ts';
import { pull } from '../../src/ledger/specification/pull.ts';
import { push } from '../../src/ledger/specification/push.ts';
import { sweep } from '../../src/ledger/specification/sweep.ts';
import { A, A2, B, C, caller, ending, pushed, START, TERMS, TICK, value } from './fixtures.ts';

/* ---- everything recomputed ------------------------------------------------------------- */

function sumOf(hashes: readonly { hashHigh: number; hashLow: number }[]): Digest {
  let high = 0n;
  let low = 0n;
  for (const one of hashes) {
    high += BigInt(one.hashHigh);
    low += BigInt(one.hashLow);
  }
  return { count: hashes.length, high: Number(high % 2n ** 32n), low: Number(low % 2n ** 32n) };
}

function checkPartition(partition: Partition): void {
  const records = [...partition.records];
  const siblings = records.flatMap(([, record]) => record.siblings);
  expect(partition.root).toEqual(sumOf(siblings));
  for (const [bucket, cell] of partition.cells.entries()) {
    const inside = records.filter(([, record]) => record.bucket === bucket);
    expect(cell, `cell ${bucket}`).toEqual(sumOf(inside.flatMap(([, record]) => record.siblings)));
  }
  for (const [actor, { owned }] of partition.owners) {
    expect(owned, actor).toEqual(sumOf(siblings.filter(({ dot }) => dot.actor === actor)));
  }
  for (const { dot } of siblings) expect(partition.owners.has(dot.actor)).toBe(true);
  const live = records.filter(([, record]) => record.siblings.length > 0).length;
  expect([partition.live, partition.tombstones]).toEqual([live, records.length - live]);
  expect(partition.expiry.size).toBe(records.length);
  for (const [id, record] of records) {
    expect(partition.expiry.scoreOf(id), id).toBeTypeOf('number');
    checkRecord(record, partition.tmax);
  }
}

function checkRecord({ siblings, context, ends, forgetAt }: LedgerRecord, now: number): void {
  const dots = siblings.map(({ dot }) => dot);
  expect(dots).toEqual([...dots].sort(compareDots));
  const borns = ends.map(({ born }) => born);
  expect(borns).toEqual([...borns].sort(compareDots));
  expect(borns.some((born, at) => at > 0 && sameDot(born, borns[at - 1]!))).toBe(false);
  const actors = context.map(({ actor }) => actor);
  expect(actors).toEqual([...new Set(actors)].sort());
  for (const { actor, seq } of dots) {
    expect(context.find((entry) => entry.actor === actor)?.seq).toBeGreaterThanOrEqual(seq);
  }
  expect(ends.length).toBeLessThanOrEqual(16);
  if (siblings.length > 0) expect(forgetAt).toBe(0);
  else expect(forgetAt).toBeGreaterThan(0);
  if (siblings.length === 0 && forgetAt > now) {
    const until = [...context, ...ends].map((one) => one.until);
    expect(forgetAt).toBeGreaterThanOrEqual(Math.max(...until));
  }
}

/** The log from one position to the next, each chain made from the one before. */
function checkLog(before: Partition, after: Partition): void {
  const fresh = after.log.filter(({ seq }) => seq > before.seq);
  expect(fresh.map(({ seq }) => seq)).toEqual(fresh.map((_, n) => before.seq + 1 + n));
  expect(after.seq).toBe(before.seq + fresh.length);
  const ids = fresh.map(({ id }) => id);
  let chain = before.chain;
  for (const [at, entry] of fresh.entries()) {
    // Only the last change of an id leaves a record to compare with.
    if (ids.lastIndexOf(entry.id) === at) {
      const { high, low } = sumOf(after.records.get(entry.id)?.siblings ?? []);
      const hex = (number: number) => number.toString(16).padStart(8, '0');
      expect(entry.chain).toBe(hash('sha1', chain + entry.id + hex(high) + hex(low)).slice(0, 16));
    }
    chain = entry.chain;
  }
  expect(after.chain).toBe(chain);
}

/* ---- anything that may be asked -------------------------------------------------------- */

type Request =
  | { readonly op: 'push'; readonly request: PushRequest }
  | { readonly op: 'sweep'; readonly request: SweepRequest }
  | { readonly op: 'beat'; readonly request: BeatRequest };

const terms: fc.Arbitrary<Terms> = fc
  .constantFrom<Terms['policy']>('lww', 'siblings', 'ownerWins', 'firstWins', 'firstWins')
  .map((policy) => ({ ...TERMS, policy }));
const actors = fc.constantFrom(A, A2, B, C);
const who = fc
  .tuple(actors, fc.subarray([A, B], { maxLength: 1 }))
  .map(([actor, before]) => caller(actor, before));
const sometime = fc.integer({ min: -2, max: 12 });
const id = fc.constantFrom('one', 'two', 'three');
const BUCKETS: Readonly<Record<string, number>> = { one: 0, two: 2, three: 2 };

/** Relative to the instant at which it is asked. */
const siblingOf = (text: fc.Arbitrary<string>) => fc
  .record({
    seq: fc.integer({ min: 1, max: 6 }), deadline: sometime, session: fc.boolean(),
    wall: fc.integer({ min: -3, max: 6 }), rank: fc.nat(3), born: fc.integer({ min: 1, max: 6 }),
    text,
  })
  .map((drawn) => (actor: string, name: string, now: number) => {
    const { seq, deadline, session, wall, rank, born } = drawn;
    return value(actor, seq, {
      deadline: now + deadline * TICK, session, wall: now + wall * TICK, rank, id: name,
      text: drawn.text,
      born: { actor, seq: Math.min(born, seq) },
    });
  });

/** Two values under one dot now and then: somebody breaks the rules. */
const sibling = siblingOf(
  fc.oneof({ arbitrary: fc.constant('right'), weight: 4 }, fc.constant('wrong')),
);

const push_ = fc
  .record({
    who, terms, name: id, siblings: fc.array(sibling, { maxLength: 2 }), rejoining: fc.boolean(),
    seen: fc.dictionary(actors, fc.integer({ min: 1, max: 6 }), { maxKeys: 3 }),
    ends: fc.array(
      fc.record({
        actor: actors, seq: fc.integer({ min: 1, max: 6 }), told: fc.boolean(),
        reason: fc.constantFrom(...REASONS_BY_RANK),
      }),
      { maxLength: 2 },
    ),
    version: fc.constantFrom(1, 2), batch: fc.nat(9),
  })
  .map((drawn) => (now: number): Request => {
    const { actor } = drawn.who;
    const made = drawn.siblings.map((make) => make(actor, drawn.name, now));
    const distinct = made.filter(
      ({ dot }, at) => made.findIndex((other) => sameDot(other.dot, dot)) === at,
    );
    const ends = drawn.ends.map((one) =>
      ending(value(one.actor, one.seq, { deadline: now }), actor, one),
    );
    const { seen, name, terms: asked, batch, version, rejoining } = drawn;
    const record = pushed(distinct, { id: name, bucket: BUCKETS[name]!, seen, ends });
    return {
      op: 'push',
      request: { caller: drawn.who, terms: asked, batch, records: [record], version, rejoining },
    };
  });
const sweep_ = fc
  .record({
    caller: who, terms, scope: fc.constantFrom('own' as const, 'orphans' as const),
    limit: fc.integer({ min: 1, max: 4 }), dryRun: fc.boolean(),
  })
  .map((request) => (): Request => ({ op: 'sweep', request }));
const beat_ = fc
  .record({ caller: who, terms, batch: fc.nat(9), retire: fc.boolean() })
  .map((drawn) => (): Request => ({ op: 'beat', request: { ...drawn, cursor: NO_CURSOR } }));

const step = fc.record({
  ticks: fc.oneof(fc.constant(0), fc.constant(1), fc.integer({ min: 0, max: 8 })),
  replid: fc.oneof({ arbitrary: fc.constant('one'), weight: 20 }, fc.constantFrom('two', '')),
  make: fc.oneof(
    { arbitrary: push_, weight: 6 },
    { arbitrary: sweep_, weight: 3 },
    { arbitrary: beat_, weight: 2 },
  ),
});

describe('a partition', () => {
  test('adds up after every operation', () => {
    const met = new Map<string, number>();
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), (steps) => {
        const partition = emptyPartition();
        let time = START;
        for (const { ticks, replid, make } of steps) {
          time += ticks * TICK;
          const before = clonePartition(partition);
          const { op, request } = make(time);
          const server = { time, replid };
          if (op === 'push') {
            for (const { code } of push(partition, server, request).results) {
              met.set(code, (met.get(code) ?? 0) + 1);
            }
          } else if (op === 'sweep') {
            const { ended, removed, forgotten } = sweep(partition, server, request);
            met.set('ended', (met.get('ended') ?? 0) + ended.length);
            met.set('removed', (met.get('removed') ?? 0) + removed.length);
            met.set('forgotten', (met.get('forgotten') ?? 0) + forgotten);
          } else expect(beat(partition, server, request).corrupt).toBe(false);
          checkPartition(partition);
          checkLog(before, partition);
        }
      }),
      { numRuns: 300 },
    );
    // Each of them was met a few times, or the property says little.
    for (const outcome of [
      'applied', 'duplicate', 'joined', 'closed', 'expired', 'held', 'clock-ahead',
      'duplicate-dot', 'ended', 'removed', 'forgotten',
    ]) {
      expect(met.get(outcome) ?? 0, outcome).toBeGreaterThan(5);
    }
  });

  test('that was copied does not change with the original', () => {
    const partition = emptyPartition();
    const server = { time: START, replid: 'one' };
    const write = (seq: number) =>
      push(partition, server, {
        caller: caller(A), terms: TERMS, batch: seq, version: 2, rejoining: false,
        records: [pushed([value(A, seq, { deadline: START + TICK })])],
      });
    write(1);
    const copy = clonePartition(partition);
    write(2);
    expect(copy.records.get('key')!.siblings[0]!.dot.seq).toBe(1);
    expect([copy.seq, copy.log.length, copy.owners.get(A)!.batch]).toEqual([1, 1, 1]);
    expect([partition.seq, partition.log.length]).toEqual([2, 2]);
    checkPartition(copy);
  });

  test('joins the same records to the same state, in whatever order they come', () => {
    const one = fc.record({
      who: fc.constantFrom(A, B, C), make: siblingOf(fc.constant('right')),
      seen: fc.dictionary(fc.constantFrom(A, B, C), fc.integer({ min: 1, max: 6 }), { maxKeys: 2 }),
    });
    fc.assert(
      fc.property(fc.array(one, { maxLength: 6 }), fc.infiniteStream(fc.nat()), (drawn, order) => {
        const server = { time: START, replid: 'one' };
        // Far deadlines: nothing expires while they are joined.
        const records = drawn.map(({ who: actor, make, seen }) => {
          const one = { ...make(actor, 'key', START), deadline: START + 99 * TICK, hlc: 1 };
          return { actor, record: pushed([one], { seen }) };
        });
        const shuffled = [...records].sort(() => (order.next().value! % 2 === 0 ? 1 : -1));
        const stateAfter = (all: typeof records) => {
          const partition = emptyPartition();
          for (const { actor, record } of all) {
            push(partition, server, {
              caller: caller(actor), terms: TERMS, batch: 1, records: [record], version: 2,
              rejoining: false,
            });
          }
          const record = partition.records.get('key');
          return {
            dots: record?.siblings.map(({ dot }) => dot),
            context: record?.context.map(({ actor, seq }) => `${actor} ${seq}`),
          };
        };
        expect(stateAfter(shuffled)).toEqual(stateAfter(records));
      }),
      { numRuns: 500 },
    );
  });
});

describe('an epoch', () => {
  const epochAfter = (partition: Partition, callerEpoch: number, time: number, replid: string) => {
    begin(partition, callerEpoch, { time, replid });
    return partition.epoch;
  };
  const term = Math.floor((START / 1000 - 1_577_836_800) / 600);

  test('is at least the tens of minutes since 2020', () => {
    expect(epochAfter(emptyPartition(), 0, START, 'one')).toBe(term + 1);
    expect(epochAfter(emptyPartition(), 0, 1_577_836_800_000, 'one')).toBe(1);
  });

  test('is higher than any a caller has seen, within a week', () => {
    expect(epochAfter(emptyPartition(), term + 7, START, 'one')).toBe(term + 8);
    expect(epochAfter(emptyPartition(), term + 1000, START, 'one')).toBe(term + 1001);
    expect(epochAfter(emptyPartition(), term + 1001, START, 'one')).toBe(term + 1001);
  });

  test('begins with each other history, and only then', () => {
    const partition = emptyPartition();
    const first = epochAfter(partition, 0, START, 'one');
    expect(epochAfter(partition, 0, START + TICK, 'one')).toBe(first);
    expect(partition.epochStartedAt).toBe(START);
    expect(epochAfter(partition, 0, START + TICK, '')).toBe(first);
    expect(epochAfter(partition, 0, START + TICK, 'two')).toBe(first + 1);
    expect(partition.epochStartedAt).toBe(START + TICK);
  });

  test('without a history to go by there is one of them', () => {
    const partition = emptyPartition();
    const first = epochAfter(partition, 0, START, '');
    expect(epochAfter(partition, 0, START, '')).toBe(first);
  });
});

describe('a cursor', () => {
  test('stands where the log says, entry by entry', () => {
    const partition = emptyPartition();
    expect(standingOf(partition, NO_CURSOR)).toBe('current');
    for (let seq = 1; seq <= 200; seq += 1) {
      push(partition, { time: START, replid: 'one' }, {
        caller: caller(A), terms: { ...TERMS, logEntries: 10 }, batch: seq, version: 2,
        rejoining: false,
        records: [pushed([value(A, seq, { deadline: START + TICK })])],
      });
      expect(partition.log.length).toBeGreaterThanOrEqual(Math.min(seq, 10));
      expect(partition.log.length).toBeLessThanOrEqual(100);
    }
    const oldest = partition.log[0]!.seq;
    expect(partition.log.length).toBeGreaterThanOrEqual(10);
    expect(oldest).toBeGreaterThan(1);
    for (const { seq, chain } of partition.log) {
      const standing = seq === 200 ? 'current' : 'behind';
      expect(standingOf(partition, { epoch: 1, seq, chain })).toBe(standing);
      expect(standingOf(partition, { epoch: 1, seq, chain: NO_CHAIN })).toBe('diverged');
    }
    expect(standingOf(partition, { epoch: 1, seq: oldest - 1, chain: NO_CHAIN })).toBe('gap');
    expect(standingOf(partition, NO_CURSOR)).toBe('gap');
    expect(standingOf(partition, { epoch: 1, seq: 201, chain: NO_CHAIN })).toBe('diverged');
    const page = pull(partition, { time: START, replid: 'one' }, {
      caller: caller(B), cursor: { epoch: 1, ...partition.log[0]! }, limit: 3, records: false,
      ids: [],
    });
    expect(page.cursor.seq).toBe(oldest + 3);
  });
});

describe('a policy', () => {
  const grant = (actor: string, wall: number, rank: number, born = { actor, seq: 1 }) =>
    value(actor, 1, { deadline: START, wall: START + wall, rank, born });
  const names = (siblings: readonly Sibling[]) => siblings.map(({ dot }) => dot.actor);

  test.each(['lww', 'ownerWins'] as const)('%s: who has lapsed beats nobody', (policy) => {
    const [low, middle, high] = [grant(A, 1, 1), grant(B, 2, 2), grant(C, 3, 3)];
    const verdict = judge(policy, [low, middle, high], (one) => one !== middle);
    expect([names(verdict.kept), names(verdict.losers)]).toEqual([[B, C], [A]]);
    const living = judge(policy, [low, middle, high], () => false);
    expect([names(living.kept), names(living.losers)]).toEqual([[C], [A, B]]);
    const lapsed = judge(policy, [low, middle, high], () => true);
    expect([names(lapsed.kept), names(lapsed.losers)]).toEqual([[A, B, C], []]);
  });

  test('ownerWins: nor has a lapsed write lost that came after the living one of its grant', () => {
    const born = { actor: A, seq: 1 };
    const [first, last] = [grant(C, 1, 5, born), grant(B, 2, 5, born)];
    const verdict = judge('ownerWins', [last, first], (one) => one === last);
    expect([names(verdict.kept), names(verdict.losers)]).toEqual([[B, C], []]);
  });

  test.each(['siblings', 'counter', 'firstWins'] as const)('%s takes nothing away', (policy) => {
    const all = [grant(A, 1, 1), grant(B, 2, 2)];
    expect(judge(policy, all, () => false)).toEqual({ kept: all, losers: [] });
  });
});

describe('the endings of a record', () => {
  test('are at most 16: those that were told go first, then the oldest', () => {
    const partition = emptyPartition();
    const B_ = caller(B);
    const run = (count: number, told: (n: number) => boolean) => {
      for (let n = 1; n <= count; n += 1) {
        const server = { time: START + n, replid: 'one' };
        const base = { terms: TERMS, batch: n, version: 2, rejoining: false };
        const one = value(A, n, { deadline: START + 3 * TICK });
        push(partition, server, { ...base, caller: caller(A), records: [pushed([one])] });
        const seen = { [A]: n };
        push(partition, server, { ...base, caller: B_, records: [pushed([], { seen })] });
        if (!told(n)) continue;
        const ends = [ending(one, C, { told: true })];
        push(partition, server, { ...base, caller: caller(C), records: [pushed([], { ends })] });
      }
      return partition.records.get('key')!.ends.map(({ born }) => born.seq);
    };
    const odd = Array.from({ length: 20 }, (_, n) => n + 1);
    // 20 runs, of which 7 and 9 are told: these two go, then 1 and 2.
    expect(run(20, (n) => n === 7 || n === 9)).toEqual(odd.filter((n) => ![1, 2, 7, 9].includes(n)));
  });
});

describe('the expiry of a partition', () => {
  test('is a sorted set', () => {
    const names = ['a', 'ab', 'b', '', 'ü', '\uffee', '\u{1f600}'];
    const changed = fc.array(fc.tuple(fc.constantFrom(...names), fc.option(fc.nat(5))), {
      maxLength: 120,
    });
    const utf8 = (text: string) => Buffer.from(text);
    fc.assert(
      fc.property(changed, fc.nat(5), fc.nat(4), (changes, now, limit) => {
        const expiry = new Expiry();
        const naive = new Map<string, number>();
        for (const [name, score] of changes) {
          if (score === null) {
            expiry.delete(name);
            naive.delete(name);
          } else {
            expiry.set(name, score);
            naive.set(name, score);
          }
        }
        const expected = [...naive]
          .filter(([, score]) => score <= now)
          .sort(([left, one], [right, other]) =>
            one - other || Buffer.compare(utf8(left), utf8(right)))
          .map(([name]) => name)
          .slice(0, limit);
        expect(expiry.size).toBe(naive.size);
        expect(expiry.due(now, limit)).toEqual(expected);
        // Looking changes nothing.
        expect(expiry.due(now, limit)).toEqual(expected);
        expect(expiry.copy().due(now, limit)).toEqual(expected);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('digests', () => {
  test('wrap around at 2^32, both ways', () => {
    const partition = emptyPartition();
    const server = { time: START, replid: 'one' };
    const hashes = { hashHigh: 0xffffffff, hashLow: 0x80000000 };
    const make = (actor: string) => ({ ...value(actor, 1, { deadline: START + TICK }), ...hashes });
    const base = { terms: TERMS, batch: 1, version: 2, rejoining: false };
    for (const actor of [A, B]) {
      push(partition, server, { ...base, caller: caller(actor), records: [pushed([make(actor)])] });
    }
    expect(partition.root).toEqual({ count: 2, high: 0xfffffffe, low: 0 });
    push(partition, server, {
      ...base, caller: caller(C), records: [pushed([], { seen: { [A]: 1, [B]: 1 } })],
    });
    expect(partition.root).toEqual(NO_DIGEST);
  });
});
