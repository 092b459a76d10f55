/**
 * The ledger inside this process: the specification with a clock. For one sidecar on its own it is
 * the ledger; for many, in tests, it is the one they share. Requests are taken as they arrive, each
 * whole before the next, as Redis does.
 */
import type {
  BeatReply, BeatRequest, DiffReply, DiffRequest, JoinReply, JoinRequest, Ledger, PartitionName,
  PullReply, PullRequest, PushReply, PushRequest, SweepReply, SweepRequest,
} from '../ledger.ts';
import { LedgerError } from '../ledger.ts';
import { beat } from '../specification/beat.ts';
import { diff } from '../specification/diff.ts';
import { cloneRegistry, emptyRegistry, join, type Registry } from '../specification/join.ts';
import {
  clonePartition, emptyPartition, type Partition, type Server,
} from '../specification/partition.ts';
import { pull } from '../specification/pull.ts';
import { push } from '../specification/push.ts';
import { sweep } from '../specification/sweep.ts';

/** Everything a ledger holds at one instant. */
export interface LedgerImage {
  readonly registry: Registry;
  readonly partitions: ReadonlyMap<string, Partition>;
}

export interface EmbeddedOptions {
  /** Milliseconds since 1970; fractions are cut off. */
  readonly now: () => number;
}

export class EmbeddedLedger implements Ledger {
  readonly traffic = { sent: 0, received: 0 };
  readonly #now: () => number;
  #registry = emptyRegistry();
  #partitions = new Map<string, Partition>();
  /** Counts the histories there have been: a restored one is another. */
  #history = 1;
  #closed = false;

  constructor({ now }: EmbeddedOptions) {
    this.#now = now;
  }

  async join(request: JoinRequest): Promise<JoinReply> {
    return join(this.#registry, this.#server().time, request);
  }

  async push(at: PartitionName, request: PushRequest): Promise<PushReply> {
    const records = request.records.map((record) => ({
      ...record,
      siblings: record.siblings.map((sibling) => ({
        ...sibling, label: sibling.label.slice(), value: sibling.value.slice(),
      })),
    }));
    return push(this.#partition(at), this.#server(), { ...request, records });
  }

  async pull(at: PartitionName, request: PullRequest): Promise<PullReply> {
    return pull(this.#partition(at), this.#server(), request);
  }

  async diff(at: PartitionName, request: DiffRequest): Promise<DiffReply> {
    return diff(this.#partition(at), this.#server(), request);
  }

  async beat(at: PartitionName, request: BeatRequest): Promise<BeatReply> {
    return beat(this.#partition(at), this.#server(), request);
  }

  async sweep(at: PartitionName, request: SweepRequest): Promise<SweepReply> {
    return sweep(this.#partition(at), this.#server(), request);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  /** What it holds, not copied: to be looked at between two operations, and never changed. */
  get holdings(): LedgerImage {
    return { registry: this.#registry, partitions: this.#partitions };
  }

  /** To go back to with `restore`; nothing that happens later shows in it. */
  image(): LedgerImage {
    return { registry: cloneRegistry(this.#registry), partitions: clones(this.#partitions) };
  }

  /** As a failover to a replica that lags: an older state, under another history. */
  restore({ registry, partitions }: LedgerImage): void {
    this.#registry = cloneRegistry(registry);
    this.#partitions = clones(partitions);
    this.#history += 1;
  }

  /** As a restart without a disk. */
  clear(): void {
    this.#registry = emptyRegistry();
    this.#partitions = new Map();
    this.#history += 1;
  }

  #server(): Server {
    if (this.#closed) throw new LedgerError('unavailable', 'Cannot ask the ledger: it is closed');
    return { time: Math.floor(this.#now()), replid: String(this.#history) };
  }

  #partition({ namespace, partition }: PartitionName): Partition {
    const name = `${partition}:${namespace}`;
    let found = this.#partitions.get(name);
    if (found === undefined) {
      found = emptyPartition();
      this.#partitions.set(name, found);
    }
    return found;
  }
}

function clones(partitions: ReadonlyMap<string, Partition>): Map<string, Partition> {
  return new Map([...partitions].map(([name, partition]) => [name, clonePartition(partition)]));
}
