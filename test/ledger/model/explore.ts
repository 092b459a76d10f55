/**
 * Looks through the worlds: all of them to a depth, shortest schedules first, or some of them far
 * down by chance. What it finds is a schedule that can be read and played again.
 */
import { drain } from './drain.ts';
import { hash53, keyOf } from './state-key.ts';
import {
  type Action, type Deed, type Name, newWorld, type Setting, step, type World,
} from './world.ts';

/** How often each thing may happen in one schedule, by name (`A write`). Not named: never. */
export type Budget = Readonly<Record<string, number>>;

const DEEDS: readonly Deed[] = [
  'write', 'write-blind', 'renew', 'end', 'delete', 'push', 'push-unanswered', 'push-delayed',
  'late-push', 'beat', 'truth-check', 'pull', 'sweep-own', 'sweep-orphans', 'sweep-own-delayed',
  'retire', 'retire-delayed', 'late-request', 'crash', 'restart', 'forget',
];
const ACTIONS: readonly Action[] = [
  { does: 'tick' }, { does: 'save' }, { does: 'rollback' },
  ...(['A', 'B'] satisfies Name[]).flatMap((who) => DEEDS.map((does): Action => ({ does, who }))),
];

export interface Found {
  readonly schedule: string;
  readonly violation: string;
}
export interface Searched {
  readonly states: number;
  readonly depth: number;
  readonly found: Found | undefined;
}

/** How a world came about. Worlds themselves are kept only while they are looked at. */
interface Step {
  readonly before: Step | undefined;
  readonly action: Action;
}
interface Reached {
  readonly world: World;
  readonly last: Step | undefined;
  readonly used: Budget;
}

export interface SearchOptions {
  readonly setting: Setting;
  readonly budget: Budget;
  readonly depthMax: number;
  readonly statesMax: number;
  /** Heals every world whose number is divisible by it, and looks whether all comes to rest. */
  readonly drainEvery: number;
}

export function search(options: SearchOptions): Searched {
  const { setting, budget, depthMax, statesMax, drainEvery } = options;
  const actions = ACTIONS.filter((action) => budget[nameOfAction(action)] !== undefined);
  const seen = new Set<number>();
  let level: Reached[] = [{ world: newWorld(), last: undefined, used: {} }];
  for (let depth = 1; depth <= depthMax; depth++) {
    const next: Reached[] = [];
    for (const { world: from, last: before, used: usedBefore } of level) {
      for (const action of actions) {
        const used = spent(usedBefore, budget, action);
        if (used === undefined) continue;
        const world = step(from, action, setting);
        if (world === undefined) continue;
        const key = hash53(keyOf(world) + JSON.stringify(used));
        if (seen.has(key)) continue;
        seen.add(key);
        const last: Step = { before, action };
        const violation =
          world.violation ?? (seen.size % drainEvery === 0 ? drain(world, setting) : undefined);
        if (violation !== undefined) {
          return { states: seen.size, depth, found: { schedule: scheduleOf(last), violation } };
        }
        if (seen.size >= statesMax) return { states: seen.size, depth, found: undefined };
        next.push({ world, last, used });
      }
    }
    if (next.length === 0) return { states: seen.size, depth, found: undefined };
    level = next;
  }
  return { states: seen.size, depth: depthMax, found: undefined };
}

/** What is left of a budget; undefined: nothing. In the order of names, to be compared as text. */
function spent(used: Budget, budget: Budget, action: Action): Budget | undefined {
  const name = nameOfAction(action);
  const limit = budget[name] ?? 0;
  if (limit === Infinity) return used;
  const times = (used[name] ?? 0) + 1;
  if (times > limit) return undefined;
  if (times > 1) return { ...used, [name]: times };
  return Object.fromEntries(Object.entries({ ...used, [name]: times }).sort());
}

function scheduleOf(last: Step): string {
  const names: string[] = [];
  for (let at: Step | undefined = last; at !== undefined; at = at.before) {
    names.unshift(nameOfAction(at.action));
  }
  return names.join('; ');
}

export function nameOfAction(action: Action): string {
  return 'who' in action ? `${action.who} ${action.does}` : action.does;
}

export function actionNamed(name: string): Action {
  const action = ACTIONS.find((one) => nameOfAction(one) === name);
  if (action === undefined) throw new Error(`There is no action "${name}"`);
  return action;
}

/**
 * Plays `A write; A push; 2 tick; A renew?`. Throws when a step cannot happen, but for those with a
 * question mark. Stops at the first violation.
 */
export function play(schedule: string, setting: Setting): World {
  let world = newWorld();
  for (const part of schedule.split('; ')) {
    const [, times = '1', name, maybe] = /^(?:(\d+) )?(.*?)(\?)?$/.exec(part)!;
    for (let left = Number(times); left > 0 && world.violation === undefined; left--) {
      const next = step(world, actionNamed(name!), setting);
      if (next === undefined && maybe === undefined) {
        throw new Error(`"${name}" cannot happen at ${world.now}`);
      }
      world = next ?? world;
    }
  }
  return world;
}

/* ---- by chance ------------------------------------------------------------------------- */

/** xorshift32: the same walk for the same seed. */
function chance(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 4294967296;
  };
}

export interface WalkOptions {
  readonly setting: Setting;
  readonly budget: Budget;
  readonly steps: number;
  readonly seed: number;
}

/** One walk, healed at its end. What it finds is made as short as leaving steps out can. */
export function walk({ setting, budget, steps, seed }: WalkOptions): Found | undefined {
  const random = chance(seed);
  // Each walk likes some things more than others (swarm testing, Groce et al. 2012).
  const liked = ACTIONS.filter((action) => budget[nameOfAction(action)] !== undefined).map(
    (action) => ({ action, weight: random() ** 3 + 0.02 }),
  );
  let world = newWorld();
  let used: Budget = {};
  // What changes nothing is no step.
  let key = '';
  const done: Action[] = [];
  while (done.length < steps && world.violation === undefined) {
    const possible = liked.slice();
    let next: World | undefined;
    while (next === undefined && possible.length > 0) {
      const { action } = possible.splice(drawn(possible, random), 1)[0]!;
      const after = spent(used, budget, action);
      next = after && step(world, action, setting);
      if (next === undefined) continue;
      const reached = keyOf(next);
      if (reached === key) {
        next = undefined;
        continue;
      }
      key = reached;
      used = after!;
      done.push(action);
    }
    if (next === undefined) break;
    world = next;
  }
  const violation = world.violation ?? drain(world, setting);
  return violation === undefined ? undefined : shortened(done, setting, violation);
}

function drawn(items: readonly { readonly weight: number }[], random: () => number): number {
  let left = random() * items.reduce((sum, { weight }) => sum + weight, 0);
  const index = items.findIndex(({ weight }) => {
    left -= weight;
    return left < 0;
  });
  return Math.max(0, index);
}

function shortened(actions: readonly Action[], setting: Setting, violation: string): Found {
  let best = actions.slice();
  let what = violation;
  for (let at = 0; at < best.length; ) {
    const without = best.filter((_, index) => index !== at);
    const found = outcomeOf(without, setting);
    if (found === undefined) {
      at += 1;
      continue;
    }
    best = without;
    what = found;
  }
  return { schedule: best.map(nameOfAction).join('; '), violation: what };
}

function outcomeOf(actions: readonly Action[], setting: Setting): string | undefined {
  let world = newWorld();
  for (const action of actions) {
    world = step(world, action, setting) ?? world;
    if (world.violation !== undefined) return world.violation;
  }
  return drain(world, setting);
}
