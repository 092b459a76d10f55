/**
 * The process in which the code under test runs, as far as the simulated world knows it: its clock,
 * its way to the sidecars, and what goes wrong with it.
 */
import { PRIORITY } from '../kernel/kernel.ts';
import type { SimulatedMachine } from '../machine/simulated-machine.ts';
import { Caller } from '../neighbours/loopback.ts';
import type { Serving } from '../neighbours/http-exchange.ts';
import { type Clock, createClock } from './clock.ts';
import { createFetch, type Fetch } from './fetch.ts';

export interface Client {
  readonly name: string;
  readonly clock: Clock;
  /** As `Math.random`, from the seed. */
  readonly random: () => number;
  /** Asks the sidecar of this name. */
  fetchFrom(sidecar: string): Fetch;
  /** As by SIGSTOP, or a long collection: clocks run on, timers and answers wait. */
  pause(ms: number): void;
  /** Its machine sleeps: as a pause, and its monotonic clock stands still too. */
  suspend(ms: number): void;
  /** Its wall clock is put forward, or back. */
  stepClock(ms: number): void;
  /** Called by the code under test: what it does now takes so long, and it does nothing else. */
  spend(ms: number): void;
  /** As by SIGKILL: no timer goes off and no answer comes any more. */
  crash(): void;
}

export function createClient(machine: SimulatedMachine, servingOf: (name: string) => Serving): Client {
  const { kernel, name } = machine;
  const process = machine.spawn();
  const caller = new Caller(kernel, process.chance.fork('connections'));
  const happens = (what: string): void => kernel.note('fault', `${what} ${name}`);
  const later = (ms: number, what: string, work: () => void): void => {
    kernel.after(ms, PRIORITY.fault, what, () => {
      happens(what);
      work();
    });
  };
  return {
    name,
    clock: createClock(process),
    random: () => process.random(),
    fetchFrom: (sidecar) => createFetch(name, process, caller, servingOf(sidecar)),
    pause: (ms) => {
      happens('pause');
      process.pause();
      later(ms, 'pause ends', () => process.goOn());
    },
    suspend: (ms) => {
      happens('suspend');
      machine.suspend();
      later(ms, 'suspend ends', () => machine.resume());
    },
    stepClock: (ms) => {
      kernel.note('fault', `clock-step ${name} ms=${ms}`);
      machine.step(ms);
    },
    spend: (ms) => process.stall(ms),
    crash: () => {
      happens('crash');
      process.kill();
    },
  };
}
