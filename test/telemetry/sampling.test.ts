/** Which requests are recorded, without asking the SDK. */
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { parseTraceparent } from '../../src/core/trace.ts';
import { Sampler } from '../../src/telemetry/sampling.ts';

const RECORDED = parseTraceparent('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')!;
const UNRECORDED = parseTraceparent('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00')!;
/** A parent with this trace id; its words are 0, 0, 0 and `word`. */
const withWord = (word: number): Uint8Array =>
  parseTraceparent(`00-${'1'.repeat(8)}${'1'.repeat(8)}${'0'.repeat(8)}${word.toString(16).padStart(8, '0')}-b7ad6b7169203331-00`)!;
const never = (): number => {
  throw new Error('No lot may be drawn');
};

describe('a sampler', () => {
  test('that follows its callers goes by their flag alone', () => {
    const sampler = new Sampler({ parentBased: true, ratio: 0.5 }, never);
    expect(sampler.samples(RECORDED)).toBe(true);
    expect(sampler.samples(UNRECORDED)).toBe(false);
  });

  test('draws a lot for what has no caller', () => {
    const lots = [0.009, 0.01, 0.5];
    const sampler = new Sampler({ parentBased: true, ratio: 0.01 }, () => lots.shift()!);
    expect([sampler.samples(undefined), sampler.samples(undefined), sampler.samples(undefined)])
      .toEqual([true, false, false]);
  });

  test('that records everything or nothing draws none that matters', () => {
    expect(new Sampler({ parentBased: false, ratio: 1 }, never).samples(undefined)).toBe(true);
    expect(new Sampler({ parentBased: false, ratio: 1 }, never).samples(UNRECORDED)).toBe(true);
    expect(new Sampler({ parentBased: true, ratio: 0 }, () => 0).samples(undefined)).toBe(false);
  });

  test('by ratio goes by the trace id of the caller, not its flag', () => {
    const sampler = new Sampler({ parentBased: false, ratio: 0.5 }, never);
    expect(sampler.samples(withWord(0x7fff_fffe))).toBe(true);
    expect(sampler.samples(withWord(0x8000_0000))).toBe(false);
  });

  test('makes trace ids that any sampler of the same ratio records', () => {
    const sampler = new Sampler({ parentBased: false, ratio: 0.01 }, Math.random);
    for (let made = 0; made < 1000; made++) {
      const id = sampler.traceId(randomBytes);
      expect(id).toMatch(/^[0-9a-f]{32}$/);
      const caller = parseTraceparent(`00-${id}-b7ad6b7169203331-00`);
      expect(caller).toBeDefined();
      expect(sampler.samples(caller)).toBe(true);
    }
  });
});
