/**
 * `leasehold simulate`, behind the command line: runs seeds or a scenario, shows how far it is, and
 * of what fails the smallest plan, its timeline and how to see it again.
 */
import { nearest } from '../../../src/config/nearest.ts';
import type { SimulateOptions, Simulator, SimulatorIo } from '../../../src/cli/simulate-command.ts';
import { FAULTS } from '../faults/catalogue.ts';
import { type Plan, planOf } from '../faults/plan.ts';
import { type Failure, type Progress, runCampaign, runTwice } from './campaign.ts';
import { INVARIANTS } from './invariants.ts';
import type { Lane } from './lane.ts';
import { coverageLines, progressLine, ratioOf, summaryLines } from './report.ts';
import { replayCommand, replayText } from './replay-text.ts';
import { parseScenario, planOfScenario, type Scenario, ScenarioError, sidecarsOf } from './scenario-file.ts';
import { shrink } from './shrink.ts';
import { timeline } from './timeline.ts';
import { workerLane } from './worker-lane.ts';

const TWICE_EVERY = 50;
/** With `--keep-going`: who finds more has other things to do. */
const FAILURES_MAX = 50;
const SHRINK_ATTEMPTS_MAX = 400;
/** A terminal is rewritten at most so often; elsewhere a line is a line. */
const REWRITE_MS = 200;
const LINE_MS = 10_000;

/** What the command line imports. */
export const simulator: Simulator = { list, simulate };

function list(json: boolean): string {
  const faults = FAULTS.map(({ kind, strikes, what }) => ({ kind, strikes, what }));
  if (json) return JSON.stringify({ faults, invariants: INVARIANTS }, undefined, 2);
  return [
    'Faults:',
    ...faults.map(({ kind, strikes, what }) => `  ${kind} (${strikes}): ${what}`),
    '',
    'Invariants:',
    ...INVARIANTS.map(({ name, what, where }) => `  ${name}: ${what} (${where})`),
  ].join('\n');
}

/** What was wrong with how it was called, or how many failures there were. */
export async function simulate(
  options: SimulateOptions,
  io: SimulatorIo,
  signal: AbortSignal,
  openLane: () => Lane = () => workerLane(),
): Promise<number | string> {
  const unknown = options.faults?.find((kind) => !FAULTS.some((fault) => fault.kind === kind));
  if (unknown !== undefined) {
    const meant = nearest(unknown, FAULTS.map(({ kind }) => kind));
    return `There is no fault "${unknown}"; ${meant === undefined ? '--list shows all' : `did you mean ${meant}?`}`;
  }
  let scenario: Scenario | undefined;
  try {
    scenario =
      options.scenario === undefined
        ? undefined
        : parseScenario(options.scenario.text, { faults: FAULTS, sidecars: options.sidecars });
  } catch (error) {
    if (error instanceof ScenarioError) return error.message;
    throw error;
  }
  // A file that names its seed is one run, unless others are asked for.
  const from = options.from ?? scenario?.seed ?? 1;
  const seeds = options.seeds ?? (scenario?.seed === undefined ? options.seedsDefault : 1);
  const planned = (seed: number): Plan => {
    if (scenario === undefined) {
      const { sidecars, faults: kinds } = options;
      return planOf(seed, { sidecars, ...(kinds === undefined ? {} : { kinds }) });
    }
    const drawn = planOf(seed, { sidecars: sidecarsOf(scenario) ?? options.sidecars });
    return planOfScenario(scenario, drawn, FAULTS);
  };
  const progress = await runCampaign({
    from, seeds,
    planOf: planned,
    openLane,
    lanes: options.workers,
    twiceEvery: TWICE_EVERY,
    failuresMax: options.keepGoing ? FAILURES_MAX : 1,
    clock: () => performance.now(),
    onProgress: teller(io),
    signal,
  });
  io.progress?.('');
  const lane = openLane();
  try {
    await tell(progress, options, io, signal, lane);
  } finally {
    await lane.close();
  }
  return progress.failures.length;
}

/** Tells now and then how far it is. */
function teller(io: SimulatorIo): (progress: Progress) => void {
  let toldMs = 0;
  return (progress) => {
    const { progress: rewrite } = io;
    if (progress.realMs - toldMs < (rewrite === undefined ? LINE_MS : REWRITE_MS)) return;
    toldMs = progress.realMs;
    (rewrite ?? io.tell)(progressLine(progress));
  };
}

async function tell(
  progress: Progress,
  options: SimulateOptions,
  io: SimulatorIo,
  signal: AbortSignal,
  lane: Lane,
): Promise<void> {
  const { failures, coverage, seeds, events, virtualMs, realMs } = progress;
  const explained: object[] = [];
  for (const failure of failures) {
    const { plan, lines, replay } = await explain(failure, options, lane, io, signal);
    if (options.json) {
      const { seed } = failure.plan;
      explained.push({ seed, ...failure.found, replay, plan: failure.plan, shrunk: plan });
    } else await io.write(`${lines.join('\n')}\n\n`);
  }
  if (options.json) {
    const figures = { seeds, events, virtualMs, realMs, ratio: ratioOf(progress) };
    await io.write(`${JSON.stringify({ ...figures, coverage, failures: explained }, undefined, 2)}\n`);
    return;
  }
  // One run, or those before the first that failed, show little of what there is.
  const showsCoverage = progress.seedsAsked > 1 && (failures.length === 0 || options.keepGoing);
  const covered = showsCoverage ? coverageLines(progress, FAULTS) : [];
  await io.write(`${[...covered, ...summaryLines(progress)].join('\n')}\n`);
}

interface Explained {
  readonly plan: Plan;
  readonly lines: readonly string[];
  readonly replay: string;
}

async function explain(
  { plan, found }: Failure,
  options: SimulateOptions,
  lane: Lane,
  io: SimulatorIo,
  signal: AbortSignal,
): Promise<Explained> {
  const replay = replayCommand(plan.seed, {
    sidecars: options.sidecars, kinds: options.faults, scenario: options.scenario?.path,
  });
  // A run that never ends costs a minute each time: it is not tried again and again.
  const attemptsMax = found.invariant === 'no-hang' || !options.shrinks ? 0 : SHRINK_ATTEMPTS_MAX;
  io.tell(`Seed ${plan.seed}: ${found.invariant} does not hold; looking for a shorter schedule`);
  const judged = (one: Plan) => (found.invariant === 'determinism' ? runTwice(one, lane.run) : lane.run(one));
  const shortest = await shrink(plan, found, judged, { attemptsMax, signal });
  const again = found.invariant === 'no-hang' ? undefined : await lane.run(shortest, { keepsLines: true });
  const shown = timeline(again?.lines ?? [], again?.found ?? found, {
    colours: io.colours, whole: options.whole,
  });
  return {
    plan: shortest,
    replay,
    lines: [...shown, '', ...replayText(replay, { from: plan, to: shortest }, FAULTS)],
  };
}
