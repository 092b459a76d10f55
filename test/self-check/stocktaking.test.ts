import { describe, expect, test } from 'vitest';
import type { Fact } from '../../src/core/fact.ts';
import { Inventory } from '../../src/self-check/inventory.ts';
import { NamespaceNumbers, Stocktaking } from '../../src/self-check/stocktaking.ts';
import { FACTS } from '../events/facts.ts';

const ACTOR = '00000000000000aa';
const LEASE = `i-${ACTOR}-1`;

function stocktaking(share = { number: 0, of: 1 }) {
  const inventory = new Inventory(64);
  const taking = new Stocktaking({
    inventory, share,
    numbers: new NamespaceNumbers(),
    isJournalled: (namespace) => namespace !== 'volatile',
  });
  return { inventory, taking };
}

/** A fact about an entry under an implicit lease. */
function entryFact(kind: 'entry.written' | 'entry.ended' | 'entry.buried', seq: number, more: object = {}): Fact {
  const like = kind === 'entry.written' ? FACTS['entry.created'] : { ...FACTS['entry.ended'], context: [] };
  return { ...like, kind, lease: LEASE, implicit: true, born: { actor: ACTOR, seq }, ...more } as Fact;
}

describe('what facts lead to', () => {
  test('has an implicit lease until the last of its entries is over', () => {
    const { inventory, taking } = stocktaking();
    taking.take(entryFact('entry.written', 1));
    taking.take(entryFact('entry.written', 2));
    expect(inventory.size).toBe(3);
    taking.take(entryFact('entry.ended', 1));
    expect(inventory.size).toBe(2);
    taking.take(entryFact('entry.buried', 2));
    expect([inventory.size, taking.misfits]).toEqual([0, 0]);
  });

  test('counts what ends, is renewed or handed on without being there; but not copies that are buried', () => {
    const { taking } = stocktaking();
    taking.take(entryFact('entry.ended', 1));
    taking.take(FACTS['lease.renewed'] as Fact);
    taking.take(FACTS['lease.transferred'] as Fact);
    expect(taking.misfits).toBe(3);
    taking.take(entryFact('entry.buried', 1));
    taking.take(entryFact('entry.ended', 1, { elsewhere: true }));
    taking.take({ ...FACTS['lease.renewed'], namespace: 'volatile' } as Fact);
    expect(taking.misfits).toBe(3);
  });

  test('is in one share, an entry and its implicit lease in the same', () => {
    const shares = [0, 1, 2, 3].map((number) => stocktaking({ number, of: 4 }));
    for (const { taking } of shares) {
      for (let seq = 1; seq <= 20; seq++) taking.take(entryFact('entry.written', seq, { lease: `i-${ACTOR}-${seq}` }));
    }
    const sizes = shares.map(({ inventory }) => inventory.size);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(40);
    expect(sizes.filter((size) => size % 2 !== 0)).toEqual([]);
    for (const { taking } of shares) {
      for (let seq = 1; seq <= 20; seq++) taking.take(entryFact('entry.ended', seq, { lease: `i-${ACTOR}-${seq}` }));
    }
    expect(shares.map(({ inventory, taking }) => inventory.size + taking.misfits)).toEqual([0, 0, 0, 0]);
  });
});
