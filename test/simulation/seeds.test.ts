/**
 * Thousands of seeds in every run of the tests: nothing that must hold breaks, everything that can
 * go wrong did, and a seed is the same every time.
 */
import { performance } from 'node:perf_hooks';
import { expect, test } from 'vitest';
import { FAILPOINTS } from '../../src/journal/failpoint.ts';
import { FAULTS } from './faults/catalogue.ts';
import { planOf } from './faults/plan.ts';
import { runCampaign } from './runner/campaign.ts';
import { coverageLines, summaryLines } from './runner/report.ts';
import { replayCommand } from './runner/replay-text.ts';
import { workerLane } from './runner/worker-lane.ts';

const SEEDS = 2_000;
const SIDECARS = 3;
/** What a small build machine has cores for. */
const LANES = 2;
const PATIENCE_MS = 60 * 60_000;

test(
  'whole sidecars hold every invariant, through every fault and failpoint',
  async () => {
    const progress = await runCampaign({
      from: 1, seeds: SEEDS, lanes: LANES,
      planOf: (seed) => planOf(seed, { sidecars: SIDECARS }),
      openLane: () => workerLane(),
      twiceEvery: 50,
      failuresMax: 5,
      clock: () => performance.now(),
    });
    process.stdout.write(`${[...coverageLines(progress, FAULTS), ...summaryLines(progress)].join('\n')}\n`);
    const failures = progress.failures.map(
      ({ plan, found }) =>
        `${replayCommand(plan.seed, { sidecars: SIDECARS })}: ${found.invariant}: ${found.detail}`,
    );
    expect(failures).toEqual([]);
    expect(progress.seeds).toBe(SEEDS);
    const { faults, failpoints } = progress.coverage;
    expect(FAULTS.map(({ kind }) => kind).filter((kind) => faults[kind] === undefined)).toEqual([]);
    expect(FAILPOINTS.filter((name) => failpoints[name] === undefined)).toEqual([]);
  },
  PATIENCE_MS,
);
