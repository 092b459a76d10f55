import { describe, expect, test } from 'vitest';
import { fault } from '../planted/planted-fault.ts';
import { limiter, unearth } from './plant-run.ts';

const product = { holds: async () => true, close: async () => {} };

describe('looking for a planted fault', () => {
  test('that cannot be planted fails, and finds nothing', async () => {
    const unknown = fault({ name: 'no-such-fault', what: 'nothing', edits: [], invariants: [] });
    await expect(unearth(unknown, { seedsMax: 3 }, product)).rejects.toThrow(
      /Cannot run with no-such-fault planted: [\s\S]*There is no planted fault "no-such-fault"/,
    );
  });
});

describe('a limiter', () => {
  test('lets so many work at once, and all in the end, also after one that fails', async () => {
    const inTurn = limiter(2);
    let working = 0;
    let most = 0;
    const work = (index: number) => async (): Promise<number> => {
      working += 1;
      most = Math.max(most, working);
      await new Promise((resolve) => setImmediate(resolve));
      working -= 1;
      if (index === 1) throw new Error('failed');
      return index;
    };
    const all = await Promise.allSettled([0, 1, 2, 3, 4].map((index) => inTurn(work(index))));
    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled']);
    expect(most).toBe(2);
  });
});
