import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseTraceparent, traceparentText } from '../../src/core/trace.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

describe('a traceparent', () => {
  it('is the same again after having been 25 bytes', () => {
    const bytes = parseTraceparent(`00-${TRACE}-${SPAN}-01`)!;
    expect(bytes).toHaveLength(25);
    expect(traceparentText(bytes)).toBe(`00-${TRACE}-${SPAN}-01`);
  });

  it('is the same again whatever its ids and flags, unless an id is all zeros', () => {
    const bytes = fc.uint8Array({ minLength: 25, maxLength: 25 });
    fc.assert(fc.property(bytes, (trace) => {
      const isNone = trace.subarray(0, 16).every((byte) => byte === 0) || trace.subarray(16, 24).every((byte) => byte === 0);
      expect(parseTraceparent(traceparentText(trace))).toEqual(isNone ? undefined : trace);
    }));
  });

  it('of a later version counts as far as this one goes', () => {
    expect(traceparentText(parseTraceparent(`cc-${TRACE}-${SPAN}-00-what-follows`)!))
      .toBe(`00-${TRACE}-${SPAN}-00`);
  });

  it.each([
    ['nothing', ''],
    ['version ff', `ff-${TRACE}-${SPAN}-01`],
    ['an id of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['a span of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['upper case', `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ['too little', `00-${TRACE}-${SPAN}`],
    ['version 00 that goes on', `00-${TRACE}-${SPAN}-01-more`],
    ['a list', `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`],
    ['a line break', `00-${TRACE}-${SPAN}-01\r\nx: y`],
  ])('that is none is not taken: %s', (_what, header) => {
    expect(parseTraceparent(header)).toBeUndefined();
  });
});
