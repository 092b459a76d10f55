/**
 * For tests of code that holds leases: whole sidecars, their ledger and their bus in the process of
 * the test, under virtual time, with trouble when the test wants it. The code under test is handed
 * `fetch` and a clock, and time passes only where the test lets it pass.
 */
import type { Details } from '../faults/fault.ts';
import { FAULTS, faultOf } from '../faults/catalogue.ts';
import { SimulatedMachine } from '../machine/simulated-machine.ts';
import { timeline } from '../runner/timeline.ts';
import { World } from '../world.ts';
import { type Client, createClient } from './client.ts';
import type { Clock } from './clock.ts';
import { harnessConfig } from './configuration.ts';
import { ADDRESS, type Fetch } from './fetch.ts';
import { createPassing, type Passing } from './passing.ts';

export type { Client } from './client.ts';
export type { Clock, Timer } from './clock.ts';
export type { Fetch } from './fetch.ts';

export interface HarnessOptions {
  /** Latencies, ids and chances follow from it: two runs of a test with one seed are the same. */
  readonly seed?: number;
  /** 1 to 5, called `s1` and so on. One, unless said. */
  readonly sidecars?: number;
  /** The path of a configuration file, as `LEASEHOLD_CONFIG` names one. The defaults, unless said. */
  readonly config?: string | URL;
}

/** A CloudEvent as consumers of the bus decode it. */
export interface TellingEvent {
  readonly type: string;
  readonly subject: string;
  readonly data: unknown;
  readonly [member: string]: unknown;
}

/** How to strike: how long, and what else the fault is told. */
export interface StrikeOptions {
  /** Left out: until `heal`. */
  readonly forMs?: number;
  /** What is left out is drawn from the seed. */
  readonly detail?: Details;
}

export interface Harness extends Passing {
  /** Of the code under test, which runs in the client called `client`; another has its own. */
  readonly clock: Clock;
  /** As `Math.random`, from the seed: for jitter. */
  readonly random: () => number;
  sidecar(name: string): HarnessSidecar;
  /** One more process that runs code under test. After a crash, the next process of that name. */
  client(name: string): Client;

  /** The code under test, as by SIGSTOP: clocks run on, its timers and answers wait. */
  pauseClient(ms: number): void;
  /** A sidecar's process, as by SIGSTOP. */
  pause(sidecar: string, ms?: number): void;
  /** As by SIGKILL; started again within about a second, or after `downMs`. */
  kill(sidecar: string, downMs?: number): void;
  /** The machine goes off, and with it what its disk had not synced; started again likewise. */
  powerCut(sidecar: string, downMs?: number): void;
  /** Told to stop, drained, and started again. */
  restart(sidecar: string): void;
  /** The sidecar's machine sleeps, and its monotonic clock stands still. */
  suspend(sidecar: string, ms?: number): void;
  /** The sidecar's wall clock is put forward, or back. */
  clockStep(sidecar: string, ms: number): void;
  /** Between a sidecar and a server nothing gets through. */
  partition(sidecar: string, server: 'ledger' | 'bus', ms?: number): void;
  readonly ledger: {
    /** It restarts and has kept nothing. */
    empty(): void;
    away(ms?: number): void;
  };
  readonly bus: { away(ms?: number): void };
  /** Almost any fault of the table in docs/simulation.md: `where` is a sidecar, `ledger`, `bus` or `all`. */
  strike(kind: string, where: string, options?: StrikeOptions): void;
  /** What was done to sidecars, ledger, bus and network is over, and every sidecar is up again. */
  heal(): void;

  /** What the bus has stored so far, in its order. */
  events(): readonly TellingEvent[];
  /** What broke, what sidecars did, what clients asked and heard. */
  timeline(): string;
  /** Of all that happened: the same in two runs of one test with one seed. */
  fingerprint(): string;
  /** Nothing runs any more. */
  close(): void;
}

export interface HarnessSidecar {
  readonly name: string;
  /** What the code under test may use as its base address: the default one. */
  readonly url: string;
  /** Of the code under test. */
  readonly fetch: Fetch;
  /** Whether it answers. */
  readonly isReady: boolean;
}

const SIDECARS_MAX = 5;
const CLIENT = 'client';
const START_MS = 30_000;
/** A day of virtual time, and more; what goes round in a circle is told within a minute or two. */
const EVENTS_MAX = 20_000_000;
/**
 * These concern the simulator's own clients and configuration, which are not here; and a process
 * that dies within its own code leaves a rejection behind, which whoever runs the tests would report.
 */
const ELSEWHERE = new Set(['configuration-change', 'client-crash', 'slow-watchers', 'failpoint']);
const KINDS = FAULTS.map(({ kind }) => kind).filter((kind) => !ELSEWHERE.has(kind));

/** Resolves when every sidecar answers. */
export async function createHarness(options: HarnessOptions = {}): Promise<Harness> {
  const { seed = 1, sidecars: count = 1, config } = options;
  if (!(Number.isInteger(count) && count >= 1 && count <= SIDECARS_MAX)) {
    throw new RangeError(`Cannot simulate ${count} sidecars: 1 to ${SIDECARS_MAX}`);
  }
  const world = new World({
    seed,
    sidecars: Array.from({ length: count }, (_, index) => `s${index + 1}`),
    configOf: harnessConfig(config),
    keepsLines: true,
    isChecked: false,
    eventsMax: EVENTS_MAX,
  });
  const { kernel } = world;
  const chance = kernel.chance.fork('strikes');
  const passing = createPassing(kernel);

  const machines = new Map<string, SimulatedMachine>();
  const clients = new Map<string, Client>();
  const clientOf = (name: string): Client => {
    if (world.sidecars.some((sidecar) => sidecar.name === name)) throw new Error(`"${name}" is a sidecar`);
    let machine = machines.get(name);
    if (machine === undefined) {
      machine = new SimulatedMachine(kernel, name);
      machines.set(name, machine);
    }
    if (machine.process?.alive !== true) {
      clients.set(name, createClient(machine, (sidecar) => world.sidecar(sidecar)));
    }
    return clients.get(name)!;
  };

  const strike = (kind: string, where: string, { forMs = Infinity, detail = {} }: StrikeOptions = {}): void => {
    if (!KINDS.includes(kind)) throw new Error(`There is no fault "${kind}": ${KINDS.join(', ')}`);
    const drawn = faultOf(kind).draw(chance).detail;
    world.strike({ kind, where, atMs: kernel.elapsedMs, forMs, detail: { ...drawn, ...detail } });
  };
  const down = (sidecar: string, downMs: number | undefined, power: boolean): void => {
    if (downMs === undefined) strike(power ? 'power-cut' : 'kill', sidecar);
    else strike('down', sidecar, { forMs: downMs, detail: { power } });
  };

  world.start();
  await passing.until(() => world.sidecars.every(({ ready }) => ready), START_MS);

  return {
    ...passing,
    get clock() {
      return clientOf(CLIENT).clock;
    },
    get random() {
      return clientOf(CLIENT).random;
    },
    client: clientOf,
    sidecar: (name) => {
      const sidecar = world.sidecar(name);
      return {
        name,
        url: ADDRESS,
        fetch: clientOf(CLIENT).fetchFrom(name),
        get isReady() {
          return sidecar.ready;
        },
      };
    },

    pauseClient: (ms) => clientOf(CLIENT).pause(ms),
    pause: (sidecar, ms) => strike('pause', sidecar, lasting(ms)),
    kill: (sidecar, downMs) => down(sidecar, downMs, false),
    powerCut: (sidecar, downMs) => down(sidecar, downMs, true),
    restart: (sidecar) => strike('restart', sidecar),
    suspend: (sidecar, ms) => strike('suspend', sidecar, lasting(ms)),
    clockStep: (sidecar, ms) => strike('clock-step', sidecar, { detail: { ms } }),
    partition: (sidecar, server, ms) =>
      strike('partition', sidecar, { ...lasting(ms), detail: { server, direction: 'both' } }),
    ledger: {
      empty: () => strike('ledger-empty', 'ledger'),
      away: (ms) => strike('ledger-away', 'ledger', lasting(ms)),
    },
    bus: { away: (ms) => strike('bus-away', 'bus', lasting(ms)) },
    strike,
    heal: () => world.heal(),

    events: () => world.history.told.map(({ event }) => event as TellingEvent),
    timeline: () => {
      const known = new Set(['fault', ...machines.keys(), ...world.sidecars.map(({ name }) => name)]);
      const lines = kernel.trace.lines
        .filter(({ who }) => known.has(who))
        .map((line) => ({ ...line, atMs: line.atMs - kernel.startMs }));
      return timeline(lines, undefined, { colours: false, whole: true }).join('\n');
    },
    fingerprint: () => kernel.trace.hash,
    close: () => {
      passing.close();
      for (const { process } of machines.values()) process?.kill();
      world.abandon();
    },
  };
}

function lasting(forMs: number | undefined): StrikeOptions {
  return forMs === undefined ? {} : { forMs };
}
