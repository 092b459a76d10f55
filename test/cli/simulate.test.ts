import { describe, expect, test } from 'vitest';
import type { SimulateOptions, Simulator } from '../../src/cli/simulate-command.ts';
import { leasehold } from './support.ts';

/** Answers with `came`, and remembers what it was asked. */
function simulatorThat(came: number | string): { readonly asked: SimulateOptions[]; readonly open: () => Promise<Simulator> } {
  const asked: SimulateOptions[] = [];
  return {
    asked,
    open: async () => ({
      list: (json) => (json ? '[]' : 'everything there is'),
      simulate: async (options) => {
        asked.push(options);
        return came;
      },
    }),
  };
}

describe('simulating', () => {
  test('hands on what was asked, with defaults for the rest', async () => {
    const { asked, open } = simulatorThat(0);
    expect(await leasehold(['simulate'], { simulator: open })).toMatchObject({ code: 0, err: '' });
    expect(asked).toEqual([
      {
        from: undefined, seeds: undefined, seedsDefault: 1_000, sidecars: 3, faults: undefined,
        scenario: undefined, workers: expect.any(Number), keepGoing: false, shrinks: true, whole: false,
        json: false,
      },
    ]);
    const argv = '--seeds 20 --from 7 --sidecars 2 --faults kill,loss --workers 1 --keep-going --no-shrink --json';
    await leasehold(['simulate', ...argv.split(' ')], { simulator: open });
    expect(asked[1]).toMatchObject({
      from: 7, seeds: 20, sidecars: 2, faults: ['kill', 'loss'], workers: 1, keepGoing: true, shrinks: false,
      json: true,
    });
  });

  test('one seed is that one alone', async () => {
    const { asked, open } = simulatorThat(0);
    await leasehold(['simulate', '--seed', '42'], { simulator: open });
    expect(asked).toMatchObject([{ from: 42, seeds: 1 }]);
  });

  test('reads the scenario', async () => {
    const { asked, open } = simulatorThat(0);
    const files = { 'split.yaml': 'strikes: []' };
    await leasehold(['simulate', '--scenario', 'split.yaml'], { simulator: open, files });
    expect(asked).toMatchObject([{ scenario: { path: 'split.yaml', text: 'strikes: []' } }]);
    expect(await leasehold(['simulate', '--scenario', 'none.yaml'], { simulator: open, files })).toMatchObject({
      code: 2, err: 'Cannot read the scenario: ENOENT: none.yaml',
    });
  });

  test('exits with 1 when something was found', async () => {
    const { code, err } = await leasehold(['simulate'], { simulator: simulatorThat(2).open });
    expect({ code, err }).toEqual({ code: 1, err: '2 seeds failed' });
  });

  test('exits with 2 where the simulator could not make sense of it', async () => {
    const { open } = simulatorThat('There is no fault "x"');
    expect(await leasehold(['simulate'], { simulator: open })).toMatchObject({ code: 2, err: 'There is no fault "x"' });
  });

  test('says so where there is no simulator', async () => {
    const { code, err } = await leasehold(['simulate', '--list']);
    expect(code).toBe(69);
    expect(err).toMatch(/^This installation has no simulator/);
  });

  test('lists what there is', async () => {
    const { open } = simulatorThat(0);
    expect((await leasehold(['simulate', '--list'], { simulator: open })).out).toBe('everything there is\n');
    expect((await leasehold(['simulate', '--list', '--json'], { simulator: open })).out).toBe('[]\n');
  });

  test.each([
    [['--seeds', '0'], /from 1 to/],
    [['--sidecars', '10'], /from 1 to 9/],
    [['--seed', '1', '--seeds', '5'], /cannot be used with/],
    [['--scenario', 'x', '--faults', 'kill'], /cannot be used with/],
    [['--from', 'x'], /whole number/],
  ])('refuses %j', async (argv, reason) => {
    const { code, err } = await leasehold(['simulate', ...argv], { simulator: simulatorThat(0).open });
    expect(code).toBe(2);
    expect(err).toMatch(reason);
  });
});
