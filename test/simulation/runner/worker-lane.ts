/**
 * A lane in a thread of its own: a run that never gives up its thread can be ended from here, and
 * one that brings it down brings down nothing else. The thread stays for the next run, unless it is
 * the worse for the last.
 */
import { Worker } from 'node:worker_threads';
import type { Plan } from '../faults/plan.ts';
import { type Lane, lost, type Ran } from './lane.ts';

/** What a thread is asked; it answers each with a `Ran`. */
export interface Task {
  readonly plan: Plan;
  readonly keepsLines: boolean;
}

/** A run takes milliseconds; one that takes this long goes round in a circle. */
export const HANG_MS = 60_000;

const THREAD = new URL('./run-thread.ts', import.meta.url);

interface Thread {
  readonly worker: Worker;
  /** The plan it is at, or was at last. */
  plan: Plan;
  /** Ends the run under way. */
  end: ((ran: Ran | undefined) => void) | undefined;
  /** What brought it down when no run was under way: the one before has left it behind. */
  died: Ran | undefined;
}

export function workerLane(script: URL = THREAD, hangMs: number = HANG_MS): Lane {
  let thread: Thread | undefined;
  let closed = false;

  const open = (plan: Plan): Thread => {
    const opened: Thread = { worker: new Worker(script), plan, end: undefined, died: undefined };
    const dies = (detail: string): void => {
      if (thread !== opened) return;
      const ran = lost(opened.plan, 'no-crash', detail);
      if (opened.end === undefined) {
        opened.died ??= ran;
        return;
      }
      thread = undefined;
      opened.end(ran);
    };
    opened.worker.on('message', (ran: Ran) => opened.end?.(ran));
    opened.worker.on('error', (error: unknown) => dies(storyOf(error)));
    opened.worker.on('exit', (code) => dies(`Its thread ended with ${code}`));
    return opened;
  };

  const abandon = async (ran: Ran | undefined): Promise<void> => {
    const abandoned = thread;
    thread = undefined;
    abandoned?.end?.(ran);
    await abandoned?.worker.terminate();
  };

  return {
    run: (plan, { keepsLines = false } = {}) => {
      if (closed) return Promise.resolve(undefined);
      if (thread?.died !== undefined) {
        const { died } = thread;
        thread = undefined;
        return Promise.resolve(died);
      }
      thread ??= open(plan);
      const mine = thread;
      mine.plan = plan;
      return new Promise((resolve) => {
        const patience = setTimeout(() => {
          void abandon(lost(plan, 'no-hang', `It did not end within ${hangMs / 1000} s`));
        }, hangMs);
        mine.end = (ran) => {
          clearTimeout(patience);
          mine.end = undefined;
          resolve(ran);
        };
        mine.worker.postMessage({ plan, keepsLines } satisfies Task);
      });
    },
    close: () => {
      closed = true;
      return abandon(undefined);
    },
  };
}

function storyOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
