/**
 * Many seeds on several lanes. Each lane takes the next seed when it is done with one, so what runs
 * where differs from time to time; what comes of a seed does not, and some are run twice to see
 * that.
 */
import type { Plan } from '../faults/plan.ts';
import type { Coverage, Found, Outcome } from '../outcome.ts';
import { addCoverage, NO_COVERAGE } from './coverage.ts';
import type { Lane } from './lane.ts';

export interface Failure {
  readonly plan: Plan;
  readonly found: Found;
}

export interface CampaignSettings {
  readonly from: number;
  readonly seeds: number;
  readonly planOf: (seed: number) => Plan;
  readonly openLane: () => Lane;
  readonly lanes: number;
  /** Each so many seeds one is run twice. */
  readonly twiceEvery: number;
  /** It stops when so many have failed. */
  readonly failuresMax: number;
  /** Real time, from anywhere, in milliseconds. */
  readonly clock: () => number;
  /** After every seed. */
  readonly onProgress?: (progress: Progress) => void;
  /** Ends it with what is known by then. */
  readonly signal?: AbortSignal;
}

export interface Progress {
  /** Run to their end. */
  readonly seeds: number;
  readonly seedsAsked: number;
  readonly events: number;
  readonly virtualMs: number;
  readonly realMs: number;
  readonly coverage: Coverage;
  /** By seed. */
  readonly failures: readonly Failure[];
}

export async function runCampaign(settings: CampaignSettings): Promise<Progress> {
  const { from, seeds, lanes, twiceEvery, failuresMax, signal, clock } = settings;
  const began = clock();
  const last = from + seeds - 1;
  let next = from;
  let done = 0;
  let events = 0;
  let virtualMs = 0;
  let coverage = NO_COVERAGE;
  const failures: Failure[] = [];

  const progress = (): Progress => ({
    seeds: done, seedsAsked: seeds, events, virtualMs, coverage,
    realMs: clock() - began,
    failures: [...failures].sort((one, other) => one.plan.seed - other.plan.seed),
  });
  const over = (): boolean =>
    next > last || failures.length >= failuresMax || signal?.aborted === true;

  const work = async (lane: Lane): Promise<void> => {
    while (!over()) {
      const plan = settings.planOf(next);
      const twice = twiceEvery > 0 && (next - from) % twiceEvery === 0;
      next += 1;
      const outcome = await (twice ? runTwice(plan, lane.run) : lane.run(plan));
      if (outcome === undefined) return;
      done += 1;
      events += outcome.events;
      virtualMs += outcome.virtualMs;
      coverage = addCoverage(coverage, outcome.coverage);
      if (outcome.found !== undefined) failures.push({ plan: outcome.plan, found: outcome.found });
      settings.onProgress?.(progress());
    }
  };

  const open = Array.from({ length: Math.min(lanes, seeds) }, settings.openLane);
  const closeAll = (): Promise<unknown> => Promise.all(open.map((lane) => lane.close()));
  const interrupt = (): void => void closeAll();
  signal?.addEventListener('abort', interrupt);
  try {
    await Promise.all(open.map(work));
  } finally {
    signal?.removeEventListener('abort', interrupt);
    await closeAll();
  }
  return progress();
}

/** The outcome of the first run, or that the second was another one. */
export async function runTwice<O extends Outcome>(
  plan: Plan,
  run: (plan: Plan) => Promise<O | undefined>,
): Promise<O | undefined> {
  const first = await run(plan);
  if (first === undefined || first.found !== undefined) return first;
  const second = await run(plan);
  if (second === undefined) return undefined;
  if (second.hash === first.hash) return first;
  const detail = `Two runs of it differ: ${first.hash} and ${second.hash}`;
  return { ...first, found: { invariant: 'determinism', detail, evidence: [], atMs: 0 } };
}
