/**
 * The way between a client and the sidecar beside it, with no socket in between: how long bytes take,
 * and how a client learns that the other side is gone.
 */
import type { IncomingMessage } from 'node:http';
import type { Chance } from '../kernel/chance.ts';
import type { Cancel, Kernel } from '../kernel/kernel.ts';
import type { SimulatedProcess } from '../machine/simulated-process.ts';
import { Listeners } from './listeners.ts';

/** In milliseconds, one way. */
const LATENCY_MS = { least: 0.05, most: 0.3 };

export class SimulatedSocket extends Listeners {
  readonly remoteAddress = '127.0.0.1';
}

/** A client as the network knows it. */
export class Caller {
  readonly kernel: Kernel;
  readonly chance: Chance;
  /** What is kept open to each process that was asked. */
  readonly #sockets = new WeakMap<SimulatedProcess, SimulatedSocket>();

  constructor(kernel: Kernel, chance: Chance) {
    this.kernel = kernel;
    this.chance = chance;
  }

  latencyMs(): number {
    return this.chance.between(LATENCY_MS.least, LATENCY_MS.most);
  }

  socketTo(process: SimulatedProcess): IncomingMessage['socket'] {
    let socket = this.#sockets.get(process);
    if (socket === undefined) {
      socket = new SimulatedSocket();
      this.#sockets.set(process, socket);
    }
    return socket as unknown as IncomingMessage['socket'];
  }
}

const waitingForDeath = new WeakMap<SimulatedProcess, Set<() => void>>();

/** Calls `work` when `process` dies, after whoever was told of its death before. */
export function whenDead(process: SimulatedProcess, work: () => void): Cancel {
  let waiting = waitingForDeath.get(process);
  if (waiting === undefined) {
    const everybody = new Set<() => void>();
    waiting = everybody;
    waitingForDeath.set(process, everybody);
    const before = process.onDeath;
    process.onDeath = () => {
      before();
      for (const each of everybody) each();
    };
  }
  const mine = waiting;
  mine.add(work);
  return () => {
    mine.delete(work);
  };
}
