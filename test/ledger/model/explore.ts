/**
 * Looks through the worlds: all of them to a depth, shortest schedules first, or some of them far
 * down by chance. What it finds is a schedule that can be read and played again.
 */
import { drain } from './drain.ts';
import { hash53, keyOf } from './state-key.ts';
import { type Action, type Deed, type Name, newWorld, type Setting, step, type World } from './world.ts';

/** How often each thing may happen in one schedule. Not named: as often as it can. */
export type Budget = Readonly<Partial<Record<Action['does'], number>>>;

const DEEDS: readonly Deed[] = [
  'write', 'write-blind', 'renew', 'end', 'delete', 'push', 'push-unanswered', 'push-delayed',
  'late-push', 'beat', 'truth-check', 'pull', 'sweep-own', 'sweep-orphans', 'crash', 'restart',
  'forget',
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

interface Node {
  readonly world: World;
  readonly parent: Node | undefined;
  readonly action: Action | undefined;
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
  const seen = new Set<number>();
  let level: Node[] = [{ world: newWorld(), parent: undefined, action: undefined, used: {} }];
  for (let depth = 1; depth <= depthMax; depth++) {
    const next: Node[] = [];
    for (const node of level) {
      for (const action of ACTIONS) {
        const used = spent(node.used, budget, action);
        if (used === undefined) continue;
        const world = step(node.world, action, setting);
        if (world === undefined) continue;
        const key = hash53(keyOf(world) + JSON.stringify(used));
        if (seen.has(key)) continue;
        seen.add(key);
        const child: Node = { world, parent: node, action, used };
        const violation =
          world.violation ?? (seen.size % drainEvery === 0 ? drain(world, setting) : undefined);
        if (violation !== undefined) {
          return { states: seen.size, depth, found: { schedule: scheduleOf(child), violation } };
        }
        if (seen.size >= statesMax) return { states: seen.size, depth, found: undefined };
        next.push(child);
      }
    }
    level = next;
  }
  return { states: seen.size, depth: depthMax, found: undefined };
}

function spent(used: Budget, budget: Budget, { does }: Action): Budget | undefined {
  const limit = budget[does];
  if (limit === undefined) return used;
  const times = (used[does] ?? 0) + 1;
  return times > limit ? undefined : { ...used, [does]: times };
}

function scheduleOf(node: Node): string {
  const actions: string[] = [];
  for (let at: Node | undefined = node; at?.action !== undefined; at = at.parent) {
    actions.unshift(nameOfAction(at.action));
  }
  return actions.join('; ');
}

export function nameOfAction(action: Action): string {
  return 'who' in action ? `${action.who} ${action.does}` : action.does;
}

export function actionNamed(name: string): Action {
  const action = ACTIONS.find((one) => nameOfAction(one) === name);
  if (action === undefined) throw new Error(`There is no action "${name}"`);
  return action;
}

/** Plays `A write; A push; tick`. Throws when a step cannot happen. */
export function play(schedule: string, setting: Setting, from: World = newWorld()): World {
  let world = from;
  for (const name of schedule.split('; ')) {
    const next = step(world, actionNamed(name), setting);
    if (next === undefined) throw new Error(`"${name}" cannot happen at ${world.now}`);
    world = next;
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
  const weights = ACTIONS.map(() => random() ** 2 + 0.02);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let world = newWorld();
  let used: Budget = {};
  const done: Action[] = [];
  while (done.length < steps) {
    let left = random() * total;
    const index = weights.findIndex((weight) => {
      left -= weight;
      return left < 0;
    });
    const action = ACTIONS[Math.max(0, index)]!;
    const after = spent(used, budget, action);
    const next = after && step(world, action, setting);
    if (after === undefined || next === undefined) {
      // Not a step, but it must come to an end where nothing is possible.
      if (random() < 0.02) break;
      continue;
    }
    used = after;
    world = next;
    done.push(action);
    if (world.violation !== undefined) break;
  }
  const violation = world.violation ?? drain(world, setting);
  return violation === undefined ? undefined : shortened(done, setting, violation);
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
