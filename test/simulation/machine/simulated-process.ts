/**
 * One process on a simulated machine: the `Machine` port as the product sees it. Whatever happens in
 * a process happens in an event of the kernel that belongs to it; while it is paused such events
 * wait, and once it is dead they are dropped. So a killed process does not run one more line, save
 * for promises already set free in the event that killed it, whose every effect is swallowed too.
 */
import type { Failpoints, FailpointName } from '../../../src/journal/failpoint.ts';
import type { LoopReading, Machine } from '../../../src/machine/machine.ts';
import type { Chance } from '../kernel/chance.ts';
import { type Cancel, type Kernel, PRIORITY, type Priority } from '../kernel/kernel.ts';
import type { SimulatedMachine } from './simulated-machine.ts';

/** Thrown where the program would go on although its process is gone. */
export class ProcessDied extends Error {
  override readonly name = 'ProcessDied';
}

const RESIDENT_BYTES = 100 * 1024 * 1024;
const APART_MS = 0.001;
/** A turn of an event loop that has little to do. */
const TURN_MS = { least: 0.02, most: 0.2 };

export class SimulatedProcess implements Machine {
  readonly machine: SimulatedMachine;
  /** Of this machine, counted from 1. */
  readonly run: number;
  readonly chance: Chance;
  readonly kernel: Kernel;
  readonly #label: string;
  alive = true;
  /** Where it dies now. */
  #reached: FailpointName | undefined;
  #pauses = 0;
  /** What came while it was paused, in its order. */
  #backlog: { readonly priority: Priority; readonly label: string; readonly work: () => void }[] = [];
  /** Until then the loop is busy with what it does now. */
  #busyUntilMs = 0;
  #turns = 0;
  #activeMs = 0;
  /** True time for which it was paused or its loop busy, but for a pause that lasts. */
  #heldUpMs = 0;
  #pausedAtMs = 0;
  onDeath: () => void = () => {};
  onFailpoint: (name: FailpointName) => void = () => {};

  constructor(machine: SimulatedMachine, run: number) {
    this.machine = machine;
    this.run = run;
    this.kernel = machine.kernel;
    this.#label = `${machine.name}#${run}`;
    this.chance = machine.chance.fork(`run ${run}`);
  }

  get name(): string {
    return this.#label;
  }

  get paused(): boolean {
    return this.#pauses > 0;
  }

  /** True time as this process has got to: ahead of the kernel's while its loop is busy. */
  get trueMs(): number {
    return Math.max(this.kernel.nowMs, this.#busyUntilMs);
  }

  /* ---- what happens in it ---------------------------------------------------------------- */

  /** Runs `work` in this process after `delayMs` of true time, or later if it is held up. */
  schedule(delayMs: number, priority: Priority, label: string, work: () => void): Cancel {
    return this.kernel.at(this.trueMs + delayMs, priority, `${this.#label} ${label}`, () =>
      this.#enter(priority, label, work),
    );
  }

  #enter(priority: Priority, label: string, work: () => void): void {
    if (!this.alive) return;
    if (this.#pauses > 0) {
      this.#backlog.push({ priority, label, work });
      return;
    }
    if (this.#busyUntilMs > this.kernel.nowMs) {
      this.schedule(0, priority, label, work);
      return;
    }
    this.#turns += 1;
    this.#activeMs += TURN_MS.least;
    try {
      work();
    } catch (error) {
      if (this.alive && !(error instanceof ProcessDied)) this.kernel.fail(error);
    }
  }

  /* ---- the port -------------------------------------------------------------------------- */

  monotonicMs(): number {
    return this.machine.monotonicMs(this.trueMs);
  }

  wallMs(): number {
    return this.machine.wallMs(this.trueMs);
  }

  after(delayMs: number, work: () => void): () => void {
    if (!this.alive) return () => {};
    const dueAtMs = this.monotonicMs() + Math.max(0, delayMs);
    let cancelled = false;
    let cancel: Cancel = () => {};
    const look = (): void => {
      if (cancelled) return;
      const leftMs = dueAtMs - this.monotonicMs();
      if (leftMs <= 1e-6) work();
      else wait(leftMs);
    };
    // Node counts in whole milliseconds.
    const wait = (leftMs: number): void => {
      cancel = this.schedule(Math.max(1, Math.ceil(leftMs)) / this.machine.rate, PRIORITY.timer, 'timer', look);
    };
    wait(delayMs);
    return () => {
      cancelled = true;
      cancel();
    };
  }

  soon(work: () => void): void {
    const { least, most } = TURN_MS;
    this.schedule(this.chance.between(least, most), PRIORITY.turn, 'turn', work);
  }

  random(): number {
    return this.chance.fraction();
  }

  randomBytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.chance.integer(256)));
  }

  loop(): LoopReading {
    return { activeMs: this.#activeMs, turns: this.#turns };
  }

  residentBytes(): number {
    return RESIDENT_BYTES;
  }

  /* ---- what is done to it ---------------------------------------------------------------- */

  /** The loop does nothing else for so long: a collection, a slow disk, a neighbour on the core. */
  stall(ms: number): void {
    this.#busyUntilMs = this.trueMs + ms;
    this.#activeMs += ms;
    this.#heldUpMs += ms;
  }

  /** True time, in all, in which it could do nothing. */
  get heldUpMs(): number {
    return this.#heldUpMs + (this.paused ? this.kernel.nowMs - this.#pausedAtMs : 0);
  }

  /** As SIGSTOP: clocks run on, nothing else does. Counts, since several may want it at once. */
  pause(): void {
    if (!this.paused) this.#pausedAtMs = this.kernel.nowMs;
    this.#pauses += 1;
  }

  goOn(): void {
    if (this.#pauses === 0) return;
    this.#pauses -= 1;
    if (this.#pauses > 0) return;
    this.#heldUpMs += this.kernel.nowMs - this.#pausedAtMs;
    if (!this.alive) return;
    const backlog = this.#backlog;
    this.#backlog = [];
    // A little apart, so that they keep their order.
    backlog.forEach(({ priority, label, work }, index) => {
      this.schedule(index * APART_MS, priority, label, work);
    });
  }

  /** As SIGKILL. */
  kill(): void {
    if (!this.alive) return;
    this.alive = false;
    this.#backlog = [];
    this.onDeath();
  }

  readonly failpoints: Failpoints = {
    reached: (name) => {
      const { armed } = this.machine;
      const left = armed.get(name);
      if (left === undefined || !this.alive) return false;
      if (left > 1) {
        armed.set(name, left - 1);
        return false;
      }
      armed.delete(name);
      this.#reached = name;
      return true;
    },
    die: () => {
      const name = this.#reached!;
      this.kill();
      this.onFailpoint(name);
      throw new ProcessDied(`Killed at ${name}`);
    },
  };
}
