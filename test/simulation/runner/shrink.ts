/**
 * From a plan that fails to a small one that fails at the same invariant: delta debugging (Zeller &
 * Hildebrandt, IEEE TSE 2002) over the strikes, then over the clients, then sidecars that nothing
 * left in the plan names, then everything shorter. Whoever is left draws from a stream of chance of
 * their own, so taking one out often leaves the others doing what they did.
 */
import type { Strike } from '../faults/fault.ts';
import type { Plan } from '../faults/plan.ts';
import type { Found, Outcome } from '../outcome.ts';

export interface ShrinkOptions {
  /** Runs it may cost. */
  readonly attemptsMax: number;
  /** Ends it with the smallest that is known by then. */
  readonly signal?: AbortSignal;
}

/** Judges a plan; undefined: nobody knows. */
export type Run = (plan: Plan) => Promise<Pick<Outcome, 'found'> | undefined>;

export async function shrink(
  plan: Plan,
  found: Found,
  run: Run,
  { attemptsMax, signal }: ShrinkOptions,
): Promise<Plan> {
  let best = plan;
  let attempts = 0;
  const spent = (): boolean => attempts >= attemptsMax || signal?.aborted === true;
  /** Takes `smaller` for the best if it fails as the whole did. */
  const takes = async (smaller: Plan): Promise<boolean> => {
    if (spent()) return false;
    attempts += 1;
    const outcome = await run(smaller);
    if (outcome?.found?.invariant !== found.invariant) return false;
    best = smaller;
    return true;
  };

  const before = best.strikes.filter(({ atMs }) => atMs <= found.atMs);
  if (before.length < best.strikes.length) await takes({ ...best, strikes: before });
  for (let size = Number.POSITIVE_INFINITY; sizeOf(best) < size && !spent(); ) {
    size = sizeOf(best);
    await reduce(best.strikes, (strikes) => takes({ ...best, strikes }), spent);
    await reduce(best.neighbours, (neighbours) => takes({ ...best, neighbours }), spent);
    for (const name of best.sidecars) {
      if (best.sidecars.length === 1) break;
      if (best.strikes.some((strike) => isNamed(name, strike))) continue;
      await takes(without(name, best));
    }
    await shorten(
      best.chaosMs,
      1 + Math.max(0, ...best.strikes.map(({ atMs }) => atMs)),
      (chaosMs) => takes({ ...best, chaosMs }),
    );
    for (const [index, { forMs }] of best.strikes.entries()) {
      if (forMs === 0) continue;
      await shorten(forMs, 1, (shorter) => takes({ ...best, strikes: lasting(best, index, shorter) }));
    }
  }
  return best;
}

function sizeOf({ strikes, neighbours, sidecars, chaosMs }: Plan): number {
  return (
    1e6 * (strikes.length + neighbours.length + sidecars.length) +
    chaosMs + strikes.reduce((sum, { forMs }) => sum + forMs, 0)
  );
}

/**
 * The minimizing algorithm: leaves out all, then halves, quarters and so on, until no single item
 * can be left out.
 */
async function reduce<T>(
  items: readonly T[],
  takes: (fewer: readonly T[]) => Promise<boolean>,
  spent: () => boolean,
): Promise<void> {
  if (items.length === 0 || (await takes([]))) return;
  let left = items;
  let parts = 2;
  while (left.length >= 2 && !spent()) {
    const length = Math.ceil(left.length / parts);
    let smaller: readonly T[] | undefined;
    for (let from = 0; from < left.length && smaller === undefined; from += length) {
      const rest = [...left.slice(0, from), ...left.slice(from + length)];
      if (await takes(rest)) smaller = rest;
    }
    if (smaller !== undefined) {
      left = smaller;
      parts = Math.max(parts - 1, 2);
    } else if (parts < left.length) {
      parts = Math.min(parts * 2, left.length);
    } else break;
  }
}

/** Nearer and nearer to `least` while it fails, then half of what is left, until that does not. */
async function shorten(
  length: number,
  least: number,
  takes: (shorter: number) => Promise<boolean>,
): Promise<void> {
  let now = length;
  for (const part of [1, 3 / 4, 1 / 2, 1 / 4]) {
    const shorter = Math.round(now - (now - least) * part);
    if (shorter >= now) return;
    if (await takes(shorter)) now = shorter;
  }
}

/** Its clients move to another. */
function without(name: string, plan: Plan): Plan {
  const sidecars = plan.sidecars.filter((one) => one !== name);
  const neighbours = plan.neighbours.map((neighbour) =>
    neighbour.sidecar === name ? { ...neighbour, sidecar: sidecars[0]! } : neighbour,
  );
  return { ...plan, sidecars, neighbours };
}

function lasting({ strikes }: Plan, index: number, forMs: number): readonly Strike[] {
  return strikes.map((strike, place) => (place === index ? { ...strike, forMs } : strike));
}

/** As the place of a strike, or in its details. */
function isNamed(name: string, { where, detail }: Strike): boolean {
  return where === name || Object.values(detail).includes(name);
}
