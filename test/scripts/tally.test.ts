import { describe, expect, test } from 'vitest';
import { addUp, countVitest, summaryLine } from '../../scripts/tally.ts';

function report(counts: {
  passed?: number;
  failed?: number;
  pending?: number;
  files?: { status: string; assertionResults: { status: string }[] }[];
}): string {
  return JSON.stringify({
    numPassedTests: counts.passed ?? 0,
    numFailedTests: counts.failed ?? 0,
    numPendingTests: counts.pending ?? 0,
    numTodoTests: 0,
    testResults: counts.files ?? [],
  });
}

describe('the last line of `npm test`', () => {
  test('names the skipped only when there are any', () => {
    expect(summaryLine({ passed: 3, failed: 0, skipped: 0 })).toBe('3 passed, 0 failed');
    expect(summaryLine({ passed: 3, failed: 1, skipped: 2 })).toBe('3 passed, 1 failed, 2 skipped');
  });

  test('adds up what the parts found', () => {
    const check = { passed: 0, failed: 1, skipped: 0 };
    const tests = countVitest(report({ passed: 5, failed: 2, pending: 1 }), 1);
    expect(addUp([check, check, tests])).toEqual({ passed: 5, failed: 4, skipped: 1 });
  });

  test('a file that could not be loaded counts as failed', () => {
    const files = [
      { status: 'failed', assertionResults: [] },
      { status: 'failed', assertionResults: [{ status: 'failed' }, { status: 'passed' }] },
    ];
    expect(countVitest(report({ passed: 1, failed: 1, files }), 1).failed).toBe(2);
  });

  test('a run that failed without a failed test, or left no report, counts as failed', () => {
    expect(countVitest(report({ passed: 9 }), 1)).toEqual({ passed: 9, failed: 1, skipped: 0 });
    expect(countVitest(undefined, 0)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });
});
