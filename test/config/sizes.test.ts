import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatSize, parseSize } from '../../src/config/sizes.ts';

describe('sizes', () => {
  test.each([
    [65536, 65536],
    ['65536', 65536],
    ['64Ki', 65536],
    ['64KiB', 65536],
    ['64 mi', 67108864],
    ['1.5Gi', 1610612736],
    ['2Ti', 2 * 1024 ** 4],
  ])('%j is %d bytes', (written, bytes) => {
    expect(parseSize(written)).toBe(bytes);
  });

  test.each(['', '64MB', '64M', '-1', '1e6', '0.3Ki', 'Mi', '1 Mi 2', '99999999Ti', Number.NaN])(
    '%j is no size',
    (written) => {
      expect(parseSize(written)).toBeUndefined();
    },
  );

  test('what is formatted is read back exactly', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (bytes) => {
        expect(parseSize(formatSize(bytes))).toBe(bytes);
      }),
    );
  });

  test('the largest whole unit is used', () => {
    expect(formatSize(67108864)).toBe('64Mi');
    expect(formatSize(1000)).toBe('1000');
    expect(formatSize(0)).toBe('0');
  });
});
