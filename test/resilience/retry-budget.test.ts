import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RetryBudget } from '../../src/resilience/retry-budget.ts';

function retriesOf(budget: RetryBudget): number {
  let retries = 0;
  while (budget.permits()) retries += 1;
  return retries;
}

describe('the retry budget', () => {
  it('allows its reserve at once, and then a fifth of the requests', () => {
    const budget = new RetryBudget();
    expect(retriesOf(budget)).toBe(10);
    for (let request = 0; request < 4; request++) budget.requested();
    expect(budget.permits()).toBe(false);
    budget.requested();
    expect([budget.permits(), budget.permits()]).toEqual([true, false]);
  });

  it('saves up no more than its reserve, however long all goes well', () => {
    const budget = new RetryBudget();
    for (let request = 0; request < 100_000; request++) budget.requested();
    expect(retriesOf(budget)).toBe(10);
  });

  it('holds over every stretch, not only over the whole', () => {
    const steps = fc.array(fc.boolean(), { maxLength: 400 });
    fc.assert(
      fc.property(steps, fc.nat(), (isRetry, cut) => {
        const budget = new RetryBudget({ share: 0.25, reserve: 4 });
        let requests = 0;
        let retries = 0;
        for (const [index, retry] of isRetry.entries()) {
          if (index === cut % isRetry.length) {
            requests = 0;
            retries = 0;
          }
          if (!retry) {
            budget.requested();
            requests += 1;
          } else if (budget.permits()) retries += 1;
        }
        expect(retries).toBeLessThanOrEqual(0.25 * requests + 4);
      }),
    );
  });
});
