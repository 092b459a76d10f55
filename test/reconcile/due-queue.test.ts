import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DueQueue } from '../../src/reconcile/due-queue.ts';

function item(name: string) {
  return { name, dueAt: Number.POSITIVE_INFINITY, place: -1 };
}

describe('who is due', () => {
  test('comes at its instant, and only once however often it was put in', () => {
    const queue = new DueQueue<ReturnType<typeof item>>();
    const a = item('a');
    for (const at of [50, 10, 30, 10, 20]) queue.put(a, at);
    expect([queue.size, queue.next]).toEqual([1, 20]);
    expect(queue.take(19)).toBeUndefined();
    expect(queue.take(20)).toBe(a);
    expect(queue.take(100)).toBeUndefined();
    queue.put(a, 5);
    queue.put(a, Number.POSITIVE_INFINITY);
    expect(queue.next).toBe(Number.POSITIVE_INFINITY);
  });

  test('is the earliest of all, whatever was moved or removed before', () => {
    const move = fc.record({ who: fc.nat(19), at: fc.integer({ min: 0, max: 50 }), out: fc.boolean() });
    fc.assert(
      fc.property(fc.array(move, { maxLength: 200 }), (moves) => {
        const queue = new DueQueue<ReturnType<typeof item>>();
        const items = Array.from({ length: 20 }, (_, index) => item(String(index)));
        const model = new Map<string, number>();
        for (const { who, at, out } of moves) {
          const one = items[who]!;
          if (out) {
            queue.remove(one);
            model.delete(one.name);
          } else {
            queue.put(one, at);
            model.set(one.name, at);
          }
          expect(queue.size).toBe(model.size);
          expect(queue.next).toBe(Math.min(...model.values()));
        }
        const order: number[] = [];
        for (let one = queue.take(100); one !== undefined; one = queue.take(100)) {
          order.push(model.get(one.name)!);
        }
        expect(order).toEqual([...model.values()].sort((left, right) => left - right));
      }),
    );
  });
});
