import { expect, test } from 'vitest';
import { FAULTS } from '../faults/catalogue.ts';
import { neighbourAt, planWith, strikeAt } from './plans.ts';
import { replayCommand, replayText } from './replay-text.ts';
import { parseScenario, planOfScenario } from './scenario-file.ts';

test('the command that replays a seed says all that the seed does not', () => {
  expect(replayCommand(123, { sidecars: 3 })).toBe('leasehold simulate --seed 123 --sidecars 3');
  expect(replayCommand(9, { sidecars: 2, kinds: ['kill', 'loss'] })).toBe(
    'leasehold simulate --seed 9 --sidecars 2 --faults kill,loss',
  );
  expect(replayCommand(9, { sidecars: 2, scenario: "it's mine.yaml" })).toBe(
    "leasehold simulate --seed 9 --sidecars 2 --scenario 'it'\\''s mine.yaml'",
  );
});

test('the shrunk schedule is told as lines, and as a file that gives the same plan', () => {
  const from = planWith({ strikes: Array.from({ length: 9 }, (_, index) => strikeAt(index, 'kill')) });
  const to = planWith({
    seed: 4,
    neighbours: [neighbourAt('c4', 's1')],
    strikes: [strikeAt(1_500, 'pause', 's1', { forMs: 800 }), strikeAt(2_000, 'stall', 's1', { detail: { ms: 30 } })],
  });
  const lines = replayText('leasehold simulate --seed 4 --sidecars 3', { from, to }, FAULTS);
  expect(lines).toEqual(expect.arrayContaining([
    '  leasehold simulate --seed 4 --sidecars 3',
    'The shortest schedule found that fails so: 2 faults, 1 client, 1 sidecar, 10.0 s, from 9 faults, 0 clients, 1 sidecar, 10.0 s.',
    '     1.500  pause s1 for 0.800 s',
    '     2.000  stall s1 ms=30',
  ]));
  const file = lines.slice(lines.findIndex((line) => line.startsWith('As a file')) + 1);
  const scenario = parseScenario(file.map((line) => line.slice(2)).join('\n'), { faults: FAULTS, sidecars: 3 });
  expect(planOfScenario(scenario, planWith({ seed: scenario.seed! }), FAULTS)).toEqual(to);
});
