/** Every sidecar must find a key at the same place, whatever version of the program it runs. */
import { describe, expect, test } from 'vitest';
import { murmur3, placementOf } from '../../src/ledger/placement.ts';

const encoder = new TextEncoder();

describe('murmur3', () => {
  // MurmurHash3_x86_32 with seed 0, as published for the reference implementation.
  test.each([
    ['', 0x00000000],
    ['a', 0x3c2569b2],
    ['abc', 0xb3dd93fa],
    ['test', 0xba6bd213],
    ['hello', 0x248bfa47],
    ['hello, world', 0x149bbb7f],
    ['Hello, world!', 0xc0363e43],
    ['The quick brown fox jumps over the lazy dog', 0x2e4ff723],
  ])('of %j', (text, expected) => {
    expect(murmur3(encoder.encode(text))).toBe(expected);
  });

  test('hashes a part of an array as it would that part alone', () => {
    const bytes = encoder.encode('..hello, world.');
    expect(murmur3(bytes, 2, 14)).toBe(0x149bbb7f);
    expect(murmur3(bytes.subarray(2, 14))).toBe(0x149bbb7f);
  });
});

describe('placement', () => {
  test('splits one hash into partition and bucket', () => {
    expect(placementOf(0, 64, 256)).toEqual({ partition: 0, bucket: 0 });
    expect(placementOf(0x2e4ff723, 64, 256)).toEqual({ partition: 35, bucket: 220 });
    expect(placementOf(0xffffffff, 64, 256)).toEqual({ partition: 63, bucket: 255 });
  });

  test('spreads keys over partitions, and over the buckets of each', () => {
    const partitions = new Array<number>(64).fill(0);
    const buckets = new Array<number>(16).fill(0);
    const keys = 64 * 256;
    for (let n = 0; n < keys; n += 1) {
      const placement = placementOf(murmur3(encoder.encode(`user-${n}`)), 64, 16);
      partitions[placement.partition]! += 1;
      if (placement.partition === 5) buckets[placement.bucket]! += 1;
    }
    // 256 are expected of each; 6 standard deviations are 96.
    expect(Math.min(...partitions)).toBeGreaterThan(160);
    expect(Math.max(...partitions)).toBeLessThan(352);
    // 16 of each; some stay below, none stays empty.
    expect(Math.min(...buckets)).toBeGreaterThan(0);
  });
});
