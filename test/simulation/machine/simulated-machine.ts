/**
 * A machine of the simulated world: two clocks that go wrong in the ways clocks do, a disk, and at
 * most one process at a time that runs on them.
 *
 * The monotonic clock runs at its own rate and stands still while the machine is suspended; the wall
 * clock is true time plus whatever it was stepped by.
 */
import type { FailpointName } from '../../../src/journal/failpoint.ts';
import type { Chance } from '../kernel/chance.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { SimulatedProcess } from './simulated-process.ts';

/** Bytes that all files of a machine together may have, unless a fault says less. */
const DISK_BYTES = 64 * 1024 * 1024;

export class SimulatedMachine {
  readonly name: string;
  readonly kernel: Kernel;
  readonly chance: Chance;
  readonly disk: SimulatedDisk;
  /** The one that runs now, or the last that did. */
  process: SimulatedProcess | undefined;
  wallOffsetMs = 0;
  #rate = 1;
  #anchorTrueMs: number;
  #anchorMonotonicMs: number;
  #suspended = false;
  #runs = 0;
  /** Where a process is to die, and after how many visits; by name. */
  readonly armed = new Map<FailpointName, number>();

  constructor(kernel: Kernel, name: string) {
    this.kernel = kernel;
    this.name = name;
    this.chance = kernel.chance.fork(`machine ${name}`);
    this.disk = new SimulatedDisk(this, DISK_BYTES);
    this.#anchorTrueMs = kernel.nowMs;
    // Machines were not all switched on at the same moment.
    this.#anchorMonotonicMs = this.chance.between(1_000, 1e9);
  }

  /** Of the monotonic clock, against true time. */
  get rate(): number {
    return this.#rate;
  }

  get suspended(): boolean {
    return this.#suspended;
  }

  /** As its processes read it at true time `trueMs`. */
  monotonicMs(trueMs: number = this.kernel.nowMs): number {
    if (this.#suspended) return this.#anchorMonotonicMs;
    return this.#anchorMonotonicMs + (trueMs - this.#anchorTrueMs) * this.#rate;
  }

  wallMs(trueMs: number = this.kernel.nowMs): number {
    return trueMs + this.wallOffsetMs;
  }

  setRate(rate: number): void {
    this.#reanchor();
    this.#rate = rate;
  }

  /** The wall clock jumps. */
  step(ms: number): void {
    this.wallOffsetMs += ms;
  }

  /** A laptop lid, a live migration: nothing runs, and the monotonic clock stands still. */
  suspend(): void {
    if (this.#suspended) return;
    this.#reanchor();
    this.#suspended = true;
    this.process?.pause();
  }

  resume(): void {
    if (!this.#suspended) return;
    this.#anchorTrueMs = this.kernel.nowMs;
    this.#suspended = false;
    this.process?.goOn();
  }

  #reanchor(): void {
    this.#anchorMonotonicMs = this.monotonicMs();
    this.#anchorTrueMs = this.kernel.nowMs;
  }

  /** A new process, in the place of one that is gone. */
  spawn(): SimulatedProcess {
    if (this.process?.alive === true) throw new Error(`${this.name} runs a process already`);
    this.#runs += 1;
    this.process = new SimulatedProcess(this, this.#runs);
    if (this.#suspended) this.process.pause();
    return this.process;
  }

  /** Power is lost: the process with it, and of the disk whatever was not synced, in part or whole. */
  powerCut(): void {
    this.process?.kill();
    this.disk.powerCut();
  }
}
