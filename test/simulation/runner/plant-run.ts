/**
 * Looks for a planted fault in a process of its own. A seed that fails must hold without the fault:
 * what is found was planted.
 */
import { type ChildProcess, fork } from 'node:child_process';
import type { PlantedFault } from '../planted/planted-fault.ts';
import { planOf } from '../faults/plan.ts';
import type { PlantNews, PlantTask } from './plant-child.ts';
import { HANG_MS, workerLane } from './worker-lane.ts';

export interface Unearthed {
  readonly seed: number;
  readonly invariant: string;
  readonly detail: string;
}

export interface PlantRunOptions {
  /** From 1 to this. */
  readonly seedsMax: number;
  /** One of them that may well find it, to be tried first. */
  readonly likely?: number | undefined;
}

/** The product as it is, asked about one seed after the other. */
export interface Unplanted {
  /** `kinds`: of faults; undefined: any. */
  holds(seed: number, kinds?: readonly string[]): Promise<boolean>;
  close(): Promise<void>;
}

const CHILD = new URL('./plant-child.ts', import.meta.url);
const SIDECARS = 3;
/** Of what a process has to say when it dies. */
const STORY_MAX = 4_000;

export function unplanted(): Unplanted {
  const lane = workerLane();
  const known = new Map<string, boolean>();
  // One after the other: a lane has one run at a time.
  let last: Promise<unknown> = Promise.resolve();
  const judge = async (seed: number, kinds?: readonly string[]): Promise<boolean> => {
    const name = [seed, ...(kinds ?? [])].join(' ');
    const plan = planOf(seed, { sidecars: SIDECARS, ...(kinds === undefined ? {} : { kinds }) });
    const holds = known.get(name) ?? (await lane.run(plan))?.found === undefined;
    known.set(name, holds);
    return holds;
  };
  return {
    holds: (seed, kinds) => {
      const judged = last.then(() => judge(seed, kinds));
      last = judged.catch(() => {});
      return judged;
    },
    close: () => lane.close(),
  };
}

/**
 * undefined: it was not found.
 * @throws Error when it cannot be planted or is never at work, or when the seed fails without it too
 */
export async function unearth(
  fault: PlantedFault,
  options: PlantRunOptions,
  product: Unplanted,
): Promise<Unearthed | undefined> {
  const found = await firstThatFails(fault, options);
  if (found === undefined || (await product.holds(found.seed, fault.kinds))) return found;
  throw new Error(`Seed ${found.seed} fails without ${fault.name} too: run it unplanted first`);
}

async function firstThatFails(
  { name }: PlantedFault,
  { seedsMax, likely }: PlantRunOptions,
): Promise<Unearthed | undefined> {
  const all = Array.from({ length: seedsMax }, (_, index) => index + 1);
  const isLikely = likely !== undefined && likely <= seedsMax;
  const seeds = isLikely ? [likely, ...all.filter((seed) => seed !== likely)] : all;
  const child = fork(CHILD, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  const leave = (): void => void child.kill('SIGKILL');
  process.once('exit', leave);
  try {
    child.send({ name, seeds, sidecars: SIDECARS } satisfies PlantTask);
    return await outcomeOf(child, name);
  } finally {
    process.off('exit', leave);
    leave();
  }
}

function outcomeOf(child: ChildProcess, name: string): Promise<Unearthed | undefined> {
  return new Promise((resolve, reject) => {
    let seed: number | undefined;
    let story = '';
    let patience: NodeJS.Timeout | undefined;
    const expectWord = (): void => {
      clearTimeout(patience);
      patience = setTimeout(() => {
        ends('no-hang', `It did not end within ${HANG_MS / 1000} s`);
      }, HANG_MS);
    };
    /** It ended without a word of its own. */
    const ends = (invariant: string, detail: string): void => {
      clearTimeout(patience);
      if (seed === undefined) reject(new Error(`Cannot run with ${name} planted: ${detail}`));
      else resolve({ seed, invariant, detail });
    };
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      story = (story + text).slice(-STORY_MAX);
    });
    child.on('message', (news: PlantNews) => {
      expectWord();
      if (news.kind === 'begins') {
        seed = news.seed;
        return;
      }
      clearTimeout(patience);
      if (news.kind === 'found') {
        resolve({ seed: news.seed, invariant: news.invariant, detail: news.detail });
      } else if (news.idle.length > 0) {
        reject(new Error(`${name} was never at work: ${news.idle.join(', ')} was not loaded`));
      } else resolve(undefined);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => ends('no-crash', story || `Its process ended with ${signal ?? code}`));
    expectWord();
  });
}

/** So many pieces of work at once; the others wait for their turn. */
export function limiter(atOnce: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let free = atOnce;
  return async (work) => {
    if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
    else free -= 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}
