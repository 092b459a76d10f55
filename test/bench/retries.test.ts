/** The retries of the load, and that they are those of `docs/clients.md`. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Exchange } from '../../bench/replay/http-client.ts';
import { againAfter, DOCUMENTED_RULES, Retries, RetryCounts } from '../../bench/replay/retries.ts';
import { ERRORS } from '../../src/errors.ts';

const page = readFileSync(new URL('../../docs/clients.md', import.meta.url), 'utf8');

const problem = (status: number, code: string, more = '') => ({
  status, head: '\r\n', body: `{"status":${status},"code":"${code}"${more}}`,
});

describe('docs/clients.md', () => {
  const rows = page.split('\n').filter((line) => line.startsWith('| ') && line.includes('`'));
  const again = rows.filter((row) => /\| (?:yes|once)/.test(row)).join('\n');
  const not = rows.filter((row) => /\| no/.test(row)).join('\n');

  test('says of every retryable code whether it is asked again without asking anybody', () => {
    for (const [code, { retryable }] of Object.entries(ERRORS)) {
      const said = [again, not].filter((text) => text.includes(`\`${code}\``)).length;
      expect(said, code).toBe(retryable ? 1 : 0);
    }
  });

  test('is what the load does', () => {
    for (const [code, { status }] of Object.entries(ERRORS)) {
      const isAsked = againAfter(status, problem(status, code).body, undefined) !== undefined;
      // A fault of the sidecar must show.
      expect(isAsked, code).toBe(again.includes(`\`${code}\``) && code !== 'internal');
    }
    const { baseMs, capMs, budgetMs } = DOCUMENTED_RULES;
    expect(page).toContain(`zero to ${baseMs} ms`);
    expect(page).toContain(`to ${capMs / 1_000} s at most`);
    expect(page).toContain(`a request ${budgetMs / 1_000} s from its first attempt`);
  });
});

describe('a request that is sent again', () => {
  function sent() {
    const counts = new RetryCounts();
    const retries = new Retries(DOCUMENTED_RULES, { next: () => 0.5 }, counts);
    const outcomes: string[] = [];
    const first: Exchange = {
      text: 'PUT', sentAt: 1_000,
      onReply: ({ status }, at) => void outcomes.push(`${status} at ${at}`),
      onLost: (at) => void outcomes.push(`lost at ${at}`),
    };
    return { counts, retries, outcomes, attempt: retries.wrap(first) };
  }

  test('comes when it was told to, with the same bytes, and only its last answer is shown', () => {
    const { counts, retries, outcomes, attempt } = sent();
    attempt.onReply(problem(503, 'recovering', ',"retryAfterMs":1500'), 1_100);
    expect([retries.due(2_599), retries.oldestSentAt]).toEqual([undefined, 1_000]);
    const second = retries.due(2_600)!;
    expect([second.text, second.sentAt, outcomes]).toEqual(['PUT', 2_600, []]);
    second.onReply({ status: 201, head: '\r\n', body: '' }, 2_700);
    expect(outcomes).toEqual(['201 at 2700']);
    expect([counts.hidden, counts.failed, counts.longestMs]).toEqual([{ recovering: 1 }, {}, 1_700]);
    expect([retries.oldestSentAt, retries.waiting]).toEqual([Infinity, 0]);
  });

  test('waits longer each time its connection breaks, up to a bound, and fails when its time is over', () => {
    const { counts, retries, outcomes, attempt } = sent();
    const pauses: number[] = [];
    let now = 1_000;
    for (let exchange: Exchange | undefined = attempt; exchange !== undefined;) {
      exchange.onLost(now, true);
      const since = now;
      exchange = undefined;
      while (retries.waiting > 0 && exchange === undefined) exchange = retries.due(++now);
      if (exchange !== undefined) pauses.push(now - since);
    }
    expect(pauses.slice(0, 7)).toEqual([25, 50, 100, 200, 400, 800, 1_000]);
    expect(Math.max(...pauses)).toBe(1_000);
    expect(outcomes).toEqual([`lost at ${now}`]);
    expect(now).toBeLessThanOrEqual(31_000);
    expect(counts.failed).toEqual({ 'connection broke': 1 });
  });

  test('is not, where the answer is final', () => {
    const { counts, outcomes, attempt } = sent();
    attempt.onReply(problem(412, 'version-mismatch'), 1_100);
    expect([outcomes, counts.hidden]).toEqual([['412 at 1100'], {}]);
  });
});
