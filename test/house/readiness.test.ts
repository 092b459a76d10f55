/** The catalogue of readiness reasons and who gives them. */
import { describe, expect, test } from 'vitest';
import { ordered, READINESS_CODES, READINESS_REASONS } from '../../src/readiness.ts';
import { filesUnder, read } from './repository.ts';

describe('the reasons of readiness', () => {
  test('are all given by some part', () => {
    const giving = filesUnder('src', '.ts')
      .filter((file) => file !== 'src/readiness.ts')
      .map(read)
      .join('\n');
    expect(READINESS_CODES.length).toBeGreaterThan(10);
    expect(READINESS_CODES.filter((code) => !giving.includes(`'${code}'`))).toEqual([]);
  });

  test('leave a degraded sidecar in service, but for what it must not tell anybody', () => {
    const out = READINESS_CODES.filter((code) => !READINESS_REASONS[code].ready);
    expect(out).toEqual(['recovering', 'draining', 'journal-failed', 'repairing']);
  });

  test('are told each once, in the order of the catalogue', () => {
    expect(ordered(['under-pressure', 'bus-away', 'journal-full', 'bus-away'])).toEqual([
      'journal-full', 'bus-away', 'under-pressure',
    ]);
  });
});
