/**
 * The simulator proves that it can see: each planted fault is found within its number of seeds. The
 * seed that found it when it was measured is tried first; it is one of them.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { PLANTED_FAULTS } from './planted/catalogue.ts';
import { foundBefore } from './planted/found.ts';
import { limiter, unearth, unplanted } from './runner/plant-run.ts';

/** What a small build machine has cores for. */
const AT_ONCE = 2;
/** Against a hang, with the wait for its turn: a fault that takes all of its seeds takes a minute. */
const PATIENCE_MS = 60 * 60_000;

const before = foundBefore();
const inTurn = limiter(AT_ONCE);
const product = unplanted();
afterAll(() => product.close());

describe('a planted fault', () => {
  test.concurrent.each(PLANTED_FAULTS)(
    '$name is found within $seedsMax seeds',
    async (fault) => {
      const { name, seedsMax } = fault;
      const likely = before[name]?.seed;
      expect(await inTurn(() => unearth(fault, { seedsMax, likely }, product))).toBeDefined();
    },
    PATIENCE_MS,
  );
});
