import { describe, expect, test } from 'vitest';
import { worstCase } from '../../src/config/derive.ts';
import { describeWorstCase } from '../../src/config/worst-case-text.ts';
import { COSTS, load } from './loading.ts';

describe('the worst case in words', () => {
  test('is a sum that can be done by hand', () => {
    const config = load(undefined, { LEASEHOLD_BUS_URL: 'nats://nats' });
    const worst = worstCase(config, COSTS);
    const lines = describeWorstCase(worst, config.memoryLimitBytes);
    const last = lines.pop();
    let sum = 0;
    for (const line of lines) {
      const [, count, each, product] = /^.+: (\d+) × ([\d.]+) B = ([\d.]+) MiB$/.exec(line) ?? [];
      expect(Math.abs((Number(count) * Number(each)) / 1024 ** 2 - Number(product)), line).toBeLessThan(0.06);
      sum += Number(product);
    }
    const [, together] = /^together ([\d.]+) MiB, of a limit of 1024\.0 MiB$/.exec(last!) ?? [];
    expect(Math.abs(sum - Number(together))).toBeLessThan(0.05 * lines.length);
    expect(lines).toContain('index of those endings: 250000 × 36 B = 8.6 MiB');
  });

  test('leaves out what costs nothing', () => {
    const text = describeWorstCase(worstCase(load(), COSTS), 1).join('\n');
    expect(text).toContain('feed: ');
    expect(text).not.toMatch(/bus|ledger|callers/);
  });

  test('shows shares to three digits', () => {
    const line = { what: 'values', count: 3, bytesEach: 8 / 3, bytes: 8 };
    expect(describeWorstCase({ lines: [line], bytes: 8 }, 1024 ** 2)).toEqual([
      'values: 3 × 2.667 B = 0.0 MiB',
      'together 0.0 MiB, of a limit of 1.0 MiB',
    ]);
  });
});
