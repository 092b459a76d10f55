/**
 * Reads both streams into an archive, from the start and while they grow, and begins again wherever
 * a stream turns out to be another one or to have gone back. A server that goes is waited for.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { AckPolicy, DeliverPolicy, type JetStreamManager, nanos, type NatsConnection } from 'nats';
import { STREAMS, type StreamName } from '../../../src/events/bus.ts';
import { STREAM_NAMES } from '../../../src/events/nats/streams.ts';
import type { NatsServer } from '../../servers/nats.ts';
import type { Archive } from './archive.ts';

const BATCH = 2_000;
/** Between two looks, and before a server that is away is tried again. */
const LOOK_MS = 100;
const TIMEOUT_MS = 2_000;
const FORGOTTEN_AFTER_MS = 60_000;

interface Place {
  created: string;
  /** The stream's number of what is read next. */
  next: number;
  consumer: string | undefined;
  /** Endings that this stream, as it was created, has held. */
  endings: Set<string>;
}

export class Reader {
  readonly #server: Pick<NatsServer, 'admin'>;
  readonly #archive: Archive;
  readonly #places = new Map<StreamName, Place>();
  readonly #seen = new Set<string>();
  #connection: NatsConnection | undefined;
  #stopped = false;
  #following: Promise<void> = Promise.resolve();
  /** Of the last failure; what a campaign that comes to no end can show. */
  lastError = '';

  constructor(server: Pick<NatsServer, 'admin'>, archive: Archive) {
    this.#server = server;
    this.#archive = archive;
  }

  /** Begins to read, until `stop`. */
  follow(): void {
    this.#following = this.#follow();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#following;
  }

  async #follow(): Promise<void> {
    while (!this.#stopped) {
      await this.#look();
      await sleep(LOOK_MS);
    }
    await this.#forget();
  }

  async #look(): Promise<void> {
    try {
      const manager = await this.#manager();
      for (const stream of STREAMS) await this.#readOn(manager, stream);
    } catch (error) {
      this.lastError = (error as Error).message;
      await this.#forget();
    }
  }

  /**
   * Reads both streams whole, once more; for when nobody writes any more. How many messages stand
   * in them more than once.
   */
  async readWhole(): Promise<number> {
    const manager = await this.#manager();
    this.#seen.clear();
    const before = this.#archive.messages;
    for (const place of this.#places.values()) {
      place.next = 1;
      place.consumer = undefined;
      place.endings.clear();
    }
    for (const stream of STREAMS) await this.#readOn(manager, stream);
    await this.#forget();
    return this.#archive.messages - before - this.#seen.size;
  }

  /** Ids of the endings that have been read from the stream as it is now. */
  get endingsInStream(): ReadonlySet<string> {
    return this.#places.get('endings')?.endings ?? new Set();
  }

  async #manager(): Promise<JetStreamManager> {
    this.#connection ??= await this.#server.admin();
    return this.#connection.jetstreamManager({ timeout: TIMEOUT_MS, checkAPI: false });
  }

  async #forget(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    for (const place of this.#places.values()) place.consumer = undefined;
    await connection?.close().catch(() => {});
  }

  async #readOn(manager: JetStreamManager, stream: StreamName): Promise<void> {
    const name = STREAM_NAMES[stream];
    const { created, state } = await manager.streams.info(name);
    const place = this.#placeIn(stream, created, state.last_seq);
    if (state.first_seq > place.next) {
      place.next = state.first_seq;
      place.consumer = undefined;
    }
    while (place.next <= state.last_seq) {
      place.consumer ??= await this.#consumerFrom(manager, name, place.next);
      const consumer = await manager.jetstream().consumers.get(name, place.consumer);
      const wanted = Math.min(BATCH, state.last_seq - place.next + 1);
      const before = place.next;
      for await (const message of await consumer.fetch({ max_messages: wanted, expires: TIMEOUT_MS })) {
        const { seq, subject, headers, data } = message;
        // A pull that was given up has taken some along: who purges what is read must have read it.
        if (seq > place.next) {
          place.consumer = undefined;
          const now = await manager.streams.info(name);
          place.next = Math.max(place.next, now.state.first_seq);
          break;
        }
        const id = headers?.get('Nats-Msg-Id') ?? '';
        this.#seen.add(id);
        const endingId = this.#archive.take({ stream, subject, id, body: data });
        if (endingId !== undefined) place.endings.add(endingId);
        place.next = seq + 1;
      }
      // Purged meanwhile, or the server has forgotten who asks.
      if (place.next === before && place.consumer !== undefined) throw new Error(`Nothing came from ${name} at ${before}`);
    }
  }

  #placeIn(stream: StreamName, created: string, last: number): Place {
    const known = this.#places.get(stream);
    if (known?.created === created) {
      if (last < known.next - 1) {
        known.next = 1;
        known.consumer = undefined;
      }
      return known;
    }
    const place: Place = { created, next: 1, consumer: undefined, endings: new Set() };
    this.#places.set(stream, place);
    return place;
  }

  async #consumerFrom(manager: JetStreamManager, name: string, next: number): Promise<string> {
    const info = await manager.consumers.add(name, {
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: next,
      mem_storage: true,
      num_replicas: 1,
      inactive_threshold: nanos(FORGOTTEN_AFTER_MS),
    });
    return info.name;
  }
}
