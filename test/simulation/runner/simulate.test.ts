import { describe, expect, test } from 'vitest';
import type { SimulateOptions } from '../../../src/cli/simulate-command.ts';
import type { Plan } from '../faults/plan.ts';
import { planOf } from '../faults/plan.ts';
import type { Lane } from './lane.ts';
import { foundAs, ranAs } from './plans.ts';
import { simulate, simulator } from './simulate.ts';

const DEFAULTS: SimulateOptions = {
  from: undefined, seeds: 20, seedsDefault: 1_000, sidecars: 3, faults: undefined, scenario: undefined,
  workers: 2, keepGoing: false, shrinks: true, whole: false, json: false,
};

/** Lanes whose runs fail where `fails` says; everything that was written and run. */
async function simulated(options: Partial<SimulateOptions>, fails: (plan: Plan) => boolean = () => false) {
  const plans: Plan[] = [];
  const told: string[] = [];
  const chunks: string[] = [];
  const openLane = (): Lane => ({
    run: async (plan, { keepsLines = false } = {}) => {
      plans.push(plan);
      const lines = keepsLines ? [{ atMs: 1_500, who: 'fault', what: 'kill s1' }] : [];
      return ranAs(plan, { lines, found: fails(plan) ? foundAs('capacity') : undefined });
    },
    close: async () => {},
  });
  const io = {
    write: async (chunk: string | Uint8Array) => void chunks.push(String(chunk)),
    tell: (line: string) => void told.push(line),
    progress: undefined,
    colours: false,
  };
  const signal = new AbortController().signal;
  const came = await simulate({ ...DEFAULTS, ...options }, io, signal, openLane);
  return { came, out: chunks.join(''), told, plans };
}

const hasKill = ({ strikes }: Plan): boolean => strikes.some(({ kind }) => kind === 'kill');
const withKill = Array.from({ length: 1_000 }, (_, index) => index + 1).find((seed) =>
  hasKill(planOf(seed, { sidecars: 3 })),
)!;

describe('simulating', () => {
  test('runs so many seeds from 1 on, and is content where all hold', async () => {
    const { came, out, plans } = await simulated({});
    expect(came).toBe(0);
    const seeds = [...new Set(plans.map(({ seed }) => seed))].sort((one, other) => one - other);
    expect(seeds).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    expect(out).toMatch(/^20 seeds: 2 000 events, 20\.0 s of virtual time/m);
    expect(out).toContain('Every invariant held');
    expect(out).toContain('Never struck: kill, ');
  });

  test('shows of the first that fails the shortest schedule, its timeline and how to see it again', async () => {
    const { came, out, told } = await simulated({ seeds: 1_000 }, hasKill);
    expect(came).toBe(1);
    expect(told).toEqual([`Seed ${withKill}: capacity does not hold; looking for a shorter schedule`]);
    expect(out).toContain('   1.500 >> fault     kill s1');
    expect(out).toContain('   5.000  capacity does not hold');
    expect(out).toContain(`leasehold simulate --seed ${withKill} --sidecars 3\n`);
    expect(out).toMatch(/fails so: 1 fault, 0 clients, 1 sidecar/);
    expect(out).toMatch(/^ {2}strikes:\n {4}- \{ at: \d+(?:ms|s), kind: kill, where: s\d \}$/m);
    expect(out).toContain(`1 found: capacity (seed ${withKill})`);
    expect(out).not.toContain('Never struck');
  });

  test('leaves it as it is where that is wanted', async () => {
    const { plans } = await simulated({ from: withKill, seeds: 1, shrinks: false }, hasKill);
    // Twice is for the hash: the first run of all fails, and once more for its lines.
    expect(plans).toEqual([planOf(withKill, { sidecars: 3 }), planOf(withKill, { sidecars: 3 })]);
  });

  test('goes on where it is told to, and gives all of it as JSON', async () => {
    const { came, out } = await simulated({ seeds: 1_000, keepGoing: true, shrinks: false, json: true }, hasKill);
    const document = JSON.parse(out);
    expect(document.failures.length).toBe(came);
    expect(document.failures[0]).toMatchObject({
      seed: withKill, invariant: 'capacity', replay: `leasehold simulate --seed ${withKill} --sidecars 3`,
    });
    expect(document).toMatchObject({ coverage: { faults: {} }, events: expect.any(Number), ratio: expect.any(Number) });
  });

  test('draws only the faults that are asked for', async () => {
    const { plans } = await simulated({ faults: ['pause', 'loss'] });
    const kinds = new Set(plans.flatMap(({ strikes }) => strikes.map(({ kind }) => kind)));
    expect([...kinds].sort()).toEqual(['loss', 'pause']);
    expect((await simulated({ faults: ['pauze'] })).came).toBe('There is no fault "pauze"; did you mean pause?');
  });

  test('plays a scenario with its own seed once, or with as many as are asked for', async () => {
    const scenario = { path: 'one.yaml', text: 'seed: 9\nsidecars: 2\nstrikes: [{ at: 1s, kind: kill, where: s2 }]' };
    const once = await simulated({ scenario, seeds: undefined });
    expect(new Set(once.plans.map(({ seed }) => seed))).toEqual(new Set([9]));
    expect(once.plans[0]).toMatchObject({ sidecars: ['s1', 's2'], strikes: [{ kind: 'kill', where: 's2', atMs: 1_000 }] });
    const often = await simulated({ scenario, from: 1, seeds: 3 });
    expect(new Set(often.plans.map(({ seed }) => seed))).toEqual(new Set([1, 2, 3]));
    const bad = await simulated({ scenario: { path: 'bad.yaml', text: 'strikes: [{ at: 1s, kind: kil }]' } });
    expect(bad.came).toMatch(/^The scenario is refused:\n {2}line 1, strikes\[0\]\.kind: .*did you mean kill/);
  });

  test('really runs, each seed in a thread', async () => {
    const chunks: string[] = [];
    const io = {
      write: async (chunk: string | Uint8Array) => void chunks.push(String(chunk)),
      tell: () => {}, progress: undefined, colours: false,
    };
    const options = { ...DEFAULTS, seeds: 2, workers: 1, json: true, shrinks: false, keepGoing: true };
    await simulator.simulate(options, io, new AbortController().signal);
    const { seeds, virtualMs, coverage } = JSON.parse(chunks.join(''));
    expect(seeds).toBe(2);
    expect(virtualMs).toBeGreaterThan(1_000);
    expect(Object.keys(coverage.answers).length).toBeGreaterThan(3);
  });
});
