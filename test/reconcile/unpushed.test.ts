import { describe, expect, test } from 'vitest';
import { Unpushed, UnpushedBudget } from '../../src/reconcile/unpushed.ts';

describe('keys to push', () => {
  test('come in the order of their first change, each once', () => {
    const unpushed = new Unpushed(new UnpushedBudget());
    unpushed.add('b', 1);
    unpushed.add('a', 2);
    unpushed.add('b', 3);
    expect([...unpushed.entries()]).toEqual([['b', 1], ['a', 2]]);
    expect(unpushed.oldest).toBe(1);
    unpushed.delete('b');
    expect(unpushed.oldest).toBe(2);
    unpushed.delete('a');
    expect(unpushed.empty).toBe(true);
    expect(unpushed.oldest).toBeUndefined();
  });

  test('share a bound over partitions; what is beyond it is found by a walk', () => {
    const budget = new UnpushedBudget(4);
    const one = new Unpushed(budget);
    const other = new Unpushed(budget);
    for (const id of ['a', 'b', 'c']) one.add(id, 10);
    for (const id of ['d', 'e', 'f']) other.add(id, 20);
    expect(budget.used).toBe(4);
    expect([other.listed, other.needsWalk]).toEqual([1, true]);
    expect(other.has('f')).toBe(true);
    expect(one.has('f')).toBe(false);
    expect([one.ready, other.ready]).toEqual([true, true]);

    const walk = (visit: (id: string) => void) => {
      for (const id of ['d', 'e', 'f', 'e']) visit(id);
    };
    other.walk(walk);
    expect(other.needsWalk, 'while some are listed').toBe(true);
    other.delete('d');
    other.walk(walk);
    expect([other.needsWalk, other.ready], 'while there is no room').toEqual([true, false]);
    for (const id of ['a', 'b', 'c']) one.delete(id);
    other.walk(walk);
    expect([...other.entries()]).toEqual([['d', 20], ['e', 20], ['f', 20]]);
    expect([budget.used, other.needsWalk]).toEqual([3, false]);
    other.clear();
    expect([budget.used, other.empty]).toEqual([0, true]);
  });
});
