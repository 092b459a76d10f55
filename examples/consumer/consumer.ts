/**
 * The loop: take a batch of each stream, handle it, remember, acknowledge; and list again where
 * something stayed missing. In this order, so that a crash at any point repeats work and loses none.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  AckPolicy, type Consumer, DeliverPolicy, type JsMsg, nanos, type NatsConnection,
} from 'nats';
import { readEvent } from './event.ts';
import { listKeys } from './listing.ts';
import type { Presence } from './presence.ts';
import { Progress, type SavedProgress, type Stream } from './progress.ts';

const STREAMS: Readonly<Record<Stream, string>> = {
  endings: 'LEASEHOLD_ENDINGS',
  events: 'LEASEHOLD_EVENTS',
};
const BATCH_MAX = 100;
/** How long a batch waits to be filled, and so about the latest an event is acknowledged. */
const BATCH_MS = 1_000;
const RETRY_MS = 1_000;

export interface ConsumerSettings {
  /** The durable consumer: where it is in the streams is kept at the server under this name. */
  readonly durable: string;
  /** URLs of all sidecars. */
  readonly sidecars: readonly string[];
  /** What is not acknowledged for so long comes again. Longer than a batch takes. */
  readonly ackWaitMs: number;
  /** Without it, what is remembered ends with the process. */
  readonly stateFile: string | undefined;
}

export class EventConsumer {
  readonly #nats: NatsConnection;
  readonly #settings: ConsumerSettings;
  readonly #presence: Presence;
  readonly #say: (line: string) => void;
  #progress = new Progress();
  #consumers: readonly (readonly [Stream, Consumer])[] = [];
  #mustList = true;

  constructor(
    nats: NatsConnection,
    settings: ConsumerSettings,
    presence: Presence,
    say: (line: string) => void,
  ) {
    this.#nats = nats;
    this.#settings = settings;
    this.#presence = presence;
    this.#say = say;
  }

  /** Until stopped. Whatever fails meanwhile is told and tried again. */
  async run(stopped: AbortSignal): Promise<void> {
    this.#progress = new Progress(await savedProgress(this.#settings.stateFile));
    while (!stopped.aborted) {
      try {
        await this.#turn();
      } catch (error) {
        if (stopped.aborted) return;
        this.#say(`error ${messageOf(error)}; trying again`);
        // The stream may be another one by then: look for it, and make its consumer, anew.
        this.#consumers = [];
        await sleep(RETRY_MS, undefined, { signal: stopped }).catch(() => {});
      }
    }
  }

  async #turn(): Promise<void> {
    const { ackWaitMs, stateFile } = this.#settings;
    // First the consumers, then the listing: what happens in between is told, not lost.
    if (this.#consumers.length === 0) this.#consumers = await this.#ensureConsumers();
    if (this.#mustList) await this.#list();
    const batches = await Promise.all(this.#consumers.map((one) => this.#takeBatch(...one)));
    // Twice, since what is missing may be on its way again: taken once and never acknowledged.
    for (const gap of this.#progress.giveUp(2 * ackWaitMs, Date.now())) {
      this.#say(`gap   ${gap} stayed missing`);
      this.#mustList = true;
    }
    const taken = batches.flat();
    if (taken.length === 0) return;
    await saveProgress(stateFile, this.#progress);
    for (const message of taken) message.ack();
  }

  /** Handles what there is, at most `BATCH_MAX` and for `BATCH_MS`; gives what to acknowledge. */
  async #takeBatch(stream: Stream, consumer: Consumer): Promise<JsMsg[]> {
    const taken: JsMsg[] = [];
    const messages = await consumer.fetch({ max_messages: BATCH_MAX, expires: BATCH_MS });
    for await (const message of messages) {
      this.#handle(stream, message);
      taken.push(message);
    }
    return taken;
  }

  #handle(stream: Stream, message: JsMsg): void {
    const event = readEvent(message);
    if (event === undefined) {
      this.#say(`skip  message ${message.seq} of ${stream} is no event`);
      return;
    }
    const { source, type, sequence, data } = event;
    const { endingId } = data;
    if (!this.#progress.isNew(stream, source, sequence, Date.now())) {
      this.#say(`again ${sequence} of ${stream} of ${source}`);
    } else if (typeof endingId === 'string' && !this.#progress.isNewEnding(endingId)) {
      this.#say(`again ending ${endingId}, told by ${source}`);
    } else if (type === 'leasehold.source.closed.v1') {
      const last = data['lastSequences'] as Readonly<Record<Stream, number>>;
      this.#progress.close(String(data['source']), last, Date.now());
      this.#say(`over  ${String(data['source'])}`);
    } else {
      this.#presence.apply(event);
    }
  }

  async #list(): Promise<void> {
    const { sidecars } = this.#settings;
    try {
      const { keys, at, cursors } = await listKeys(sidecars, this.#presence.namespace);
      this.#presence.replace(keys, at);
      this.#mustList = false;
      this.#say(`list  ${keys.size} keys at ${cursors.join(', ')}`);
    } catch (error) {
      // The events go on meanwhile: they come from other sidecars, too.
      this.#say(`error cannot list: ${messageOf(error)}; trying again`);
    }
  }

  /** Makes the durable consumers where they are absent: of everything, see the README. */
  async #ensureConsumers(): Promise<(readonly [Stream, Consumer])[]> {
    const { durable, ackWaitMs } = this.#settings;
    const manager = await this.#nats.jetstreamManager({ checkAPI: false });
    const consumers: (readonly [Stream, Consumer])[] = [];
    for (const [stream, name] of Object.entries(STREAMS) as [Stream, string][]) {
      await manager.consumers.add(name, {
        durable_name: durable,
        ack_policy: AckPolicy.Explicit,
        ack_wait: nanos(ackWaitMs),
        deliver_policy: DeliverPolicy.All,
      });
      consumers.push([stream, await this.#nats.jetstream().consumers.get(name, durable)]);
    }
    return consumers;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function savedProgress(file: string | undefined): Promise<SavedProgress | undefined> {
  if (file === undefined) return undefined;
  try {
    return JSON.parse(await readFile(file, 'utf8')) as SavedProgress;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** In one step: a crash leaves the old file or the new one. */
async function saveProgress(file: string | undefined, progress: Progress): Promise<void> {
  if (file === undefined) return;
  await writeFile(`${file}.new`, JSON.stringify(progress.save()));
  await rename(`${file}.new`, file);
}
