/**
 * The bus in memory, with the streams, bounds and repeats of the real one: where there is no NATS,
 * and where a test or a simulator leads time and wants trouble on demand. What it holds is bounded
 * by the bytes of its streams; what is outstanding by the publisher.
 */
import type { Scheduler } from '../../resilience/scheduler.ts';
import type {
  Bus, BusFault, BusMessage, BusState, PublishOutcome, StreamName, StreamState,
} from '../bus.ts';
import { STREAMS } from '../bus.ts';
import { MemoryStream, type MemoryStreamOptions, type StoredMessage } from './memory-stream.ts';

export interface EmbeddedBusOptions {
  readonly endings: MemoryStreamOptions;
  readonly events: MemoryStreamOptions;
  /** How long an acknowledgement is waited for. */
  readonly ackMs: number;
}

/** Trouble on demand; each stays until it is taken back. */
export interface EmbeddedTrouble {
  /** An acknowledgement comes this much later. */
  delayMs?: number;
  /** What is sent is stored, and nobody hears of it. */
  losesAnswers?: boolean;
  /** What is sent does not arrive either. */
  losesMessages?: boolean;
  /** Instead of storing anything. */
  refuses?: BusFault;
}

type Done = (outcome: PublishOutcome) => void;

/** One message that has no outcome yet. */
interface Waiting {
  readonly done: Done;
}

export class EmbeddedBus implements Bus {
  readonly kind = 'embedded';
  readonly mode = 'jetstream';
  state: BusState = 'connected';
  onState: (state: BusState, detail: string) => void = () => {};
  trouble: EmbeddedTrouble = {};
  readonly #options: EmbeddedBusOptions;
  readonly #scheduler: Scheduler;
  #streams: Partial<Record<StreamName, MemoryStream>> = {};
  readonly #outstanding = new Set<Waiting>();
  #createdAt = 0;
  #published = 0;
  #acknowledged = 0;
  #emptied: (() => void)[] = [];
  #turn: (() => void)[] = [];

  constructor(options: EmbeddedBusOptions, scheduler: Scheduler) {
    this.#options = options;
    this.#scheduler = scheduler;
  }

  publish(message: BusMessage, done: Done): void {
    if (this.state !== 'connected') {
      this.#soon(() => done({ ok: false, fault: { kind: 'away', detail: 'Not connected' } }));
      return;
    }
    this.#published += 1;
    const waiting = { done };
    this.#outstanding.add(waiting);
    const { delayMs = 0, losesAnswers, losesMessages, refuses } = this.trouble;
    const outcome: PublishOutcome | undefined =
      refuses !== undefined
        ? { ok: false, fault: refuses }
        : losesMessages === true
          ? undefined
          : this.#store(message);
    const { ackMs } = this.#options;
    if (outcome === undefined || losesAnswers === true || delayMs >= ackMs) {
      const detail = `No acknowledgement within ${ackMs} ms`;
      this.#later(ackMs, () => this.#settle(waiting, { ok: false, fault: { kind: 'timeout', detail } }));
    } else {
      const settle = (): void => this.#settle(waiting, outcome);
      if (delayMs === 0) this.#soon(settle);
      else this.#later(delayMs, settle);
    }
  }

  async prepare(): Promise<Readonly<Record<StreamName, StreamState>>> {
    if (this.state !== 'connected') {
      throw new Error('Cannot prepare the streams: the embedded bus is away');
    }
    for (const stream of STREAMS) this.#streams[stream] ??= this.#create(stream);
    return this.#states()!;
  }

  status(): object {
    return {
      kind: this.kind,
      mode: this.mode,
      state: this.state,
      outstanding: this.#outstanding.size,
      published: this.#published,
      acknowledged: this.#acknowledged,
      streams: this.#states(),
    };
  }

  async close(budgetMs: number): Promise<void> {
    if (this.state === 'closed') return;
    if (this.#outstanding.size > 0) {
      await new Promise<void>((resolve) => {
        this.#emptied.push(resolve);
        this.#later(budgetMs, resolve);
      });
    }
    this.#setState('closed', 'Closed');
    this.#abandon('The bus was closed before it was acknowledged');
  }

  /** What a stream holds, oldest first; nothing when it is absent. */
  messages(stream: StreamName): readonly StoredMessage[] {
    return this.#streams[stream]?.messages(this.#scheduler.now()) ?? [];
  }

  /** The connection is lost: what was sent may be stored, and nobody hears of it. */
  goAway(): void {
    this.#setState('away', 'The embedded bus went away');
    this.#abandon('The embedded bus went away');
  }

  comeBack(): void {
    this.#setState('connected', 'The embedded bus is back');
  }

  /** Until it is prepared again, what is sent to it finds no stream. */
  deleteStream(stream: StreamName): void {
    delete this.#streams[stream];
  }

  /** Another one, empty, under the same name. */
  replaceStream(stream: StreamName): void {
    this.#streams[stream] = this.#create(stream);
  }

  /** It goes back to an earlier state of itself: everything after `sequence` is lost. */
  loseAfter(stream: StreamName, sequence: number): void {
    this.#streams[stream]?.loseAfter(sequence);
  }

  /** Takes the place of the configured bound of bytes from now on. */
  resize(stream: StreamName, maxBytes: number): void {
    this.#streams[stream]?.resize(maxBytes);
  }

  /** Somebody took the oldest out, by hand. */
  purge(stream: StreamName): void {
    this.#streams[stream]?.purge();
  }

  #store(message: BusMessage): PublishOutcome {
    const stream = this.#streams[message.stream];
    if (stream === undefined) {
      const detail = `There is no stream of ${message.stream}`;
      return { ok: false, fault: { kind: 'no-stream', detail } };
    }
    return stream.store(message, this.#scheduler.now());
  }

  #create(stream: StreamName): MemoryStream {
    // Two that are created within a millisecond are two all the same.
    this.#createdAt = Math.max(this.#createdAt + 1, Math.floor(this.#scheduler.now()));
    const created = new Date(this.#createdAt).toISOString();
    return new MemoryStream(stream, created, this.#options[stream]);
  }

  #states(): Readonly<Record<StreamName, StreamState>> | undefined {
    const { endings, events } = this.#streams;
    if (endings === undefined || events === undefined) return undefined;
    const now = this.#scheduler.now();
    return { endings: endings.state(now), events: events.state(now) };
  }

  #settle(waiting: Waiting, outcome: PublishOutcome): void {
    if (!this.#outstanding.delete(waiting)) return;
    if (outcome.ok) this.#acknowledged += 1;
    waiting.done(outcome);
    if (this.#outstanding.size > 0) return;
    for (const tell of this.#emptied.splice(0)) tell();
  }

  #abandon(detail: string): void {
    const abandoned = [...this.#outstanding];
    this.#outstanding.clear();
    this.#soon(() => {
      for (const { done } of abandoned) done({ ok: false, fault: { kind: 'timeout', detail } });
    });
    for (const tell of this.#emptied.splice(0)) tell();
  }

  #setState(state: BusState, detail: string): void {
    if (this.state === state || this.state === 'closed') return;
    this.state = state;
    this.#soon(() => this.onState(state, detail));
  }

  /** Everything of one turn shares a timer. */
  #soon(work: () => void): void {
    this.#turn.push(work);
    if (this.#turn.length > 1) return;
    this.#later(0, () => {
      const turn = this.#turn;
      this.#turn = [];
      for (const each of turn) each();
    });
  }

  #later(delayMs: number, work: () => void): void {
    this.#scheduler.after(delayMs, work);
  }
}
