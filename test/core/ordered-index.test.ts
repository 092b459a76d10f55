import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LeafPool, OrderedIndex } from '../../src/core/ordered-index.ts';
import { worstCaseLeaves } from '../../src/core/leaf-pool.ts';

/** Indexes over one column of numeric keys: the key of a slot is `keys[slot]`. */
function makeIndexes(slots: number, count: number) {
  const keys = new Float64Array(slots + 1);
  const leafOf = new Uint32Array(slots + 1);
  const pool = new LeafPool(slots, count);
  const indexes = Array.from(
    { length: count },
    () =>
      new OrderedIndex<number>({
        slotCapacity: slots,
        leafOf,
        pool,
        compareSlots: (left, right) => (keys[left] as number) - (keys[right] as number),
        compareProbe: (probe, slot) => probe - (keys[slot] as number),
      }),
  );
  return { keys, pool, indexes, leafOf };
}

function keysFrom(
  index: OrderedIndex<number>,
  keys: Float64Array,
  probe: number,
  inclusive = true,
  limit = Infinity,
): number[] {
  const seen: number[] = [];
  index.forEachFrom(probe, inclusive, (slot) => {
    seen.push(keys[slot] as number);
    return seen.length < limit;
  });
  return seen;
}

describe('an ordered index', () => {
  test('an empty one visits nothing', () => {
    const { indexes, keys } = makeIndexes(10, 1);
    expect(keysFrom(indexes[0]!, keys, -Infinity)).toEqual([]);
  });

  test('starts at the probe when inclusive, after it when not, and stops when told to', () => {
    const { indexes, keys } = makeIndexes(1000, 1);
    const index = indexes[0]!;
    for (let slot = 1; slot <= 1000; slot += 1) {
      keys[slot] = slot * 2;
      index.insert(slot);
    }
    expect(keysFrom(index, keys, 500, true, 3)).toEqual([500, 502, 504]);
    expect(keysFrom(index, keys, 500, false, 3)).toEqual([502, 504, 506]);
    expect(keysFrom(index, keys, 501, true, 2)).toEqual([502, 504]);
    expect(keysFrom(index, keys, 1999)).toEqual([2000]);
    expect(keysFrom(index, keys, 2000, false)).toEqual([]);
  });

  test('ascending keys fill their leaves', () => {
    const { indexes, keys } = makeIndexes(12_800, 1);
    for (let slot = 1; slot <= 12_800; slot += 1) {
      keys[slot] = slot;
      indexes[0]!.insert(slot);
    }
    expect(indexes[0]!.leaves).toBe(100);
  });

  test('a key that is already indexed is a broken invariant, not a second place', () => {
    const { indexes, keys } = makeIndexes(4, 1);
    keys[1] = 7;
    keys[2] = 7;
    indexes[0]!.insert(1);
    expect(() => indexes[0]!.insert(2)).toThrow('Broken invariant');
  });

  test('removing a slot that is not in changes nothing', () => {
    const { indexes, keys } = makeIndexes(4, 1);
    keys[1] = 1;
    indexes[0]!.insert(1);
    indexes[0]!.remove(2);
    expect(indexes[0]!.size).toBe(1);
  });

  test('leaves that one index empties serve another, within the bound for all together', () => {
    const slots = 5000;
    const { indexes, keys, pool } = makeIndexes(slots, 4);
    for (const index of indexes) {
      for (let slot = 1; slot <= slots; slot += 1) {
        keys[slot] = (slot * 7919) % 5003;
        index.insert(slot);
      }
      expect(index.size).toBe(slots);
      expect(pool.used).toBeLessThanOrEqual(worstCaseLeaves(slots, 4));
      for (let slot = 1; slot <= slots; slot += 1) index.remove(slot);
      expect(pool.used).toBe(0);
    }
  });

  test('thinning out every stretch of keys leaves no more leaves than the bound', () => {
    const slots = 10_000;
    const { indexes, keys } = makeIndexes(slots, 1);
    const index = indexes[0]!;
    for (let slot = 1; slot <= slots; slot += 1) {
      keys[slot] = slot;
      index.insert(slot);
    }
    // Full leaves of 128 go down to 1, the even ones first: their neighbours are too full to join.
    for (const parity of [0, 1]) {
      for (let slot = 1; slot <= slots; slot += 1) {
        const leaf = Math.floor((slot - 1) / 128);
        if (leaf % 2 === parity && slot % 128 !== 1) index.remove(slot);
        expect(index.leaves).toBeLessThanOrEqual(worstCaseLeaves(index.size, 1));
      }
    }
    expect(keysFrom(index, keys, 0)).toHaveLength(Math.ceil(slots / 128));
  });

  test('agrees with a sorted list after any insertions and removals, and stays within its bound', () => {
    const run = fc.record({
      insert: fc.boolean(),
      index: fc.nat(1),
      from: fc.nat(1999),
      count: fc.integer({ min: 1, max: 300 }),
      stride: fc.constantFrom(1, 1, 3, 7, 1013),
    });
    fc.assert(
      fc.property(fc.array(run, { maxLength: 40 }), fc.nat(2001), (runs, probe) => {
        const slots = 2000;
        const { indexes, keys, pool, leafOf } = makeIndexes(slots, 2);
        const owners = new Uint8Array(slots + 1);
        for (let slot = 1; slot <= slots; slot += 1) keys[slot] = (slot * 1237) % 2003;
        for (const { insert, index, from, count, stride } of runs) {
          for (let step = 0; step < count; step += 1) {
            const slot = 1 + ((from + step * stride) % slots);
            if (insert && owners[slot] === 0) {
              indexes[index]!.insert(slot);
              owners[slot] = index + 1;
            } else if (!insert && owners[slot] !== 0) {
              indexes[(owners[slot] as number) - 1]!.remove(slot);
              owners[slot] = 0;
            }
          }
          expect(pool.used).toBeLessThanOrEqual(
            indexes.reduce((sum, each) => sum + (each.size && worstCaseLeaves(each.size, 1)), 0),
          );
        }
        indexes.forEach((index, number) => {
          const expected: number[] = [];
          for (let slot = 1; slot <= slots; slot += 1) {
            if (owners[slot] === number + 1) expected.push(keys[slot] as number);
          }
          expected.sort((left, right) => left - right);
          expect(index.size).toBe(expected.length);
          expect(keysFrom(index, keys, -1)).toEqual(expected);
          expect(keysFrom(index, keys, probe)).toEqual(expected.filter((key) => key >= probe));
          expect(keysFrom(index, keys, probe, false)).toEqual(expected.filter((key) => key > probe));
        });
        for (let slot = 1; slot <= slots; slot += 1) {
          expect(leafOf[slot] !== 0).toBe(owners[slot] !== 0);
        }
      }),
      { numRuns: 80 },
    );
  });
});
