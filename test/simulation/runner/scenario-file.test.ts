import { describe, expect, test } from 'vitest';
import { FAULTS } from '../faults/catalogue.ts';
import { type Plan, planOf } from '../faults/plan.ts';
import { durationText, parseDuration } from './duration.ts';
import { planWith, strikeAt } from './plans.ts';
import { parseScenario, planOfScenario, ScenarioError, scenarioText, sidecarsOf } from './scenario-file.ts';

function planFrom(text: string, seed = 7): Plan {
  const scenario = parseScenario(text, { faults: FAULTS, sidecars: 3 });
  return planOfScenario(scenario, planOf(seed, { sidecars: sidecarsOf(scenario) ?? 3 }), FAULTS);
}

function complaintsOf(text: string): readonly string[] {
  try {
    parseScenario(text, { faults: FAULTS, sidecars: 3 });
  } catch (error) {
    if (error instanceof ScenarioError) return error.complaints;
    throw error;
  }
  return [];
}

describe('a plan', () => {
  test('written to a file and read back is the same, whatever the seed', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const plan = planOf(seed, { sidecars: 1 + (seed % 4) });
      expect(planFrom(scenarioText(plan, FAULTS), seed)).toEqual(plan);
    }
  });

  test('keeps a strike that lasts until everything is healed', () => {
    const plan = planWith({ strikes: [strikeAt(1_000, 'bus-away', 'bus', { forMs: 0 })] });
    const scenario = parseScenario(scenarioText(plan, FAULTS), { faults: FAULTS, sidecars: 3 });
    expect(planOfScenario(scenario, plan, FAULTS)).toEqual(plan);
  });
});

describe('a scenario file', () => {
  const written = `
sidecars: 2
strikes:
  - { at: 2s, kind: power-cut, where: s2 }
  - { at: 500, kind: partition, where: s1, for: 1.5s, server: ledger, direction: both }
`;

  test('says what strikes when; the rest is drawn from the seed', () => {
    const plan = planFrom(written);
    const { neighbours, changes } = planOf(7, { sidecars: 2 });
    expect(plan).toEqual({
      seed: 7, sidecars: ['s1', 's2'], neighbours, changes, chaosMs: 3_000,
      strikes: [
        { kind: 'partition', where: 's1', atMs: 500, forMs: 1_500, detail: { server: 'ledger', direction: 'both' } },
        { kind: 'power-cut', where: 's2', atMs: 2_000, forMs: 0, detail: {} },
      ],
    });
    expect(planFrom(written, 8).neighbours).not.toEqual(neighbours);
  });

  test('may leave out of a strike whatever can be drawn', () => {
    const text = 'strikes: [{ at: 1s, kind: partition, direction: back }]';
    const strike = planFrom(text).strikes[0]!;
    expect(strike).toMatchObject({ atMs: 1_000, where: expect.stringMatching(/^s[123]$/), detail: { direction: 'back' } });
    expect(['ledger', 'bus']).toContain(strike.detail['server']);
    expect(strike.forMs).toBeGreaterThan(0);
    expect(planFrom(text).strikes[0]).toEqual(strike);
  });

  test('may name who takes part', () => {
    const plan = planFrom(`
sidecars: [s1, s4]
neighbours: [{ name: c9, behaviour: watcher, sidecar: s4 }]
changes: { capacity: 0.5 }
chaosMs: 1m
strikes: [{ at: 0, kind: ledger-empty }]
`);
    expect(plan).toMatchObject({
      sidecars: ['s1', 's4'],
      neighbours: [{ name: 'c9', behaviour: 'watcher', sidecar: 's4' }],
      changes: { capacity: 0.5 }, chaosMs: 60_000,
      strikes: [{ kind: 'ledger-empty', where: 'ledger', forMs: 0 }],
    });
    expect(planFrom('neighbours: 4\nstrikes: []').neighbours.map(({ name, sidecar }) => [name, sidecar])).toEqual([
      ['c1', 's1'], ['c2', 's2'], ['c3', 's3'], ['c4', 's1'],
    ]);
  });

  test.each<[string, string, RegExp[]]>([
    ['no YAML', 'strikes: [', [/^line 1: Flow sequence/]],
    ['nothing', '', [/^line 1, strikes: must be a list of at most/]],
    ['a fault that is not known', 'seed: 1\nstrikes:\n  - { at: 1s, kind: powercut }', [
      /^line 3, strikes\[0\]\.kind: there is no fault "powercut"; did you mean power-cut\?$/,
    ]],
    ['one that nothing is near to', 'strikes:\n- { at: 1s, kind: meteorite }', [/known: kill, failpoint/]],
    ['an option that is not known', 'seeds: 1\nstrikes: []', [/^line 1, seeds: is not known here; did you mean seed\?$/]],
    ['a time that is none', 'strikes:\n- at: soon\n  kind: kill', [/^line 2, strikes\[0\]\.at: must be a duration.*, got "soon"$/]],
    ['a strike without a time', 'strikes:\n- kind: kill', [/^line 2, strikes\[0\]\.at: must be a duration: 1500, 1500ms, 1\.5s or 2m$/]],
    ['a sidecar that is not there', 'strikes:\n- { at: 1, kind: kill, where: s4 }', [/where: must be s1 or s2 or s3, got "s4"/]],
    ['a place that does not fit', 'strikes:\n- { at: 1, kind: bus-away, where: s1 }', [/where: must be bus, got "s1"/]],
    ['a length of what has none', 'strikes:\n- { at: 1, kind: kill, for: 2s }', [/for: must be left out: kill happens at once/]],
    ['a detail that is not known', 'strikes:\n- { at: 1, kind: partition, direktion: both }', [
      /strikes\[0\]\.direktion: there is no detail of partition "direktion"; did you mean direction\?/,
    ]],
    ['a value that is not known', 'strikes:\n- { at: 1, kind: failpoint, name: after-writ }', [/did you mean after-write\?/]],
    ['a value of another kind', 'strikes:\n- { at: 1, kind: stall, ms: long }', [/ms: must be a number, got "long"/]],
    ['a list for a value', 'strikes:\n- { at: 1, kind: stall, ms: [1] }', [/ms: must be a number, a text, true or false, got \[1\]/]],
    ['too many sidecars', 'sidecars: 10\nstrikes: []', [/^line 1, sidecars: must be a number from 1 to 9.*, got 10/]],
    ['a client without a home', 'strikes: []\nneighbours:\n- { name: c1, behaviour: editor, sidecar: s9 }', [
      /^line 3, neighbours\[0\]\.sidecar: there is no sidecar "s9"/,
    ]],
    ['a client that does what none does', 'strikes: []\nneighbours:\n- { name: c1, behaviour: poet, sidecar: s1 }', [
      /^line 3, neighbours\[0\]\.behaviour: must be .*editor/,
    ]],
    ['several things at once', 'strikes:\n- { at: 1, kind: kil }\n- { at: 1, kind: pauze }', [
      /^line 2, .*kill\?$/, /^line 3, .*pause\?$/,
    ]],
  ])('that has %s is refused, with line and field', (_, text, complaints) => {
    expect(complaintsOf(text)).toEqual(complaints.map((complaint) => expect.stringMatching(complaint)));
  });
});

describe('a duration', () => {
  test.each([
    [1_500, 1_500], ['1500', 1_500], ['1500ms', 1_500], ['1.5s', 1_500], ['2m', 120_000], [0, 0],
    ['-1s', undefined], ['1h', undefined], ['', undefined], ['1 s', undefined], [-1, undefined],
  ])('%j is %s ms', (text, durationMs) => {
    expect(parseDuration(text)).toBe(durationMs);
  });

  test('is written as it is read', () => {
    for (const durationMs of [0, 1, 999, 1_000, 1_001, 90_000]) {
      expect(parseDuration(durationText(durationMs))).toBe(durationMs);
    }
  });
});
