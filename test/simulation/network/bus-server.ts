/**
 * The bus of the simulated world: the streams of the embedded one, on a server that all sidecars
 * reach over the network, and with what goes wrong with such servers. A reader that never sleeps
 * has received whatever was stored, even if the stream loses it afterwards.
 */
import {
  type BusFault, type BusMessage, type PublishOutcome, STREAMS, type StreamName, type StreamState,
} from '../../../src/events/bus.ts';
import {
  MemoryStream, type MemoryStreamOptions, type StoredMessage,
} from '../../../src/events/embedded/memory-stream.ts';
import type { History } from '../history/history.ts';
import type { Chance } from '../kernel/chance.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { Host } from './host.ts';
import type { Network } from './network.ts';
import { toldEvent } from './told-event.ts';

export type StreamStates = Readonly<Record<StreamName, StreamState>>;

export interface BusServerOptions {
  readonly place?: string;
  readonly endings?: Partial<MemoryStreamOptions>;
  readonly events?: Partial<MemoryStreamOptions>;
}

const STREAM: Omit<MemoryStreamOptions, 'discard'> = {
  maxBytes: 64 * 1024 * 1024, maxAgeMs: 7 * 24 * 3_600_000, duplicateWindowMs: 120_000,
};

interface NamedStream {
  readonly created: string;
  readonly messages: MemoryStream;
}

export class BusServer {
  readonly host: Host;
  /** Shares of messages, 0 to 1: never stored, although the connection holds; and no answer. */
  losesMessages = 0;
  /** Stored, and no answer. */
  losesAnswers = 0;
  /** Instead of storing anything. */
  refuses: BusFault | undefined;
  readonly #kernel: Kernel;
  readonly #chance: Chance;
  readonly #history: Pick<History, 'told'>;
  readonly #options: Readonly<Record<StreamName, MemoryStreamOptions>>;
  #streams: Partial<Record<StreamName, NamedStream>> = {};
  #createdAtMs = 0;
  /** How often it forgot which ids it has had: the streams know them with this behind them. */
  #memories = 0;

  constructor(
    network: Network, history: Pick<History, 'told'>,
    { place = 'bus', endings, events }: BusServerOptions = {},
  ) {
    this.host = new Host(network, place);
    this.#kernel = network.kernel;
    this.#chance = network.kernel.chance.fork(`server ${place}`);
    this.#history = history;
    this.#options = {
      endings: { ...STREAM, discard: 'new', ...endings },
      events: { ...STREAM, discard: 'old', ...events },
    };
  }

  /* ---- what clients ask, where it has arrived -------------------------------------------- */

  publish(message: BusMessage, answer: (outcome: PublishOutcome) => void): void {
    const isLost = this.#chance.happens(this.losesMessages);
    const isUnanswered = this.#chance.happens(this.losesAnswers);
    if (isLost) return;
    const { refuses } = this;
    const outcome = refuses === undefined ? this.#store(message) : failed(refuses);
    if (!isUnanswered) answer(outcome);
  }

  /** Creates what is absent. */
  prepare(): StreamStates {
    for (const stream of STREAMS) this.#streams[stream] ??= this.#create(stream);
    const { endings, events } = this.#streams as Record<StreamName, NamedStream>;
    const { nowMs } = this.#kernel;
    return { endings: endings.messages.state(nowMs), events: events.messages.state(nowMs) };
  }

  /* ---- what is seen, and done to it ------------------------------------------------------ */

  /**
   * What a stream holds, oldest first; nothing when it is absent. Ids are as the stream knows them
   * (see `forgetRepeats`).
   */
  messages(stream: StreamName): readonly StoredMessage[] {
    return this.#streams[stream]?.messages.messages(this.#kernel.nowMs) ?? [];
  }

  /** As if the window in which repeats are recognised had passed for everything it holds. */
  forgetRepeats(): void {
    this.#memories += 1;
  }

  state(stream: StreamName): StreamState | undefined {
    return this.#streams[stream]?.messages.state(this.#kernel.nowMs);
  }

  /** Until somebody prepares it again, what is sent to it finds no stream. */
  deleteStream(stream: StreamName): void {
    delete this.#streams[stream];
  }

  /** Another one, empty, under the same name. */
  replaceStream(stream: StreamName): void {
    this.#streams[stream] = this.#create(stream);
  }

  /** What was acknowledged after `sequence` is lost, as if it had never been there. */
  loseAfter(stream: StreamName, sequence: number): void {
    this.#streams[stream]?.messages.loseAfter(sequence);
  }

  /** What the disk had not got in the last `ms` is lost, in every stream. Returns how many. */
  loseLatest(ms: number): number {
    const sinceMs = this.#kernel.nowMs - ms;
    let lost = 0;
    for (const stream of STREAMS) {
      const held = this.messages(stream);
      const first = held.findIndex(({ storedAt }) => storedAt > sinceMs);
      if (first < 0) continue;
      lost += held.length - first;
      this.loseAfter(stream, held[first]!.sequence - 1);
    }
    return lost;
  }

  /** Takes the place of the configured bound of bytes from now on; undefined: that one again. */
  resize(stream: StreamName, maxBytes?: number): void {
    this.#streams[stream]?.messages.resize(maxBytes ?? this.#options[stream].maxBytes);
  }

  /** Its bound is what it holds: it takes nothing more, or loses its oldest for whatever comes. */
  fill(stream: StreamName): void {
    const state = this.state(stream);
    if (state !== undefined) this.resize(stream, state.bytes);
  }

  /** Readers have taken everything out. */
  purge(stream: StreamName): void {
    this.#streams[stream]?.messages.purge();
  }

  #store(message: BusMessage): PublishOutcome {
    const stream = this.#streams[message.stream];
    if (stream === undefined) {
      return failed({ kind: 'no-stream', detail: `There is no stream of ${message.stream}` });
    }
    const { nowMs } = this.#kernel;
    const id = this.#memories === 0 ? message.id : `${message.id} ${this.#memories}`;
    const outcome = stream.messages.store({ ...message, id }, nowMs);
    if (outcome.ok && !outcome.duplicate) {
      const stored = { ...message, sequence: outcome.sequence, storedAt: nowMs };
      this.#history.told.push(toldEvent(stored, stream.created));
    }
    return outcome;
  }

  #create(stream: StreamName): NamedStream {
    // Two that are created within a millisecond are two all the same.
    this.#createdAtMs = Math.max(this.#createdAtMs + 1, Math.floor(this.#kernel.nowMs));
    const created = new Date(this.#createdAtMs).toISOString();
    return { created, messages: new MemoryStream(stream, created, this.#options[stream]) };
  }
}

function failed(fault: BusFault): PublishOutcome {
  return { ok: false, fault };
}
