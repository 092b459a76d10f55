/**
 * One JetStream stream, read in its order and to its present end and beyond, with nothing kept at
 * the server: a consumer in memory that is made anew wherever this reader stands, whenever the
 * server has lost it. No acknowledgements, so nothing is delivered twice.
 */
import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  type JetStreamManager,
  type JsMsg,
  nanos,
  nuid,
  type StreamInfo,
} from 'nats';
import { type BusClient, busFailure, isPassing } from './bus-client.ts';
import type { CommandIo } from './command-io.ts';
import { spoken } from './printable.ts';
import type { Since } from './since.ts';

const BACKOFF_BASE_MS = 250;
const BACKOFF_MAX_MS = 10_000;
/** How soon the server forgets a consumer nobody asks any more. */
const FORGOTTEN_AFTER_MS = 60_000;
/** Messages on their way: what bounds the memory of a reader whose terminal is slow. */
const AHEAD_MAX = 256;
/** How long a request for messages stands; half of it without a heartbeat, and it is looked after. */
const STANDING_MS = 4_000;

export interface StreamReading {
  readonly stream: string;
  readonly since: Since;
  readonly retries: number;
  /** Called for each message; the next one waits for it. */
  readonly onMessage: (message: JsMsg) => Promise<void>;
  /** The stream is another one than before, or went back. It is read from its start. */
  readonly onReplaced: (stream: string) => Promise<void>;
}

export class StreamReader {
  readonly #bus: BusClient;
  readonly #manager: JetStreamManager;
  readonly #reading: StreamReading;
  readonly #io: CommandIo;
  readonly #stopped: AbortSignal;
  #created: string | undefined;
  /** The stream's number of what is read next; undefined: where `since` says. */
  #next: number | undefined;
  #failures = 0;

  constructor(
    bus: BusClient,
    manager: JetStreamManager,
    reading: StreamReading,
    io: CommandIo,
    stopped: AbortSignal,
  ) {
    this.#bus = bus;
    this.#manager = manager;
    this.#reading = reading;
    this.#io = io;
    this.#stopped = stopped;
  }

  /**
   * Until stopped. Failures after the first success are waited out, as many in a row as `retries`.
   *
   * @throws CommandFailure when there is no such stream, it is denied, or failed too often
   */
  async run(): Promise<void> {
    while (!this.#stopped.aborted) {
      try {
        await this.#follow();
      } catch (error) {
        if (this.#stopped.aborted) return;
        await this.#wait(error);
      }
    }
  }

  async #wait(error: unknown): Promise<void> {
    const failure = busFailure(error, this.#bus.url, this.#reading.stream);
    const isFirst = this.#created === undefined;
    // What fails while there is no connection says nothing of the stream, and the connection counts
    // its own attempts.
    if (this.#bus.isConnected()) this.#failures++;
    if (isFirst || !isPassing(failure) || this.#failures > this.#reading.retries) throw failure;
    const bound = Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** this.#failures);
    const delayMs = Math.round(this.#io.random() * bound);
    if (this.#failures > 1) {
      this.#io.tell(`${failure.message}; trying again in ${spoken(delayMs)}`);
    }
    await this.#io.pause(delayMs, this.#stopped);
  }

  /** One consumer, for as long as the server keeps it. */
  async #follow(): Promise<void> {
    const { stream, onMessage } = this.#reading;
    const info = await this.#manager.streams.info(stream);
    await this.#settleStart(info);
    const name = `watch-${nuid.next()}`;
    await this.#manager.consumers.add(stream, { ...this.#start(), ...CONSUMER, name });
    const consumer = await this.#bus.nats.jetstream().consumers.get(stream, name);
    const messages = await consumer.consume({
      max_messages: AHEAD_MAX,
      expires: STANDING_MS,
      abort_on_missing_resource: true,
    });
    const stop = (): void => messages.stop();
    this.#stopped.addEventListener('abort', stop);
    try {
      for await (const message of messages) {
        this.#failures = 0;
        await onMessage(message);
        if (this.#stopped.aborted) return;
        this.#next = message.seq + 1;
      }
    } finally {
      this.#stopped.removeEventListener('abort', stop);
      messages.stop();
      if (this.#bus.isConnected()) void consumer.delete().catch(() => {});
    }
  }

  async #settleStart({ created, state }: StreamInfo): Promise<void> {
    const isAnother = this.#created !== undefined && this.#created !== created;
    const wentBack = this.#next !== undefined && state.last_seq < this.#next - 1;
    if (isAnother || wentBack) {
      this.#next = 1;
      await this.#reading.onReplaced(this.#reading.stream);
    }
    this.#created = created;
    // From here on by number, so that what comes during a lost connection is not passed over.
    if (this.#next === undefined && this.#reading.since === 'now') this.#next = state.last_seq + 1;
  }

  #start(): Partial<ConsumerConfig> {
    if (this.#next !== undefined) {
      return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: this.#next };
    }
    const { since } = this.#reading;
    if (typeof since === 'string') return { deliver_policy: DeliverPolicy.All };
    return { deliver_policy: DeliverPolicy.StartTime, opt_start_time: since.toISOString() };
  }
}

const CONSUMER: Partial<ConsumerConfig> = {
  ack_policy: AckPolicy.None,
  mem_storage: true,
  num_replicas: 1,
  inactive_threshold: nanos(FORGOTTEN_AFTER_MS),
};
