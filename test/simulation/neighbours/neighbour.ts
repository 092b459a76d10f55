/**
 * A client of the simulated world: one behaviour, one session after another. It can be stopped, and
 * it can crash: then it has forgotten everything, and when it comes back it is somebody new.
 */
import type { Chance } from '../kernel/chance.ts';
import { batch } from './behaviours/batcher.ts';
import { claimJobs } from './behaviours/job-claimer.ts';
import { count } from './behaviours/counter.ts';
import { edit } from './behaviours/editor.ts';
import { hoard } from './behaviours/hoarder.ts';
import { holdSessions } from './behaviours/session-holder.ts';
import { probe } from './behaviours/prober.ts';
import { race } from './behaviours/racer.ts';
import { read } from './behaviours/reader.ts';
import { remove } from './behaviours/deleter.ts';
import { repeat } from './behaviours/repeater.ts';
import { showPresence } from './behaviours/presence.ts';
import { straggle } from './behaviours/straggler.ts';
import { watch } from './behaviours/watcher.ts';
import { type Contract, takesValues } from './contract.ts';
import type { Serving } from './http-exchange.ts';
import { type Neighbourhood, Session } from './session.ts';
import type { WatchedEvent } from './watched.ts';

interface Behaviour {
  readonly lives: (session: Session) => Promise<void>;
  /** What it cannot do without. */
  readonly needs: (contract: Contract) => boolean;
  /** How common it is, before the seed has its say. */
  readonly weight: number;
}

const anything = (): boolean => true;

export const BEHAVIOURS = {
  'session-holder': { lives: holdSessions, needs: takesValues, weight: 6 },
  presence: { lives: showPresence, needs: takesValues, weight: 3 },
  'job-claimer': { lives: claimJobs, needs: takesValues, weight: 3 },
  counter: { lives: count, needs: anything, weight: 2 },
  editor: { lives: edit, needs: takesValues, weight: 3 },
  batcher: { lives: batch, needs: takesValues, weight: 2 },
  reader: { lives: read, needs: anything, weight: 2 },
  deleter: { lives: remove, needs: takesValues, weight: 1 },
  watcher: { lives: watch, needs: anything, weight: 2 },
  prober: { lives: probe, needs: takesValues, weight: 2 },
  straggler: { lives: straggle, needs: takesValues, weight: 3 },
  repeater: { lives: repeat, needs: takesValues, weight: 3 },
  racer: { lives: race, needs: takesValues, weight: 2 },
  hoarder: { lives: hoard, needs: takesValues, weight: 2 },
} as const satisfies Record<string, Behaviour>;
export type BehaviourName = keyof typeof BEHAVIOURS;

const NAMES = Object.keys(BEHAVIOURS) as BehaviourName[];

export interface NeighbourParts {
  readonly neighbourhood: Neighbourhood;
  readonly name: string;
  readonly behaviour: BehaviourName;
  /** Where it is at home. */
  readonly sidecar: Serving;
}

export class Neighbour {
  readonly name: string;
  readonly behaviour: BehaviourName;
  /** By all its sessions, in order. */
  readonly watched: WatchedEvent[] = [];
  readonly #neighbourhood: Neighbourhood;
  readonly #chance: Chance;
  #sidecar: Serving;
  #session: Session | undefined;
  #sessions = 0;

  constructor({ neighbourhood, name, behaviour, sidecar }: NeighbourParts) {
    this.name = name;
    this.behaviour = behaviour;
    this.#neighbourhood = neighbourhood;
    this.#sidecar = sidecar;
    this.#chance = neighbourhood.kernel.chance.fork(`client ${name}`);
  }

  get isThere(): boolean {
    return this.#session !== undefined;
  }

  start(): void {
    if (this.#session !== undefined) return;
    this.#sessions += 1;
    const session = new Session({
      neighbourhood: this.#neighbourhood,
      client: this.name,
      number: this.#sessions,
      chance: this.#chance.fork(`session ${this.#sessions}`),
      sidecar: this.#sidecar,
      watched: this.watched,
    });
    this.#session = session;
    session.begin(BEHAVIOURS[this.behaviour].lives(session));
  }

  /** Asks nothing more; open requests may still be answered, and a watcher still sees events. */
  stop(): void {
    this.#session?.stop();
  }

  /** Whatever it watches. */
  set readsNothing(nothing: boolean) {
    if (this.#session !== undefined) this.#session.readsNothing = nothing;
  }

  crash(): void {
    if (this.#session === undefined) return;
    this.#neighbourhood.kernel.note(this.name, 'crashes');
    this.#sidecar = this.#session.sidecar;
    this.#session.crash();
    this.#session = undefined;
  }

  comeBack(): void {
    this.#neighbourhood.kernel.note(this.name, 'comes back');
    this.start();
  }
}

/**
 * So many clients, spread over the sidecars. How common each behaviour is differs from seed to seed,
 * so that some runs are full of one kind.
 */
export function neighboursOf(neighbourhood: Neighbourhood, clients: number): readonly Neighbour[] {
  const { kernel, sidecars, namespaces } = neighbourhood;
  const chance = kernel.chance.fork('neighbours');
  const weights = NAMES.filter((name) => namespaces.some(BEHAVIOURS[name].needs)).map(
    (name) => [name, chance.wait(BEHAVIOURS[name].weight)] as const,
  );
  return Array.from({ length: clients }, (_, index) =>
    new Neighbour({
      neighbourhood,
      name: `c${index + 1}`,
      behaviour: chance.weighted(weights),
      sidecar: sidecars[index % sidecars.length]!,
    }),
  );
}
