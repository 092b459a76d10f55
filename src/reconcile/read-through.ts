/**
 * Read-through: a key that is not held here is asked of the ledger when somebody wants it. Keys
 * wanted in the same moment share a request, and everybody who wants one key shares its answer.
 */
import type { PullReply } from '../ledger/ledger.ts';
import { CborShapeError } from '../core/cbor.ts';
import type { LedgerRecord } from '../ledger/record.ts';
import type { Partition } from './partition.ts';
import { wantedComplaint } from './pull.ts';
import { askPartition, callerOf, offsetOf, type Room } from './room.ts';
import { NO_CURSOR } from '../ledger/ledger.ts';

/** What the ledger held a moment ago. */
export interface Fetched {
  readonly partition: Partition;
  readonly id: string;
  readonly record: LedgerRecord | undefined;
  /** The local copies are newer: the answer was overtaken. */
  readonly overtaken: boolean;
}

interface Flight {
  readonly promise: Promise<Fetched | undefined>;
  readonly land: (fetched: Fetched | undefined) => void;
}

interface Gathering {
  readonly partition: Partition;
  readonly ids: Set<string>;
}

/** Records asked for at once, as elsewhere: each may be large. */
const KEYS_AT_ONCE = 32;

export class ReadThrough {
  readonly #room: Room;
  readonly #flights = new Map<string, Flight>();
  readonly #gatherings = new Map<string, Gathering>();

  constructor(room: Room) {
    this.#room = room;
  }

  get inFlight(): number {
    return this.#flights.size;
  }

  /** Whether asking has any prospect. */
  get available(): boolean {
    const { membership, gate } = this.#room;
    return membership.joined && gate.state !== 'open';
  }

  /** undefined: no answer in time, or too many are waited for. Never rejects. */
  fetch(namespace: string, id: string): Promise<Fetched | undefined> {
    const name = `${namespace} ${id}`;
    const flying = this.#flights.get(name);
    if (flying !== undefined) return flying.promise;
    const { tally, settings } = this.#room;
    const partition = this.#partitionOf(namespace, id);
    if (!this.available || this.#flights.size >= settings.readThroughs || partition === undefined) {
      tally.readThroughsMissed += 1;
      return NO_ANSWER;
    }
    const { promise, resolve } = Promise.withResolvers<Fetched | undefined>();
    this.#flights.set(name, {
      promise,
      land: (fetched) => {
        this.#flights.delete(name);
        resolve(fetched);
      },
    });
    this.#gather(partition, id);
    return promise;
  }

  /**
   * Shows what was fetched to the local state for as long as `use` runs; copies that are not kept
   * anyway are forgotten after it.
   */
  show(fetched: readonly Fetched[], use: () => void): void {
    const { replica } = this.#room;
    for (const { partition, id, record, overtaken } of fetched) {
      if (overtaken) continue;
      const keep = partition.mirrors ? 'all' : 'once';
      try {
        replica.merge(partition.name.namespace, id, record, offsetOf(this.#room, partition), keep);
      } catch (error) {
        if (!(error instanceof CborShapeError)) throw error;
        this.#room.tally.unreadable += 1;
      }
    }
    use();
    for (const { partition, id } of fetched) {
      if (!partition.mirrors) replica.release(partition.name.namespace, id);
    }
  }

  #partitionOf(namespace: string, id: string): Partition | undefined {
    const { partitions } = this.#room;
    const contract = partitions.contractFor(namespace);
    if (contract === undefined) return undefined;
    const { partition } = partitions.place(id);
    return partitions.find(namespace, partition) ?? partitions.make(contract, partition);
  }

  #gather(partition: Partition, id: string): void {
    const name = `${partition.name.namespace} ${partition.name.partition}`;
    let gathering = this.#gatherings.get(name);
    if (gathering === undefined) {
      gathering = { partition, ids: new Set() };
      this.#gatherings.set(name, gathering);
      const gathered = gathering;
      void Promise.resolve().then(() => {
        this.#gatherings.delete(name);
        const ids = [...gathered.ids];
        for (let from = 0; from < ids.length; from += KEYS_AT_ONCE) {
          void this.#ask(gathered.partition, ids.slice(from, from + KEYS_AT_ONCE));
        }
      });
    }
    gathering.ids.add(id);
  }

  async #ask(partition: Partition, ids: readonly string[]): Promise<void> {
    const room = this.#room;
    const { namespace } = partition.name;
    const found = new Map<string, Fetched>();
    try {
      const { reply } = await askPartition(
        room, partition,
        (ledger) =>
          ledger.pull(partition.name, {
            caller: callerOf(room, partition), cursor: NO_CURSOR, limit: 0, records: true, ids,
          }),
        {
          limitMs: room.settings.readThroughMs,
          sound: (answer: PullReply) => wantedComplaint(answer, ids),
          beside: true,
        },
      );
      room.heard.note(room, partition, reply.owners);
      const { cursor } = partition;
      const older =
        reply.epoch < cursor.epoch ||
        (reply.epoch === cursor.epoch && reply.tail.seq < cursor.seq);
      const overtaken = partition.mirrors && older;
      for (const { id, record } of reply.wanted) found.set(id, { partition, id, record, overtaken });
      room.tally.readThroughs += ids.length;
    } catch {
      // Counted where it was asked; whoever waits goes on with what is held here.
      room.tally.readThroughsMissed += ids.length;
    }
    for (const id of ids) this.#flights.get(`${namespace} ${id}`)?.land(found.get(id));
  }
}

const NO_ANSWER: Promise<undefined> = Promise.resolve(undefined);
