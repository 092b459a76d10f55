/**
 * One sidecar of the simulated world: the product as it is shipped, on a simulated machine, started
 * and started again as a supervisor would. A process that ends by itself is another matter: that is
 * told, since it may do so only where the disk has failed it.
 */
import type { Config } from '../../../src/config/config.ts';
import type { Flags } from '../../../src/config/flags.ts';
import type { Bus } from '../../../src/events/bus.ts';
import type { HttpHandler } from '../../../src/http/server.ts';
import type { Ledger } from '../../../src/ledger/ledger.ts';
import type { Scheduler } from '../../../src/resilience/scheduler.ts';
import { type Sidecar, startSidecar } from '../../../src/sidecar.ts';
import type { Log } from '../../../src/log/log.ts';
import { PRIORITY } from '../kernel/kernel.ts';
import type { SimulatedMachine } from '../machine/simulated-machine.ts';
import type { SimulatedProcess } from '../machine/simulated-process.ts';
import type { Serving } from '../neighbours/http-exchange.ts';

/** What it reaches beyond its machine, as one process has it. */
export interface Outside {
  openLedger(process: SimulatedProcess, config: Config): Ledger;
  openBus(process: SimulatedProcess, config: Config, scheduler: Scheduler): Bus;
}

export interface SidecarEvents {
  /** It is there and answers. */
  onReady(sidecar: SimulatedSidecar): void;
  /** It died at a named place. */
  onFailpoint(name: string): void;
  /** It ended, though nobody told it to. */
  onFatal(sidecar: SimulatedSidecar, error: Error): void;
}

/** Between the end of a process and the next one, as supervisors wait. */
const RESTART_MS = { least: 100, most: 1500 };
/** What a supervisor gives a process that is told to stop, beyond its own grace. */
const KILL_AFTER_MS = 3000;

export class SimulatedSidecar implements Serving {
  readonly machine: SimulatedMachine;
  readonly #outside: Outside;
  readonly #events: SidecarEvents;
  config: Config;
  flags: Flags;
  #sidecar: Sidecar | undefined;
  #listens = false;
  #toldToStop: SimulatedProcess | undefined;
  /** Nobody starts it again until this is over. */
  #staysDown = false;

  constructor(machine: SimulatedMachine, config: Config, outside: Outside, events: SidecarEvents) {
    this.machine = machine;
    this.config = config;
    this.flags = config.flags;
    this.#outside = outside;
    this.#events = events;
  }

  get name(): string {
    return this.machine.name;
  }

  get process(): SimulatedProcess | undefined {
    return this.machine.process;
  }

  get run(): number {
    return this.process?.run ?? 0;
  }

  get running(): boolean {
    return this.process?.alive === true;
  }

  get ready(): boolean {
    return this.#sidecar !== undefined && this.running;
  }

  /** undefined while it does not listen. */
  get handler(): HttpHandler | undefined {
    return this.running && this.#listens ? this.#sidecar?.handler : undefined;
  }

  start(): void {
    if (this.running) return;
    const { machine } = this;
    const { disk, kernel } = machine;
    const process = machine.spawn();
    this.#staysDown = false;
    this.#sidecar = undefined;
    kernel.note(this.name, `run ${process.run} starts`);
    process.onDeath = () => {
      this.#sidecar = undefined;
      kernel.note(this.name, `run ${process.run} is gone`);
    };
    process.onFailpoint = (name) => {
      this.#note(`killed at ${name}`);
      this.#events.onFailpoint(name);
      this.#startAgain(process);
    };
    const exits = (error: Error): void => {
      if (!process.alive) return;
      this.#note(`run ${process.run} ends itself: ${error.message}`);
      process.kill();
      this.#events.onFatal(this, error);
      this.#startAgain(process);
    };
    // The program begins in an event of its own process.
    process.schedule(0, PRIORITY.turn, 'main', () => {
      const { config } = this;
      startSidecar({
        config,
        log: this.#log(process),
        flags: () => this.flags,
        onFatal: exits,
        surroundings: {
          machine: process,
          disk: {
            fileSystem: disk.filesFor(process),
            failpoints: process.failpoints,
            lock: disk.lockFor(process),
          },
          openLedger: async () => this.#outside.openLedger(process, config),
          openBus: async (_settings, _name, scheduler) => this.#outside.openBus(process, config, scheduler),
        },
      }).then((sidecar) => {
        if (!process.alive) return;
        this.#sidecar = sidecar;
        this.#listens = true;
        this.#note(`run ${process.run} is ready`);
        this.#events.onReady(this);
      }, exits);
    });
  }

  /** Compares its memory with its journal now. */
  checkItself(): void {
    const sidecar = this.#sidecar;
    if (sidecar === undefined || !this.running) return;
    this.process!.schedule(0, PRIORITY.turn, 'self-check', () => void sidecar.selfCheck.checkNow());
  }

  /** As SIGTERM and, when the grace is over, SIGKILL. `again`: a deployment, with what follows it. */
  stop(again: boolean): void {
    const { process } = this;
    // Told twice, it does as it was told first.
    if (process?.alive !== true || this.#toldToStop === process) return;
    this.#toldToStop = process;
    const sidecar = this.#sidecar;
    this.#note('told to stop');
    const gone = (): void => {
      if (!process.alive) return;
      process.kill();
      if (again) this.#startAgain(process);
    };
    if (sidecar === undefined) return gone();
    process.schedule(0, PRIORITY.turn, 'signal', () => {
      // What is listened on is the first that goes.
      this.#listens = false;
      sidecar.stop().then(
        () => {
          this.#note('stopped');
          gone();
        },
        (error: Error) => {
          if (!process.alive) return;
          this.#events.onFatal(this, error);
          gone();
        },
      );
    });
    this.machine.kernel.after(this.config.drainMs + KILL_AFTER_MS, PRIORITY.fault, 'grace is over', gone);
  }

  /** As SIGKILL; a supervisor starts it again, unless it is to stay down. */
  kill(): void {
    const { process } = this;
    if (process?.alive !== true) return;
    process.kill();
    this.#startAgain(process);
  }

  /** The machine loses its power. */
  powerCut(): void {
    const { process } = this;
    this.machine.powerCut();
    if (process !== undefined) this.#startAgain(process);
  }

  /** Until `start`. */
  stayDown(): void {
    this.#staysDown = true;
  }

  #startAgain(after: SimulatedProcess): void {
    const { least, most } = RESTART_MS;
    const { kernel, chance } = this.machine;
    kernel.after(chance.between(least, most), PRIORITY.fault, `${this.name} again`, () => {
      if (!this.#staysDown && this.process === after && !after.alive) this.start();
    });
  }

  #note(what: string): void {
    this.machine.kernel.note(this.name, what);
  }

  #log(process: SimulatedProcess): Log {
    const { trace } = this.machine.kernel;
    const say = (level: string) => (fields: object, message: string) => {
      if (!trace.keepsLines || !process.alive) return;
      trace.lines.push({
        atMs: this.machine.kernel.nowMs, who: `${this.name} log`,
        what: `${level}: ${message} ${JSON.stringify(fields)}`,
      });
    };
    return { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') };
  }
}
