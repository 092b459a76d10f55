/**
 * How a change becomes work: keys that have changed are gathered for a moment after a commit and
 * noted at their partitions. Keys that the ledger has sent back come again after a while.
 */
import type { Scheduler } from '../resilience/scheduler.ts';
import type { Partition } from './partition.ts';
import type { Partitions } from './partitions.ts';
import type { Replica } from './replica.ts';

/** Long enough to gather a burst, short beside a round trip between machines. */
const GATHER_MS = 2;
/** While the ledger is away, only the counts are of interest. */
const GATHER_AWAY_MS = 1_000;
/** Keys of a partition that wait to come again, at most; beyond that the partition waits. */
const DELAYED_MAX = 1_024;

export class Changes {
  readonly #replica: Pick<Replica, 'takeChanged' | 'changedAgain'>;
  readonly #partitions: Partitions;
  readonly #scheduler: Scheduler;
  #cancel: (() => void) | undefined;
  /** Whether the ledger can be asked at all. */
  connected: () => boolean = () => true;
  /** Called for each partition that has something to push. */
  onChange: (partition: Partition) => void = () => {};

  constructor(parts: {
    readonly replica: Pick<Replica, 'takeChanged' | 'changedAgain'>;
    readonly partitions: Partitions;
    readonly scheduler: Scheduler;
  }) {
    this.#replica = parts.replica;
    this.#partitions = parts.partitions;
    this.#scheduler = parts.scheduler;
  }

  /** Something may have changed. Cheap: called after every commit. */
  changed(): void {
    if (this.#cancel !== undefined) return;
    const delayMs = this.connected() ? GATHER_MS : GATHER_AWAY_MS;
    this.#cancel = this.#scheduler.after(delayMs, () => this.take());
  }

  /** Notes everything that has changed so far. */
  take(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const now = this.#scheduler.now();
    const touched = new Set<Partition>();
    this.#replica.takeChanged((namespace, id) => {
      const contract = this.#partitions.contract(namespace);
      if (contract === undefined) return;
      const partition = this.#partitions.activate(contract, this.#partitions.place(id).partition);
      partition.unpushed.add(id, now);
      touched.add(partition);
    });
    for (const partition of touched) this.onChange(partition);
  }

  /** These keys change again after a while: the ledger has not taken them as they were. */
  again(partition: Partition, ids: readonly string[], delayMs: number): void {
    if (ids.length === 0) return;
    const { namespace } = partition.name;
    if (partition.delayed + ids.length > DELAYED_MAX) {
      partition.notBefore = this.#scheduler.now() + delayMs;
      for (const id of ids) this.#replica.changedAgain(namespace, id);
      this.changed();
      return;
    }
    partition.delayed += ids.length;
    this.#scheduler.after(delayMs, () => {
      partition.delayed -= ids.length;
      for (const id of ids) this.#replica.changedAgain(namespace, id);
      this.take();
      this.onChange(partition);
    });
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
