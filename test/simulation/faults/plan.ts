/**
 * What a run is going to be like, drawn from its seed before it begins: who takes part and what
 * strikes when. Faults have weights of their own in every run, and many of them none at all: a run
 * with three kinds of trouble finds what a run with all of them hides (swarm testing: Groce, Zhang,
 * Eide, Chen & Regehr, ISSTA 2012).
 */
import type { ConfigChanges } from '../cluster/configuration.ts';
import { Chance } from '../kernel/chance.ts';
import { BEHAVIOURS, type BehaviourName } from '../neighbours/neighbour.ts';
import { FAULTS } from './catalogue.ts';
import type { Fault, Strike } from './fault.ts';

export interface NeighbourPlan {
  readonly name: string;
  readonly behaviour: BehaviourName;
  /** Where it is at home. */
  readonly sidecar: string;
}

export interface Plan {
  readonly seed: number;
  readonly sidecars: readonly string[];
  readonly neighbours: readonly NeighbourPlan[];
  readonly changes: ConfigChanges;
  /** How long things go wrong; then everything is healed. */
  readonly chaosMs: number;
  /** By time. */
  readonly strikes: readonly Strike[];
}

export interface PlanOptions {
  readonly sidecars: number;
  readonly chaosMs?: number;
  /** Only these kinds of faults. */
  readonly kinds?: readonly string[];
}

/** Most runs have this share of all kinds of faults, or less. */
const KINDS_SHARE = 0.4;
/** Trouble does not come alone: this share of strikes, or less, are followed by one soon, at the same place. */
const FOLLOWED_MAX = 0.7;
const FOLLOWS_MS = 600;

export function planOf(seed: number, options: PlanOptions): Plan {
  const chance = new Chance(seed).fork('plan');
  const sidecars = Array.from({ length: options.sidecars }, (_, index) => `s${index + 1}`);
  const chaosMs = options.chaosMs ?? Math.round(chance.between(3_000, 14_000));
  return {
    seed, sidecars, chaosMs,
    neighbours: neighboursOf(chance.fork('neighbours'), sidecars),
    changes: {
      ...(chance.happens(0.4) ? { mirror: chance.pick(['none', 'all'] as const) } : {}),
      capacity: chance.weighted([[1, 5], [0.25, 2], [0.1, 2]]),
      pullMs: chance.pick([200, 500, 1_200]),
      truthCheckMs: chance.pick([10_000, 120_000]),
      partitions: chance.pick([1, 1, 2]),
      snapshotAfterBytes: chance.pick([4_000, 12_000, 24_000, 1_000_000]),
    },
    strikes: strikesOf(chance.fork('strikes'), sidecars, chaosMs, options.kinds),
  };
}

/** How common each behaviour is differs from seed to seed, so that some runs are full of one kind. */
function neighboursOf(chance: Chance, sidecars: readonly string[]): NeighbourPlan[] {
  const names = Object.keys(BEHAVIOURS) as BehaviourName[];
  const weights = names.map((name) => [name, chance.wait(BEHAVIOURS[name].weight)] as const);
  return Array.from({ length: 1 + chance.integer(9) }, (_, index) => ({
    name: `c${index + 1}`,
    behaviour: chance.weighted(weights),
    sidecar: sidecars[index % sidecars.length]!,
  }));
}

function strikesOf(
  chance: Chance,
  sidecars: readonly string[],
  chaosMs: number,
  kinds: readonly string[] | undefined,
): Strike[] {
  const possible = FAULTS.filter(({ kind }) => kinds === undefined || kinds.includes(kind));
  const weights = weightsOf(chance, possible, kinds !== undefined);
  if (weights.length === 0) return [];
  const everyMs = chance.between(300, 3_000);
  const followed = chance.between(0, FOLLOWED_MAX);
  const strikes: Strike[] = [];
  const strike = (atMs: number, victim: string): void => {
    const fault = chance.weighted(weights);
    const { forMs, detail } = fault.draw(chance);
    strikes.push({
      kind: fault.kind, atMs: Math.round(atMs), forMs: Math.ceil(forMs), detail,
      where: fault.strikes === 'sidecar' ? victim : fault.strikes,
    });
    const nextMs = atMs + chance.wait(FOLLOWS_MS);
    if (chance.happens(followed) && nextMs < chaosMs) strike(nextMs, victim);
  };
  for (let atMs = chance.wait(everyMs); atMs < chaosMs; atMs += chance.wait(everyMs)) {
    strike(atMs, chance.pick(sidecars));
  }
  return strikes.sort((one, other) => one.atMs - other.atMs);
}

function weightsOf(
  chance: Chance,
  possible: readonly Fault[],
  all: boolean,
): (readonly [Fault, number])[] {
  const share = all ? 1 : KINDS_SHARE * chance.fraction() ** 1.5;
  return possible.flatMap((fault) => {
    const { weight = 1 } = fault;
    return chance.happens(share * weight) ? [[fault, chance.wait(weight)] as const] : [];
  });
}
