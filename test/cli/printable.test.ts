import { describe, expect, test } from 'vitest';
import { printable, spoken } from '../../src/cli/printable.ts';

describe('text for a terminal', () => {
  test('control characters and tricks of direction are spelled out, letters stay', () => {
    expect(printable('a\u001b[2J\nb\u202ec\u0085')).toBe('a\\u001b[2J\\u000ab\\u202ec\\u0085');
    expect(printable('grüße 世界 🎉')).toBe('grüße 世界 🎉');
  });

  test.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [29_999, '29.9 s'],
    [60_000, '1 min 00 s'],
    [3_599_999, '59 min 59 s'],
    [7_380_000, '2 h 03 min'],
  ])('%d ms is spoken as %s, never more than there is', (durationMs, text) => {
    expect(spoken(durationMs)).toBe(text);
  });
});
