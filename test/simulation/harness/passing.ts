/**
 * How a test lets virtual time pass: for so long, or until something is so. Between two events every
 * promise that can go on has gone on.
 */
import type { Kernel } from '../kernel/kernel.ts';

export interface Passing {
  pass(ms: number): Promise<void>;
  /**
   * Until `what` is true, or has settled. Gives what a promise resolves with.
   * @throws Error when that takes more than `withinMs` of virtual time, a minute unless said
   */
  until(what: () => boolean, withinMs?: number): Promise<void>;
  until<T>(what: Promise<T>, withinMs?: number): Promise<T>;
}

const WITHIN_MS = 60_000;
/** Thrown where the kernel looks, to end its run there. */
const REACHED = Symbol('reached');

export function createPassing(kernel: Kernel): Passing & { readonly close: () => void } {
  let isPassing = false;
  let isClosed = false;

  async function alone<T>(work: () => Promise<T>): Promise<T> {
    if (isClosed) throw new Error('Cannot let time pass: the harness is closed');
    if (isPassing) throw new Error('Cannot let time pass: it passes already, and one is to wait for it');
    isPassing = true;
    try {
      return await work();
    } finally {
      isPassing = false;
    }
  }

  async function untilTrue(isSo: () => boolean, withinMs: number): Promise<void> {
    kernel.afterEvent = () => {
      if (isSo()) throw REACHED;
    };
    try {
      await kernel.run(withinMs);
    } catch (error) {
      if (error === REACHED) return;
      throw error;
    } finally {
      kernel.afterEvent = () => {};
    }
    if (!isSo()) throw new Error(`Not so within ${withinMs} ms of virtual time`);
  }

  async function until<T>(what: (() => boolean) | Promise<T>, withinMs = WITHIN_MS): Promise<T | undefined> {
    if (typeof what === 'function') {
      await alone(() => untilTrue(what, withinMs));
      return undefined;
    }
    let isSettled = false;
    const settled = (): void => {
      isSettled = true;
    };
    what.then(settled, settled);
    await alone(() => untilTrue(() => isSettled, withinMs));
    return what;
  }

  return {
    pass: (ms) => alone(() => kernel.run(ms)),
    until: until as Passing['until'],
    close: () => {
      isClosed = true;
    },
  };
}
