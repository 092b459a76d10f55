/**
 * What lies between the places of the simulated world. Each direction between two places is a path
 * of its own, with a quality, a cut and a stream of chance: so a partition may be asymmetric, and
 * what happens on one path moves nothing on another. Messages of a path keep their order, unless
 * its quality says that some overtake.
 */
import type { Chance } from '../kernel/chance.ts';
import { type Kernel, PRIORITY } from '../kernel/kernel.ts';

/** Shares are of all messages, 0 to 1. */
export interface Quality {
  /** No message takes less. */
  readonly leastMs: number;
  /** What is drawn on top, in the mean; exponentially distributed. */
  readonly meanMs: number;
  readonly lost: number;
  /** Arrive once more, later. */
  readonly doubled: number;
  /** How much later, in the mean. */
  readonly secondMs: number;
  /** Do not wait for those sent before them. */
  readonly overtaking: number;
}

/** A data centre on a good day. */
export const GOOD: Quality = {
  leastMs: 0.2, meanMs: 0.3, lost: 0, doubled: 0, secondMs: 50, overtaking: 0,
};

/** Apart by so much, two arrivals have an order in the kernel. */
const APART_MS = 0.001;

interface Path {
  readonly name: string;
  readonly chance: Chance;
  quality: Quality | undefined;
  isCut: boolean;
  /** How often it was: what was under way during one of them is lost. */
  cuts: number;
  lastArrivalMs: number;
}

export class Network {
  readonly kernel: Kernel;
  /** Of every path that has none of its own. */
  quality: Quality = GOOD;
  readonly #chance: Chance;
  readonly #paths = new Map<string, Path>();

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.#chance = kernel.chance.fork('network');
  }

  /** Of one direction; undefined: as everywhere. */
  setQuality(from: string, to: string, quality: Quality | undefined): void {
    this.#path(from, to).quality = quality;
  }

  /** Nothing gets through in this direction any more, what is under way included. */
  cut(from: string, to: string): void {
    const path = this.#path(from, to);
    path.isCut = true;
    path.cuts += 1;
  }

  mend(from: string, to: string): void {
    this.#path(from, to).isCut = false;
  }

  /** Every path is whole and as good as all are on a good day. */
  heal(): void {
    this.quality = GOOD;
    for (const path of this.#paths.values()) {
      path.isCut = false;
      path.quality = undefined;
    }
  }

  isCut(from: string, to: string): boolean {
    return this.#path(from, to).isCut;
  }

  /** Calls `deliver` when it arrives: not at all, once, or twice. It leaves at true time `leavesMs`. */
  send(
    from: string, to: string, label: string, deliver: () => void,
    leavesMs: number = this.kernel.nowMs,
  ): void {
    const path = this.#path(from, to);
    const { chance, isCut } = path;
    const quality = path.quality ?? this.quality;
    // Drawn whatever comes of it: a path that is cut for a while draws the same afterwards.
    const delayMs = quality.leastMs + chance.wait(quality.meanMs);
    const isLost = chance.happens(quality.lost);
    const isDoubled = chance.happens(quality.doubled);
    const overtakes = chance.happens(quality.overtaking);
    if (isCut || isLost) return;
    let arrivesMs = leavesMs + delayMs;
    if (!overtakes) {
      arrivesMs = Math.max(arrivesMs, path.lastArrivalMs + APART_MS);
      path.lastArrivalMs = arrivesMs;
    }
    this.#arrive(path, arrivesMs, label, deliver);
    if (isDoubled) {
      this.#arrive(path, arrivesMs + APART_MS + chance.wait(quality.secondMs), label, deliver);
    }
  }

  #arrive(path: Path, arrivesMs: number, label: string, deliver: () => void): void {
    const { cuts } = path;
    this.kernel.at(arrivesMs, PRIORITY.arrival, `${path.name} ${label}`, () => {
      if (path.cuts === cuts) deliver();
    });
  }

  #path(from: string, to: string): Path {
    const name = `${from}>${to}`;
    let path = this.#paths.get(name);
    if (path === undefined) {
      path = {
        name, chance: this.#chance.fork(name),
        quality: undefined, isCut: false, cuts: 0, lastArrivalMs: -Infinity,
      };
      this.#paths.set(name, path);
    }
    return path;
  }
}
