/**
 * What is not the work of one active partition: sweeping for the silent, noticing what has to be
 * swept or followed, contact where nothing is owned, and forgetting.
 */
import type { NamespaceContract } from '../core/contract.ts';
import { LedgerError } from '../ledger/ledger.ts';
import { faultFields } from '../log/exception-fields.ts';
import type { Partition } from './partition.ts';
import { hearOwners } from './pull.ts';
import type { Room } from './room.ts';
import type { Rounds } from './rounds.ts';
import { recoverSweep, sweepOrphans } from './sweeper.ts';

/** Confirmed tombstones are looked through this often within the window. */
const FORGETS_PER_WINDOW = 4;
/** Own sweeps that find nothing come ever later, up to this many times the interval. */
const SWEEP_PAUSE_MAX = 16;

export class Housekeeping {
  readonly #room: Room;
  readonly #rounds: Rounds;
  readonly #known = new Set<string>();
  #cancel: (() => void) | undefined;
  #sweeping = false;
  #forgetAt = Number.NEGATIVE_INFINITY;

  constructor(room: Room, rounds: Rounds) {
    this.#room = room;
    this.#rounds = rounds;
  }

  start(): void {
    this.#look();
    this.#again();
  }

  close(): void {
    this.#cancel?.();
  }

  #again(): void {
    const { scheduler, settings } = this.#room;
    const delayMs = settings.sweepMs * (0.8 + 0.4 * scheduler.random());
    this.#cancel = scheduler.after(delayMs, () => {
      this.#look();
      this.#again();
    });
  }

  #look(): void {
    const { membership, gate } = this.#room;
    this.#findActive();
    this.#findUnswept();
    this.#makeUp();
    this.#forget();
    if (!membership.joined || gate.state === 'open') return;
    void this.#askAround();
  }

  /** Namespaces that have come into being: what is held or followed there becomes active. */
  #findActive(): void {
    const { partitions, replica, settings } = this.#room;
    for (const contract of partitions.contracts()) {
      if (this.#known.has(contract.name)) continue;
      this.#known.add(contract.name);
      for (let partition = 0; partition < settings.partitions; partition++) {
        if (contract.mirror !== 'all' && !replica.ownsIn(contract.name, partition)) continue;
        partitions.activate(contract, partition);
      }
    }
  }

  #findUnswept(): void {
    const { partitions, replica, scheduler, settings } = this.#room;
    for (const partition of partitions.all()) {
      const { namespace, partition: number } = partition.name;
      if (replica.unswept(namespace, number) === 0) continue;
      // The ledger waits a little past a deadline; sometimes longer, when others have looked.
      const pauseMs = settings.sweepMs * Math.min(SWEEP_PAUSE_MAX, 2 ** partition.sweepsInVain);
      const sweepAt = Math.max(scheduler.now(), partition.sweptAt + pauseMs);
      partition.sweepAt = Math.min(partition.sweepAt, sweepAt);
      this.#rounds.poke(partition);
    }
  }

  /** What was not taken in while merging was off is found by comparing, now that it is on. */
  #makeUp(): void {
    const { partitions, scheduler, flags } = this.#room;
    if (flags().merge !== 'on') return;
    for (const partition of partitions.all()) {
      if (!partition.withheld) continue;
      partition.withheld = false;
      partition.checkAt = scheduler.now();
      this.#rounds.poke(partition);
    }
  }

  #forget(): void {
    const { scheduler, settings, replica } = this.#room;
    const now = scheduler.now();
    if (now < this.#forgetAt) return;
    this.#forgetAt = now + settings.windowMs / FORGETS_PER_WINDOW;
    replica.forgetTombstones(now - settings.windowMs);
  }

  async #askAround(): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    try {
      await this.#recoverSweeps();
      const partition = this.#anyPartition();
      if (partition !== undefined) {
        await this.#rounds.exclusively(partition, () => sweepOrphans(this.#room, partition));
      }
      await this.#keepContact();
    } catch (error) {
      if (!(error instanceof LedgerError)) {
        this.#room.log.error(faultFields(error), 'housekeeping broke off');
      }
    } finally {
      this.#sweeping = false;
    }
  }

  async #recoverSweeps(): Promise<void> {
    const { unheard } = this.#room;
    for (let first = unheard[0]; first !== undefined; first = unheard[0]) {
      const { partition } = first;
      await this.#rounds.exclusively(partition, () => recoverSweep(this.#room, first!));
      unheard.shift();
    }
  }

  /** One of all partitions, whether this sidecar is active in it or not. */
  #anyPartition(): Partition | undefined {
    const { partitions, scheduler, settings } = this.#room;
    const contracts = partitions.contracts();
    if (contracts.length === 0) return undefined;
    const contract = contracts[Math.floor(scheduler.random() * contracts.length)]!;
    return this.#partition(contract, Math.floor(scheduler.random() * settings.partitions));
  }

  #partition(contract: NamespaceContract, number: number): Partition {
    const { partitions } = this.#room;
    return partitions.find(contract.name, number) ?? partitions.make(contract, number);
  }

  /** Where nothing is owned any answer is contact; when there was none for long, one is asked for. */
  async #keepContact(): Promise<void> {
    const { partitions, contacts, gate, scheduler, settings } = this.#room;
    const empty = partitions.contracts().filter(({ name }) => !partitions.isActive(name));
    const first = empty[0];
    if (first === undefined) return;
    const quietSince = gate.answeredAt ?? Number.NEGATIVE_INFINITY;
    const least = empty.reduce((ms, { autonomyMs }) => Math.min(ms, autonomyMs), settings.beatMs * 4);
    if (scheduler.now() - quietSince >= least / 4) {
      const any = this.#partition(first, Math.floor(scheduler.random() * settings.partitions));
      await this.#rounds.exclusively(any, () => hearOwners(this.#room, any));
    }
    for (const contract of empty) {
      contacts.consider(contract, partitions.of(contract.name), gate.answeredAt);
    }
  }
}
