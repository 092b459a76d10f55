import { describe, expect, test } from 'vitest';
import { Histogram } from '../../src/measure/histogram.ts';
import type { Family, Instrument } from '../../src/metrics/instrument.ts';
import { prometheusName } from '../../src/metrics/prometheus-name.ts';
import { prometheusText } from '../../src/metrics/prometheus-text.ts';

function instrument(changes: Partial<Instrument>): Instrument {
  return { kind: 'gauge', unit: '{thing}', description: 'Things.', countedIn: '', ...changes };
}

describe('the name', () => {
  test.each([
    ['a.live', { unit: '{thing}' }, 'a_live'],
    ['a.used', { unit: '1' }, 'a_used_ratio'],
    ['a.age', { unit: 's' }, 'a_age_seconds'],
    ['a.size', { unit: 'By' }, 'a_size_bytes'],
    ['a.asked', { kind: 'counter', unit: '{thing}' }, 'a_asked_total'],
    ['a.time', { kind: 'counter', unit: 's' }, 'a_time_seconds_total'],
    ['a.duration', { kind: 'histogram', unit: 's' }, 'a_duration_seconds'],
    ['a.time', { kind: 'counter', unit: 's', prometheusName: 'b' }, 'b'],
  ] as const)('of %s with %j is %3$s', (name, changes, expected) => {
    expect(prometheusName(name, instrument(changes))).toBe(expected);
  });
});

describe('the text', () => {
  test('has help, type and a line for each series', () => {
    const asked: Family = {
      name: 'a.asked',
      instrument: instrument({ kind: 'counter', labels: { route: '', code: '' } }),
      points: [{ labels: ['GET /x', '200'], value: 3 }, { labels: ['none', '404'], value: 1 }],
    };
    const live: Family = { name: 'a.live', instrument: instrument({}), points: [{ labels: [], value: 0.5 }] };
    expect(prometheusText([asked, live])).toBe(
      [
        '# HELP a_asked_total Things.', '# TYPE a_asked_total counter',
        'a_asked_total{route="GET /x",code="200"} 3', 'a_asked_total{route="none",code="404"} 1',
        '# HELP a_live Things.', '# TYPE a_live gauge', 'a_live 0.5', '',
      ].join('\n'),
    );
  });

  test('tells a histogram in seconds, with running counts', () => {
    const value = new Histogram([5, 1_000]);
    for (const ms of [1, 2, 500, 7_000]) value.add(ms);
    const took: Family = {
      name: 'a.took',
      instrument: instrument({ kind: 'histogram', unit: 's', labels: { route: '' } }),
      points: [{ labels: ['r'], value }],
    };
    expect(prometheusText([took]).split('\n').slice(2)).toEqual([
      'a_took_seconds_bucket{route="r",le="0.005"} 2',
      'a_took_seconds_bucket{route="r",le="1"} 3',
      'a_took_seconds_bucket{route="r",le="+Inf"} 4',
      'a_took_seconds_sum{route="r"} 7.503',
      'a_took_seconds_count{route="r"} 4',
      '',
    ]);
  });

  test('escapes what would end a label or a line', () => {
    const family: Family = {
      name: 'a', instrument: instrument({ description: 'One\\two\nlines.', labels: { name: '' } }),
      points: [{ labels: ['a"b\\c\nd'], value: 1 }],
    };
    expect(prometheusText([family])).toBe(
      '# HELP a One\\\\two\\nlines.\n# TYPE a gauge\na{name="a\\"b\\\\c\\nd"} 1\n',
    );
  });
});
