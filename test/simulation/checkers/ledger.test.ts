import { describe, expect, test } from 'vitest';
import { boundedOutbox } from './bounded-outbox.ts';
import { convergence } from './convergence.ts';
import { createCheckers } from './all.ts';
import { ledgerChain } from './ledger-chain.ts';
import { ledgerDigest } from './ledger-digest.ts';
import { ACTOR, emptyPartition, sibling, ToldWorld } from './told-world.ts';
import { uniqueDots } from './unique-dots.ts';

const A = (seq: number): string => `${ACTOR}.${seq}`;

describe('unique-dots', () => {
  test('takes a dot that is seen in many places', () => {
    const world = new ToldWorld(uniqueDots);
    world.store('k', [sibling('k', A(1), 'v')]);
    world.tell('entry.created', 1, { key: 'k', etag: `"${A(1)}"`, value: Buffer.from('v').toString('base64') });
    world.get('k', { [A(1)]: 'v' });
  });

  test('catches another value, or another key, under the same dot', () => {
    const world = new ToldWorld(uniqueDots);
    world.store('k', [sibling('k', A(1), 'v')]);
    expect(() => world.get('k', { [A(1)]: 'w' })).toThrow('names two writes');
    const keys = new ToldWorld(uniqueDots);
    keys.store('k', [sibling('k', A(1), 'v')]);
    expect(() => keys.store('l', [sibling('l', A(1), 'v')])).toThrow('names two writes');
  });
});

describe('ledger-digest', () => {
  test('takes sums that add up, through changes and ends', () => {
    const world = new ToldWorld(ledgerDigest);
    world.store('k', [sibling('k', A(1), 'v')]);
    world.store('l', [sibling('l', A(2), 'w')]);
    world.store('k', []);
  });

  test('catches a digest, a cell, an owner and a count that were not brought up to date', () => {
    const wrong = { count: 1, high: 1, low: 1 };
    const lies: Parameters<ToldWorld['store']>[2][] = [
      (raw) => { raw.root = wrong; },
      (raw) => { raw.cells[0] = wrong; },
      (raw) => { raw.owners = new Map([[ACTOR, { owned: wrong }]]); },
      (raw) => { raw.live = 2; },
    ];
    for (const lie of lies) {
      const world = new ToldWorld(ledgerDigest);
      expect(() => world.store('k', [sibling('k', A(1), 'v')], lie)).toThrow(/it says|it counts/);
    }
  });

  test('catches a fingerprint of something else', () => {
    const world = new ToldWorld(ledgerDigest);
    expect(() => world.store('k', [sibling('other', A(1), 'v')])).toThrow('not its own');
  });
});

describe('ledger-chain', () => {
  test('takes a log that grows, and one that begins anew', () => {
    const world = new ToldWorld(ledgerChain);
    world.store('k', [sibling('k', A(1), 'v')]);
    world.store('k', [sibling('k', A(2), 'w')]);
    world.partition = emptyPartition();
    world.store('k', [sibling('k', A(1), 'v')]);
  });

  test('catches a chain that does not follow, a number left out, and a change without an entry', () => {
    const chain = new ToldWorld(ledgerChain);
    const broken = (raw: Parameters<NonNullable<Parameters<ToldWorld['store']>[2]>>[0]): void => {
      raw.chain = 'ffffffffffffffff';
      raw.log[raw.log.length - 1] = { ...raw.log.at(-1)!, chain: raw.chain };
    };
    expect(() => chain.store('k', [sibling('k', A(1), 'v')], broken)).toThrow('has chain');

    const gap = new ToldWorld(ledgerChain);
    gap.store('k', [sibling('k', A(1), 'v')]);
    const skipped = () => gap.store('k', [], (raw) => {
      raw.seq += 1;
      raw.log[raw.log.length - 1] = { ...raw.log.at(-1)!, seq: raw.seq };
    });
    expect(skipped).toThrow('after 1 comes 3');

    const silent = new ToldWorld(ledgerChain);
    silent.partition.records.set('k', { siblings: [sibling('k', A(1), 'v')], context: [], bucket: 0 });
    expect(() => silent.touch()).toThrow('the log does not say so');
  });
});

describe('at rest', () => {
  const shown = (world: ToldWorld, dot: string, value: string): void => {
    for (const { answers } of world.sidecars) {
      answers.set('/v1/entries/jobs/k', {
        status: 200, document: value, headers: { etag: `"${dot}"`, 'leasehold-remaining-ms': '50000' },
      });
    }
  };

  test('convergence takes sidecars that show what the ledger holds', () => {
    const world = new ToldWorld(convergence);
    world.put('k', 'v', A(1), { remainingMs: 50_000 });
    world.store('k', [sibling('k', A(1), 'v')]);
    shown(world, A(1), 'v');
    world.rest();
  });

  test('convergence catches one that differs, and a ledger that does not hold it or holds more', () => {
    const differs = new ToldWorld(convergence);
    differs.put('k', 'v', A(1), { remainingMs: 50_000 });
    differs.store('k', [sibling('k', A(1), 'v')]);
    shown(differs, A(1), 'v');
    differs.s2.answers.set('/v1/entries/jobs/k', { status: 404, headers: {} });
    expect(() => differs.rest()).toThrow('differs between s1 and s2');

    const missing = new ToldWorld(convergence);
    missing.put('k', 'v', A(1), { remainingMs: 50_000 });
    shown(missing, A(1), 'v');
    expect(() => missing.rest()).toThrow('the ledger does not hold it');

    const more = new ToldWorld(convergence);
    more.put('k', 'v', A(1), { remainingMs: 50_000 });
    more.store('k', [sibling('k', A(1), 'v')]);
    expect(() => more.rest()).toThrow('does not show it');
  });

  test('convergence and bounded-outbox catch what still waits', () => {
    const unpushed = new ToldWorld(convergence);
    unpushed.s1.answers.set('/v1/status', { status: 200, headers: {}, document: { ledger: { unpushed: 2 }, reasons: [] } });
    expect(() => unpushed.rest()).toThrow('has not pushed 2 records');
    const ahead = new ToldWorld(convergence);
    ahead.s1.answers.set('/v1/status', { status: 200, headers: {}, document: { ledger: { unpushed: 2 }, reasons: [] } });
    ahead.s1.clock.wallOffsetMs = 3_600_000;
    ahead.pass(1);
    ahead.s1.clock.wallOffsetMs = 0;
    ahead.pass(1);
    ahead.rest();
    const untold = new ToldWorld(boundedOutbox);
    untold.rest();
    const waiting = new ToldWorld(boundedOutbox);
    waiting.s1.answers.set('/v1/status', { status: 200, headers: {}, document: { outbox: { depth: 1 } } });
    expect(() => waiting.rest()).toThrow('1 events wait in the outbox of s1');
  });
});

test('every checker has a name of its own', () => {
  const checkers = createCheckers(new ToldWorld(boundedOutbox));
  expect(new Set(checkers.map(({ invariant }) => invariant)).size).toBe(checkers.length);
  expect(checkers.length).toBe(23);
});
