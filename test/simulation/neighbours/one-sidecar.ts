/** A whole sidecar on a simulated machine, without ledger and bus: enough for clients to talk to. */
import type { HttpHandler } from '../../../src/http/server.ts';
import { type Sidecar, startSidecar } from '../../../src/sidecar.ts';
import { load } from '../../config/loading.ts';
import { Kernel } from '../kernel/kernel.ts';
import { SimulatedMachine } from '../machine/simulated-machine.ts';
import type { SimulatedProcess } from '../machine/simulated-process.ts';
import type { Answer, Asked } from '../history/operation.ts';
import { answerOf, requestOf } from './api.ts';
import type { Contract } from './contract.ts';
import { ask, type Serving } from './http-exchange.ts';
import { Caller } from './loopback.ts';

const TTL = 'ttl: { defaultMs: 5000, minMs: 100, maxMs: 60000 }';
const CONFIG = `
dataDir: data
namespaces:
  default: { capacity: { leases: 1000, entries: 1000, bytes: 1Mi }, ${TTL} }
  sessions: { capacity: { leases: 1000, entries: 1000, bytes: 1Mi }, ${TTL} }
  jobs: { durability: fsync, capacity: { leases: 1000, entries: 1000, bytes: 1Mi }, ${TTL} }
  presence: { durability: memory, capacity: { leases: 1000, entries: 1000, bytes: 1Mi }, ${TTL} }
  notes: { conflict: siblings, capacity: { leases: 1000, entries: 1000, bytes: 1Mi }, ${TTL} }
  hits: { conflict: counter, capacity: { leases: 1000, entries: 1000, bytes: 1Mi }, ${TTL} }
limits:
  feed: { facts: 256, bytes: 64Ki, ageMs: 300000 }
`;

const ttl = { minMs: 100, maxMs: 60_000 };
export const NAMESPACES: readonly Contract[] = [
  { name: 'sessions', durability: 'journal', conflict: 'lww', ttl },
  { name: 'jobs', durability: 'fsync', conflict: 'lww', ttl },
  { name: 'presence', durability: 'memory', conflict: 'lww', ttl },
  { name: 'notes', durability: 'journal', conflict: 'siblings', ttl },
  { name: 'hits', durability: 'journal', conflict: 'counter', ttl },
];

function absent(): never {
  throw new Error('There is none in this world');
}

const quiet = (): void => {};
const FLAGS = { sweep: 'on', adoption: 'on', merge: 'on', eviction: 'on' } as const;

export function kernelOf(seed: number): Kernel {
  return new Kernel({ seed, startMs: Date.UTC(2026, 5, 1) });
}

export class OneSidecar implements Serving {
  readonly name: string;
  readonly kernel: Kernel;
  readonly machine: SimulatedMachine;
  readonly caller: Caller;
  handler: HttpHandler | undefined;

  constructor(kernel = kernelOf(1), name = 's1') {
    this.kernel = kernel;
    this.name = name;
    this.machine = new SimulatedMachine(kernel, name);
    this.caller = new Caller(kernel, kernel.chance.fork('test'));
  }

  get process(): SimulatedProcess | undefined {
    return this.machine.process;
  }

  get run(): number {
    return this.machine.process?.run ?? 0;
  }

  /** Begins to ask; the answer is in the list when it is there. */
  asks(asked: Asked, timeoutMs = 1_000): Answer[] {
    const answers: Answer[] = [];
    ask(this.caller, this, { ...requestOf(asked), timeoutMs }, (answer) => {
      answers.push(answerOf(asked, answer, this.kernel.nowMs));
    });
    return answers;
  }

  /** Asks, and lets a moment pass. */
  async answer(asked: Asked): Promise<Answer> {
    const answers = this.asks(asked);
    await this.kernel.run(50);
    const [answer] = answers;
    if (answer === undefined) throw new Error(`No answer to ${asked.kind}`);
    return answer;
  }

  /** A new process, which answers once it has read its journal. */
  async start(): Promise<void> {
    const process = this.machine.spawn();
    this.handler = undefined;
    const config = { ...load(CONFIG), listen: [] };
    const { disk } = this.machine;
    const starting: Promise<Sidecar> = startSidecar({
      config,
      log: { debug: quiet, info: quiet, warn: quiet, error: (fields) => this.kernel.fail(fields) },
      flags: () => FLAGS,
      onFatal: (error) => this.kernel.fail(error),
      surroundings: {
        machine: process,
        disk: {
          fileSystem: disk.filesFor(process),
          failpoints: process.failpoints,
          lock: disk.lockFor(process),
        },
        openLedger: absent,
        openBus: absent,
      },
    });
    starting.then(
      ({ handler }) => {
        this.handler = handler;
      },
      (error: unknown) => this.kernel.fail(error),
    );
    await this.kernel.run(500);
  }
}
