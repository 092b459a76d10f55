/**
 * The whole simulated world: sidecars on machines, the ledger and the bus behind a network, the
 * clients, and those who check. It is led step by step: by the plan of a seed, or by the hand of a
 * scenario.
 */
import type { Config } from '../../src/config/config.ts';
import { createCheckers } from './checkers/all.ts';
import { type Checker, type Seen, Violation } from './checkers/checker.ts';
import { checkedWorld } from './checked-world.ts';
import { type ConfigChanges, configOf } from './cluster/configuration.ts';
import { SimulatedSidecar } from './cluster/simulated-sidecar.ts';
import { faultOf, isFault } from './faults/catalogue.ts';
import type { Strike } from './faults/fault.ts';
import type { NeighbourPlan } from './faults/plan.ts';
import type { Stricken } from './faults/stricken.ts';
import { History, type ToldEvent } from './history/history.ts';
import type { Asked } from './history/operation.ts';
import { Kernel, PRIORITY } from './kernel/kernel.ts';
import { SimulatedMachine } from './machine/simulated-machine.ts';
import type { SimulatedProcess } from './machine/simulated-process.ts';
import { lookUp } from './neighbours/look-up.ts';
import type { Neighbourhood } from './neighbours/session.ts';
import { Neighbour } from './neighbours/neighbour.ts';
import { BusLink } from './network/bus-link.ts';
import { BusServer } from './network/bus-server.ts';
import { LedgerLink } from './network/ledger-link.ts';
import { LedgerServer } from './network/ledger-server.ts';
import { Network } from './network/network.ts';
import type { Coverage } from './outcome.ts';

export const START_MS = Date.UTC(2026, 5, 1);

export interface WorldOptions {
  readonly seed: number;
  readonly sidecars: readonly string[];
  readonly neighbours?: readonly NeighbourPlan[];
  readonly changes?: ConfigChanges;
  readonly keepsLines?: boolean;
  /** Going back in the ledger's history costs copies of it: only where it may happen. */
  readonly keepsLedgerImages?: boolean;
  /** What each sidecar reads when it starts, instead of what all simulated ones do. */
  readonly configOf?: (name: string) => Config;
  /** false: nobody judges, as where clients ask what no history has. */
  readonly isChecked?: boolean;
  /** Of the whole run: as the kernel has it, unless said. */
  readonly eventsMax?: number;
}

/** Keys that all clients share, in each namespace. */
const KEYS = 6;

/** Fewer than a sidecar takes in at once. */
const LOOKS_AT_ONCE = 20;
/** By then they are answered, those included for which the ledger is asked. */
const LOOK_MS = 60;

/** By then each sidecar has read its journal back. */
const SELF_CHECK_MS = 300;

/** A strike that has begun and not ended. */
interface Underway {
  readonly strike: Strike;
  readonly end: () => void;
}

export class World implements Stricken {
  readonly kernel: Kernel;
  readonly network: Network;
  readonly ledger: LedgerServer;
  readonly bus: BusServer;
  readonly sidecars: readonly SimulatedSidecar[];
  readonly neighbours: readonly Neighbour[];
  readonly neighbourhood: Neighbourhood;
  readonly history = new History();
  readonly #changes: ConfigChanges;
  readonly #checkers: readonly Checker[];
  readonly #underway = new Set<Underway>();
  readonly #paused = new Map<Strike, SimulatedProcess>();
  readonly #crashed = new Map<Strike, Neighbour>();
  readonly failpoints: Record<string, number> = {};
  readonly #seen = new Map<string, Seen>();
  /** By namespace, the largest that any sidecar had so far. */
  readonly #capacities = new Map<string, { readonly leases: number; readonly entries: number }>();

  constructor(options: WorldOptions) {
    const { seed, changes = {}, neighbours = [], keepsLines = false, isChecked = true } = options;
    this.#changes = changes;
    const configured = options.configOf ?? ((name) => configOf(name, changes));
    this.kernel = new Kernel({
      seed, startMs: START_MS, keepsLines,
      ...(options.eventsMax === undefined ? {} : { eventsMax: options.eventsMax }),
    });
    this.network = new Network(this.kernel);
    this.ledger = new LedgerServer(this.network);
    this.ledger.keepsImages = options.keepsLedgerImages ?? true;
    const { bus } = configured('bus');
    this.bus = new BusServer(this.network, this.history, {
      endings: { duplicateWindowMs: bus!.endings.duplicateWindowMs },
      events: { duplicateWindowMs: bus!.events.duplicateWindowMs },
    });
    this.sidecars = options.sidecars.map((name) => this.#sidecar(name, configured(name)));
    this.neighbourhood = {
      kernel: this.kernel, history: this.history, sidecars: this.sidecars, keys: KEYS,
      namespaces: configured('clients').namespaces,
    };
    this.neighbours = neighbours.map(
      ({ name, behaviour, sidecar }) =>
        new Neighbour({
          neighbourhood: this.neighbourhood, name, behaviour, sidecar: this.sidecar(sidecar),
        }),
    );
    for (const { config } of this.sidecars) this.#noteCapacities(config);
    this.#checkers = isChecked ? createCheckers(checkedWorld(this)) : [];
    this.kernel.afterEvent = () => {
      for (const checker of this.#checkers) checker.afterEvent?.();
    };
  }

  #sidecar(name: string, config: Config): SimulatedSidecar {
    const { ledger, bus } = this;
    return new SimulatedSidecar(
      new SimulatedMachine(this.kernel, name),
      config,
      {
        openLedger: (process, { ledger: settings }) =>
          new LedgerLink({ process, place: name, server: ledger, timeoutMs: settings!.timeoutMs }),
        openBus: (process, { bus: settings }, scheduler) =>
          new BusLink({
            process, scheduler, place: name, server: bus, ackMs: settings!.ackMs, connectMs: settings!.connectMs,
          }),
      },
      {
        onReady: () => {},
        onFailpoint: (failpoint) => {
          this.failpoints[failpoint] = (this.failpoints[failpoint] ?? 0) + 1;
        },
        onFatal: (sidecar, error) => {
          // Without room for the endings of what it holds it stops rather than forget one.
          if (sidecar.machine.disk.isShort) return;
          this.kernel.fail(new Violation('no-crash', `${sidecar.name} ended itself: ${error.message}`, [String(error.stack)]));
        },
      },
    );
  }

  /** @throws Error when there is none of this name */
  sidecar(name: string): SimulatedSidecar {
    const found = this.sidecars.find((sidecar) => sidecar.name === name);
    if (found === undefined) throw new Error(`There is no sidecar "${name}"`);
    return found;
  }

  /* ---- time ------------------------------------------------------------------------------ */

  start(): void {
    for (const sidecar of this.sidecars) sidecar.start();
    for (const neighbour of this.neighbours) {
      const inMs = this.kernel.chance.fork(`start ${neighbour.name}`).between(0, 1_000);
      this.kernel.after(inMs, PRIORITY.timer, `${neighbour.name} begins`, () => neighbour.start());
    }
  }

  /** @throws Violation when something does not hold */
  run(ms: number): Promise<void> {
    return this.kernel.run(ms);
  }

  /** Asks of every checker that all is well now. @throws Violation when it is not */
  async checkAtRest(): Promise<void> {
    for (const sidecar of this.sidecars) sidecar.checkItself();
    await this.run(SELF_CHECK_MS);
    await this.#lookAround();
    for (const checker of this.#checkers) checker.atRest?.();
  }

  /** What each sidecar answers of itself, and then of every key that anybody ever wrote or read. */
  async #lookAround(): Promise<void> {
    const keys = new Set(
      this.history.operations.flatMap(({ asked }) => placesOf(asked)).map(({ namespace, key }) =>
        `/v1/entries/${namespace}/${encodeURIComponent(key)}`),
    );
    this.#seen.clear();
    // Reading changes things where reads prolong: what was so before is asked first.
    await this.#look(['/v1/status']);
    const paths = [...keys];
    for (let from = 0; from < paths.length; from += LOOKS_AT_ONCE) {
      await this.#look(paths.slice(from, from + LOOKS_AT_ONCE));
    }
  }

  #look(paths: readonly string[]): Promise<void> {
    for (const sidecar of this.sidecars) {
      for (const path of paths) {
        lookUp(sidecar, path, (seen) => this.#seen.set(`${sidecar.name} ${path}`, seen));
      }
    }
    return this.run(LOOK_MS);
  }

  /** As it was answered when everybody was last asked. */
  seen(sidecar: string, path: string): Seen | undefined {
    return this.#seen.get(`${sidecar} ${path}`);
  }

  /* ---- trouble --------------------------------------------------------------------------- */

  /** At its time, counted from now when the run has begun. */
  schedule(strike: Strike): void {
    this.kernel.after(strike.atMs, PRIORITY.fault, strike.kind, () => this.strike(strike));
  }

  /** Now. What it leaves is healed `forMs` later, or by `heal`. */
  strike(strike: Strike): void {
    const fault = faultOf(strike.kind);
    this.#note(strike.kind, strike);
    fault.begin(this, strike);
    if (fault.end === undefined) return;
    const cancel =
      strike.forMs === 0
        ? () => {}
        : this.kernel.after(strike.forMs, PRIORITY.fault, `${strike.kind} ends`, () => underway.end());
    const underway: Underway = {
      strike,
      end: () => {
        cancel();
        if (!this.#underway.delete(underway)) return;
        this.#note(`${strike.kind} ends`, strike);
        fault.end!(this, strike);
      },
    };
    this.#underway.add(underway);
  }

  /** Everything that was broken is mended, and everybody is up again. */
  heal(): void {
    for (const { end } of [...this.#underway]) end();
    this.network.heal();
    this.ledger.healSplit();
    this.#note('everything is healed', undefined);
    for (const sidecar of this.sidecars) sidecar.start();
  }

  #note(kind: string, strike: Strike | undefined): void {
    const { where = 'all', detail = {} } = strike ?? {};
    this.history.incidents.push({ atMs: this.kernel.nowMs, kind, where, detail });
    const details = Object.entries(detail).map(([name, value]) => `${name}=${value}`);
    this.kernel.note('fault', [kind, where, ...details].join(' '));
  }

  pause(strike: Strike): void {
    const { process } = this.sidecar(strike.where);
    if (process === undefined) return;
    process.pause();
    this.#paused.set(strike, process);
  }

  goOn(strike: Strike): void {
    this.#paused.get(strike)?.goOn();
    this.#paused.delete(strike);
  }

  configure(name: string, changes: ConfigChanges): void {
    const sidecar = this.sidecar(name);
    sidecar.config = configOf(name, { ...this.#changes, ...changes });
    this.#noteCapacities(sidecar.config);
  }

  /** What a change of the configuration leaves no room for stays all the same. */
  largestCapacity(namespace: string): { readonly leases: number; readonly entries: number } {
    return this.#capacities.get(namespace)!;
  }

  #noteCapacities({ namespaces }: Config): void {
    for (const { name, capacity } of namespaces) {
      const { leases, entries } = this.#capacities.get(name) ?? capacity;
      this.#capacities.set(name, {
        leases: Math.max(leases, capacity.leases), entries: Math.max(entries, capacity.entries),
      });
    }
  }

  crashNeighbour(strike: Strike): void {
    if (this.neighbours.length === 0) return;
    const neighbour = this.neighbours[(strike.detail['client'] as number) % this.neighbours.length]!;
    if (!neighbour.isThere) return;
    neighbour.crash();
    this.#crashed.set(strike, neighbour);
  }

  reviveNeighbour(strike: Strike): void {
    this.#crashed.get(strike)?.comeBack();
    this.#crashed.delete(strike);
  }

  slowWatchers(slow: boolean): void {
    for (const neighbour of this.neighbours) neighbour.readsNothing = slow;
  }

  /* ---- the end --------------------------------------------------------------------------- */

  /** Nobody runs any more. */
  abandon(): void {
    for (const { process } of this.sidecars) process?.kill();
  }

  coverage(): Coverage {
    const { incidents, answered, told } = this.history;
    return {
      faults: counted(incidents.map(({ kind }) => kind).filter((kind) => isFault(kind))),
      failpoints: this.failpoints,
      answers: counted(answered.map(({ asked, answer }) => `${asked.kind} ${answer!.status}`)),
      told: counted(told.map(({ event }) => typeAndReason(event))),
    };
  }
}

function placesOf(asked: Asked): readonly { readonly namespace: string; readonly key: string }[] {
  if (asked.kind === 'batch') return asked.operations;
  return 'key' in asked ? [asked] : [];
}

function counted(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

function typeAndReason(event: ToldEvent['event']): string {
  const { reason } = event['data'] as { readonly reason?: string };
  return reason === undefined ? String(event['type']) : `${event['type']} ${reason}`;
}
