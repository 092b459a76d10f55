import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Slab } from '../../src/core/slab.ts';

const KIB = 1024;
const CHUNK = 256 * KIB;

describe('a slab', () => {
  test('gives every size a cell that holds it, wasting at most 15 B or an eighth', () => {
    const slab = new Slab(64 * 1024 * KIB);
    for (let size = 1; size <= 33 * KIB; size += 1) {
      const ref = slab.allocate(size);
      expect(ref).toBeGreaterThan(0);
      const waste = slab.capacityOf(ref) - size;
      expect(waste).toBeGreaterThanOrEqual(0);
      if (waste > 15) expect(waste).toBeLessThan(size / 8);
      if (size > 32 * KIB) expect(waste).toBe(0);
      slab.free(ref, false);
    }
    expect(slab.usedBytes).toBe(0);
  });

  test('an empty value has a reference too', () => {
    const slab = new Slab(CHUNK);
    const ref = slab.allocate(0);
    expect(ref).toBeGreaterThan(0);
    expect(slab.sameClass(ref, 16)).toBe(true);
    expect(slab.sameClass(ref, 17)).toBe(false);
  });

  test('tells for every size whether it would get the same room', () => {
    const slab = new Slab(2 * CHUNK);
    for (const size of [1, 16, 17, 512, 513, 576, 577, 32 * KIB, 32 * KIB + 1]) {
      const ref = slab.allocate(size);
      for (const other of [1, 16, 17, 512, 513, 576, 577, 32 * KIB, 32 * KIB + 1]) {
        const fresh = slab.allocate(other);
        const same = slab.capacityOf(fresh) === slab.capacityOf(ref);
        expect(slab.sameClass(ref, other), `${other} B in a cell for ${size} B`).toBe(same);
        slab.free(fresh, false);
      }
      slab.free(ref, false);
    }
  });

  test('refuses what the limit does not allow, and has room again after a free', () => {
    const slab = new Slab(CHUNK + 40 * KIB);
    const large = slab.allocate(40 * KIB);
    const refs: number[] = [];
    for (;;) {
      const ref = slab.allocate(1000);
      if (ref === 0) break;
      refs.push(ref);
    }
    expect(refs).toHaveLength(256);
    expect(slab.heldBytes).toBe(CHUNK + 40 * KIB);
    expect(slab.allocate(16)).toBe(0);
    expect(slab.allocate(33 * KIB)).toBe(0);
    slab.free(refs[7] as number, false);
    expect(slab.allocate(1000)).toBe(refs[7]);
    slab.free(large, false);
    expect(slab.heldBytes).toBe(CHUNK);
    expect(slab.allocate(40 * KIB)).toBeGreaterThan(0);
  });

  test('a chunk whose last cell is freed serves another class', () => {
    const slab = new Slab(CHUNK);
    const refs = Array.from({ length: 100 }, () => slab.allocate(16));
    expect(slab.allocate(64)).toBe(0);
    for (const ref of refs) slab.free(ref, false);
    const ref = slab.allocate(64);
    expect(ref).toBeGreaterThan(0);
    expect(slab.heldBytes).toBe(CHUNK);
  });

  test('empty chunks make room for a large value, and not for one that cannot fit', () => {
    const slab = new Slab(4 * CHUNK);
    const refs = Array.from({ length: 32 }, () => slab.allocate(32 * KIB));
    for (const ref of refs) slab.free(ref, false);
    expect(slab.heldBytes).toBe(4 * CHUNK);
    expect(slab.allocate(5 * CHUNK)).toBe(0);
    expect(slab.heldBytes).toBe(4 * CHUNK);
    const large = slab.allocate(3 * CHUNK - 5);
    expect(large).toBeGreaterThan(0);
    expect(slab.heldBytes).toBe(4 * CHUNK - 5);
    slab.free(large, false);
    for (let count = 0; count < 32; count += 1) expect(slab.allocate(32 * KIB)).toBeGreaterThan(0);
  });

  test('overwrites what is freed when asked to', () => {
    const slab = new Slab(CHUNK + 40 * KIB);
    for (const size of [20, 100, 40 * KIB]) {
      const keep = slab.allocate(size <= 32 * KIB ? size : 16);
      const ref = slab.allocate(size);
      const bytes = slab.chunkOf(ref);
      const at = slab.offsetOf(ref);
      bytes.fill(0xaa, at, at + size);
      slab.free(ref, true);
      expect(bytes.subarray(at, at + size).indexOf(0xaa)).toBe(-1);
      slab.free(keep, false);
    }
  });

  test('freeing what is not in use is a broken invariant', () => {
    const slab = new Slab(2 * CHUNK);
    const ref = slab.allocate(100);
    const large = slab.allocate(100 * KIB);
    slab.free(ref, false);
    slab.free(large, false);
    expect(() => slab.free(ref, false)).toThrow('Broken invariant');
    expect(() => slab.free(large, false)).toThrow('Broken invariant');
  });

  test('the worst case holds any values of that many bytes', () => {
    for (const size of [1, 17, 520, 4100, 30_000, 31_000]) {
      const count = Math.ceil((8 * 1024 * KIB) / size);
      const slab = new Slab(Slab.worstCase(count * size, count));
      let refused = 0;
      for (let index = 0; index < count; index += 1) if (slab.allocate(size) === 0) refused += 1;
      expect(refused, `values of ${size} B`).toBe(0);
    }
  });

  test('no two values share a byte, and what is held stays within the limit', () => {
    const size = fc.oneof(
      fc.integer({ min: 0, max: 600 }),
      fc.integer({ min: 600, max: 33_000 }),
      fc.integer({ min: 32_000, max: 300_000 }),
    );
    const operation = fc.oneof(
      { weight: 3, arbitrary: fc.record({ size, times: fc.integer({ min: 1, max: 20 }) }) },
      { weight: 2, arbitrary: fc.record({ pick: fc.nat(), times: fc.integer({ min: 1, max: 30 }) }) },
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const limit = 3 * CHUNK + 1000;
        const slab = new Slab(limit);
        const live: { ref: number; size: number; mark: number }[] = [];
        let mark = 0;
        const verify = (value: { ref: number; size: number; mark: number }): void => {
          const bytes = slab.chunkOf(value.ref);
          const at = slab.offsetOf(value.ref);
          for (let index = at; index < at + value.size; index += 1) {
            if (bytes[index] !== value.mark) throw new Error(`byte ${index} of ${value.ref}`);
          }
        };
        for (const step of operations) {
          for (let time = 0; time < step.times; time += 1) {
            if ('size' in step) {
              const ref = slab.allocate(step.size);
              if (ref === 0) break;
              mark = (mark % 255) + 1;
              const at = slab.offsetOf(ref);
              slab.chunkOf(ref).fill(mark, at, at + step.size);
              expect(slab.capacityOf(ref)).toBeGreaterThanOrEqual(step.size);
              live.push({ ref, size: step.size, mark });
            } else {
              const [value] = live.splice(step.pick % Math.max(live.length, 1), 1);
              if (value === undefined) break;
              verify(value);
              slab.free(value.ref, (step.pick & 1) === 1);
            }
          }
          expect(slab.heldBytes).toBeLessThanOrEqual(limit);
          expect(slab.usedBytes).toBe(
            live.reduce((sum, value) => sum + slab.capacityOf(value.ref), 0),
          );
        }
        for (const value of live) verify(value);
        for (const value of live) slab.free(value.ref, false);
        expect(slab.usedBytes).toBe(0);
      }),
      { numRuns: 150 },
    );
  });
});
