import { describe, expect, test } from 'vitest';
import { CLASSES, type RequestClass } from '../../bench/overload/neighbours.ts';
import { Releasable } from '../../bench/overload/phase.ts';
import { plotOf, ticksOf } from '../../bench/overload/plot.ts';
import { nominalSince } from '../../bench/overload/recovery.ts';
import { ReplyReader } from '../../bench/overload/reply-reader.ts';
import { type ClassReport, perClass, type PhaseReport, STEP_MS, Tally } from '../../bench/overload/tally.ts';
import { type OverloadRun, rowsOf, slope } from '../../bench/overload/verdict.ts';
import { verdictOf } from '../../bench/row.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}';

function refusal(headers: string, problem: object, status = 503): string {
  const body = JSON.stringify(problem);
  return `HTTP/1.1 ${status} No\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;
}

const HONEST = refusal('Retry-After: 2\r\nLeasehold-Pressure: level=high; source=loop; fill=0.83\r\n', {
  code: 'under-pressure',
  retryAfterMs: 1_400,
});

describe('the reader of replies', () => {
  test('knows the end of a reply wherever it is cut', () => {
    for (let cut = 1; cut < HONEST.length; cut += 1) {
      const reader = new ReplyReader();
      expect(reader.push(HONEST.slice(0, cut))).toBe(false);
      expect(reader.push(HONEST.slice(cut))).toBe(true);
      expect(reader).toMatchObject({ status: 503, retryAfterS: 2, retryAfterMs: 1_400, level: 'high' });
    }
  });

  test('forgets the reply before', () => {
    const reader = new ReplyReader();
    reader.push(HONEST);
    expect(reader.push(OK)).toBe(true);
    expect(reader).toMatchObject({
      status: 200, retryAfterS: undefined, retryAfterMs: undefined, level: 'nominal', body: '',
    });
    expect(reader.push('HTTP/1.1 204 No Content\r\nETag: "1"\r\n\r\n')).toBe(true);
  });

  test.each([
    ['more than one reply', OK + OK],
    ['a reply without a length', 'HTTP/1.1 200 OK\r\n\r\n'],
    ['something else', 'SSH-2.0-x\r\n\r\n'],
    ['endless headers', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(20_000)}`],
  ])('refuses %s', (_what, text) => {
    expect(() => new ReplyReader().push(text)).toThrow(/^Cannot read a reply/);
  });
});

describe('what may be released', () => {
  test('is what was granted lately, each once, and then what was provided', () => {
    const releasable = new Releasable();
    releasable.provide(1, 3);
    releasable.granted('old', 0);
    releasable.granted('one', 9_000);
    releasable.granted('two', 9_500);
    expect([releasable.take(10_000), releasable.take(10_000)]).toEqual(['two', 'one']);
    expect([1, 2, 3].map(() => releasable.take(10_000))).toEqual(['spare-00000001', 'spare-00000002', undefined]);
  });
});

describe('a tally', () => {
  function told(...texts: string[]): ClassReport {
    const tally = new Tally();
    const reader = new ReplyReader();
    const now = performance.now();
    for (const text of texts) {
      tally.due('grant', now, now);
      reader.push(text);
      tally.replied('grant', now, reader, now + 5);
    }
    return tally.report(STEP_MS).byClass.grant;
  }

  test('tells done, refused and failed apart', () => {
    const report = told(OK, HONEST, refusal('', { code: 'internal' }, 500), HONEST);
    expect(report).toMatchObject({ due: 4, ok: 1, refused: 2, failed: 1, usable: 2 });
    expect(report.firstFailure).toContain('500');
    expect(report.p50Ms).toBeCloseTo(5, 0);
  });

  test('tells how far apart they are told to come back', () => {
    const spreadOf = (waits: readonly number[]): number => {
      const tally = new Tally();
      const reader = new ReplyReader();
      for (const retryAfterMs of waits) {
        const now = performance.now();
        reader.push(refusal('Retry-After: 2\r\n', { retryAfterMs }));
        tally.replied('grant', now, reader, now);
      }
      return tally.report(STEP_MS).steps[0]!.spread;
    };
    const waits = Array.from({ length: 101 }, (_, index) => 1_000 + 10 * index);
    expect(spreadOf(waits)).toBeCloseTo(1.9 / 1.1, 1);
    expect(spreadOf(waits.map(() => 1_000))).toBeCloseTo(1, 1);
    expect(spreadOf(waits.slice(0, 10))).toBe(0);
  });

  test.each([
    ['without a header', refusal('', { retryAfterMs: 100 })],
    ['without milliseconds', refusal('Retry-After: 1\r\n', {})],
    ['at once', refusal('Retry-After: 0\r\n', { retryAfterMs: 0 })],
    ['in an hour', refusal('Retry-After: 3600\r\n', { retryAfterMs: 3_600_000 })],
    ['sooner by the header than by the milliseconds', refusal('Retry-After: 1\r\n', { retryAfterMs: 1_500 })],
    ['as a date', refusal('Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n', { retryAfterMs: 100 })],
  ])('finds no use in being told to come back %s', (_how, text) => {
    expect(told(text)).toMatchObject({ refused: 1, usable: 0 });
  });
});

describe('the time of return', () => {
  test('is when it was nominal for good', () => {
    const at = (...values: number[]) => nominalSince(values.map((value, index) => ({ at: index, value })));
    expect(at(2, 1, 0, 0)).toBe(2);
    expect(at(0, 0, 1, 0)).toBe(3);
    expect(at(0, 0)).toBe(0);
    expect(at(0, 1)).toBeUndefined();
  });
});

const PEAK = 1_000;
const STEPS = 40;

function classReport(due: number, changed: Partial<ClassReport> = {}): ClassReport {
  return {
    due, withheld: 0, givenUp: 0, ok: due, refused: 0, failed: 0, lost: 0, usable: 0,
    p50Ms: 1, p99Ms: 4, maxMs: 9, retryAfterMs: { p50: 0, p99: 0 }, ...changed,
  };
}

function phase(
  startedAt: number,
  perS: number,
  donePerS: number,
  changed: Partial<Record<RequestClass, Partial<ClassReport>>> = {},
  spread = 1.7,
): PhaseReport {
  const durationMs = STEPS * STEP_MS;
  const due = (perS * durationMs) / 1_000 / CLASSES.length;
  return {
    startedAt,
    durationMs,
    byClass: perClass((kind) => classReport(due, changed[kind])),
    steps: Array.from({ length: STEPS }, () => ({
      due: (perS * STEP_MS) / 1_000,
      ok: (donePerS * STEP_MS) / 1_000,
      refused: perClass((kind) => (kind === 'grant' && donePerS < perS ? 100 : 0)),
      vitalP99Ms: 4,
      level: donePerS < perS ? 2 : 0,
      spread: donePerS < perS ? spread : 0,
    })),
    latenessP99Ms: 0.2,
  };
}

const REFUSED = { ok: 100, refused: 900, usable: 900, retryAfterMs: { p50: 150, p99: 199 } };

function run(changed: Partial<OverloadRun> = {}): OverloadRun {
  return {
    peak: { perS: PEAK, connections: 16, again: PEAK },
    costUs: perClass(() => 20),
    half: phase(0, PEAK / 2, PEAK / 2),
    overload: phase(20_000, PEAK * 2, PEAK, { grant: REFUSED }),
    processorShare: 1,
    waitedShare: 0,
    resident: Array.from({ length: STEPS }, (_, index) => ({ at: 20_000 + index * STEP_MS, value: 2e8 })),
    nominalAfterMs: 1_500,
    ...changed,
  };
}

function missed(changed: Partial<OverloadRun>): string[] {
  return rowsOf(run(changed)).filter((row) => verdictOf(row) === 'missed').map(({ what }) => what);
}

describe('the verdict', () => {
  test('misses nothing in a run as it should be', () => {
    expect(missed({})).toEqual([]);
    expect(rowsOf(run()).filter(({ bar }) => bar !== undefined)).toHaveLength(11);
  });

  const overload = (changed: Parameters<typeof phase>[3], done = PEAK, perS = 2 * PEAK): Partial<OverloadRun> => ({
    overload: phase(20_000, perS, done, { grant: REFUSED, ...changed }),
  });
  test.each<[string, Partial<OverloadRun>, RegExp]>([
    ['a load that was less than twice the peak', overload({}, PEAK, 1.5 * PEAK), /fell due/],
    ['a collapse', overload({}, 0.8 * PEAK), /done meanwhile/],
    ['a lost renewal', overload({ renew: { ok: 6_660, lost: 6 } }), /did not succeed/],
    ['a release nobody could send', overload({ release: { ok: 6_660, givenUp: 6 } }), /did not succeed/],
    ['slow renewals', overload({ renew: { p99Ms: 45 } }), /renewals, p99/],
    ['renewals that are slow as a rule', overload({ renew: { p50Ms: 42 } }), /renewals, p50/],
    ['slow releases', overload({ release: { p99Ms: 45 } }), /releases, p99/],
    ['one refusal that says nothing', overload({ grant: { ...REFUSED, usable: 899 } }), /usable/],
    ['everybody told to come back at once', { overload: phase(20_000, 2 * PEAK, PEAK, { grant: REFUSED }, 1) }, /jitter/],
    [
      'memory that grows',
      { resident: Array.from({ length: STEPS }, (_, index) => ({ at: 20_000 + index * STEP_MS, value: 2e8 * (1 + index / 100) })) },
      /resident/,
    ],
    ['a slow return', { nominalAfterMs: 6_000 }, /to nominal/],
    ['no return', { nominalAfterMs: undefined }, /to nominal/],
  ])('misses exactly %s', (_what, changed, row) => {
    expect(missed(changed)).toEqual([expect.stringMatching(row)]);
  });

  test('misses what the refusals should say when there are none', () => {
    expect(missed({ overload: phase(20_000, 2 * PEAK, PEAK, {}, 0) })).toHaveLength(2);
  });

  test('tells a slope from samples that scatter around it', () => {
    const samples = Array.from({ length: 100 }, (_, at) => ({ at, value: 3 * at + (at % 2 === 0 ? 1 : -1) }));
    expect(slope(samples)).toBeCloseTo(3, 2);
    expect(slope(samples.slice(0, 1))).toBe(0);
  });
});

describe('the plot', () => {
  const { half, overload, resident } = run();
  const plotted = {
    peakPerS: PEAK, phases: [half, overload], resident, nominalAt: 41_500,
    levels: [{ at: 40_000, value: 2 }, { at: 41_500, value: 0 }, { at: 43_500, value: 0 }],
  };

  test('shows every line, and when it was nominal again', () => {
    const svg = plotOf(plotted);
    for (const name of ['fell due', 'done', 'peak', 'grant', 'p99', 'resident', 'nominal after 1.5 s']) {
      expect(svg).toContain(`>${name}</text>`);
    }
    expect(plotOf({ ...plotted, nominalAt: undefined })).toContain('never nominal again');
  });

  test('is well-formed, and has no number that is none', () => {
    const svg = plotOf(plotted);
    const opened = svg.match(/<[a-z]+[^>]*>/g) ?? [];
    const closed = svg.match(/<\/[a-z]+>|\/>/g) ?? [];
    expect(opened.length).toBeGreaterThan(50);
    expect(closed).toHaveLength(opened.length);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  });

  test('keeps every point within its panel, however little there is to show', () => {
    const nothing = { ...plotted, phases: [phase(0, 0, 0)], resident: [], levels: [], nominalAt: undefined };
    for (const svg of [plotOf(plotted), plotOf(nothing)]) {
      const width = Number(/viewBox="0 0 (\d+)/.exec(svg)?.[1]);
      const height = Number(/viewBox="0 0 \d+ (\d+)/.exec(svg)?.[1]);
      const points = [...svg.matchAll(/[ML]([\d.-]+),([\d.-]+)/g)].map(([, x, y]) => [Number(x), Number(y)] as const);
      expect(points.length).toBeGreaterThan(0);
      expect(points.every(([x, y]) => x >= 0 && x <= width && y >= 0 && y <= height)).toBe(true);
    }
  });

  test.each([
    [0, 58_000, 4, [0, 20_000, 40_000]],
    [-15, 63, 12, [-10, 0, 10, 20, 30, 40, 50, 60]],
    [0, 0.7, 4, [0, 0.2, 0.4, 0.6]],
    [0, 0, 4, [0]],
  ])('has round ticks from %d to %d', (from, to, count, ticks) => {
    expect(ticksOf(from, to, count)).toEqual(ticks);
  });
});
