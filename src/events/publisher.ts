/**
 * Moves committed events from the outbox to the bus: a `StreamPublisher` for each stream, a
 * `StreamCheck` for all of them, and what the bus says of its connection.
 */
import type { DegradedReason } from '../readiness.ts';
import { DELIVERY_MS } from '../measure/buckets.ts';
import { Histogram } from '../measure/histogram.ts';
import type { Scheduler } from '../resilience/scheduler.ts';
import {
  type Bus, type BusFaultKind, type BusMessage, type BusState, STREAMS, type StreamName,
} from './bus.ts';
import type { OutboxEvent, OutboxStream } from './outbox-port.ts';
import { type PublisherLog, StreamCheck } from './stream-check.ts';
import {
  type PublishTracing, StreamPublisher, type StreamPublisherStatus,
} from './stream-publisher.ts';

export interface PublisherSettings {
  /** Messages of one stream on their way at most. */
  readonly window: number;
  /** Between two looks at the streams. */
  readonly checkMs: number;
  /** The longest wait between two attempts. */
  readonly retryCapMs: number;
}

export interface PublisherParts {
  readonly bus: Bus;
  readonly outbox: Readonly<Record<StreamName, OutboxStream>>;
  /** A pure function: a repeat has the same id and bytes. */
  readonly encode: (event: OutboxEvent, publishing?: Uint8Array) => BusMessage;
  /** Absent: nothing is traced. */
  readonly tracing?: PublishTracing;
  /** Its timeline is that of the facts. */
  readonly scheduler: Scheduler;
  /** Calls `work` in a later turn of the event loop, as `setImmediate`; else the scheduler does. */
  readonly soon?: (work: () => void) => void;
  readonly settings: PublisherSettings;
  readonly log: PublisherLog;
  /** Called when `reasons()` has become another. */
  readonly onChange?: (reasons: readonly BusReason[]) => void;
  /**
   * A stream has lost what it had acknowledged. What the outbox has noted of it is to be journalled
   * now: a crash while it is published again must find that still due.
   */
  readonly onLost?: () => void;
}

/** Why events do not get through, as readiness names it. */
export type BusReason = Extract<
  DegradedReason,
  'bus-away' | 'stream-full' | 'stream-absent' | 'bus-denied' | 'bus-refuses'
>;

export interface PublisherStatus {
  readonly bus: BusState;
  readonly reasons: readonly BusReason[];
  readonly checkedAgoMs: number | undefined;
  readonly checkError: string | undefined;
  readonly streams: Readonly<Record<StreamName, StreamPublisherStatus>>;
}

/** What a standing failure means for readiness; a timeout or a lost connection is not one yet. */
const REASONS: Readonly<Record<BusFaultKind, BusReason | undefined>> = {
  away: undefined,
  timeout: undefined,
  full: 'stream-full',
  'no-stream': 'stream-absent',
  denied: 'bus-denied',
  refused: 'bus-refuses',
};

/** A thousand sidecars that lost the same server come back within this. */
const RETURN_SPREAD_MS = 500;

export class Publisher {
  readonly #parts: PublisherParts;
  readonly #streams: Readonly<Record<StreamName, StreamPublisher>>;
  readonly #check: StreamCheck;
  #wasConnected = false;
  #cancelReturn: (() => void) | undefined;
  #reasons: readonly BusReason[];
  /** From a fact to the acknowledgement of its event. */
  readonly deliveryMs = new Histogram(DELIVERY_MS);
  /** Resolves `drain`. */
  #whenEmpty: (() => void) | undefined;

  constructor(parts: PublisherParts) {
    this.#parts = parts;
    const { bus, outbox, scheduler, log, settings } = parts;
    const soon = parts.soon ?? ((work: () => void) => void scheduler.after(0, work));
    const streamOf = (stream: StreamName): StreamPublisher =>
      new StreamPublisher(outbox[stream], {
        bus, encode: parts.encode, scheduler, soon, settings, log,
        ...(parts.tracing === undefined ? {} : { tracing: parts.tracing }),
        doubted: () => this.#check.now(),
        lost: () => parts.onLost?.(),
        changed: () => this.#changed(),
        deliveryMs: this.deliveryMs,
      });
    this.#streams = { endings: streamOf('endings'), events: streamOf('events') };
    this.#check = new StreamCheck({
      bus, scheduler, log, settings,
      asked: () => this.#each((stream) => stream.asked()),
      answered: (states) => this.#each((stream, name) => stream.checked(states?.[name])),
    });
    this.#reasons = this.#reasonsNow();
    bus.onState = (state) => this.#turned(state);
    if (bus.state === 'connected') this.#turned(bus.state);
  }

  get healthy(): boolean {
    return this.#reasons.length === 0;
  }

  reasons(): readonly BusReason[] {
    return this.#reasons;
  }

  /** Events that the bus acknowledges a second, lately. */
  drainRate(stream: StreamName): number {
    return this.#streams[stream].acknowledgedPerS;
  }

  /** Age of the oldest unacknowledged event; undefined without one. */
  get oldestAgeMs(): number | undefined {
    const { endings, events } = this.#streams;
    const ages = [endings.oldestAgeMs, events.oldestAgeMs].filter((age) => age !== undefined);
    return ages.length === 0 ? undefined : Math.max(...ages);
  }

  /** Messages of both streams that the bus did not take, by why. */
  failures(): Readonly<Record<BusFaultKind, number>> {
    const sum = { ...this.#streams.endings.failures };
    for (const kind of Object.keys(sum) as BusFaultKind[]) sum[kind] += this.#streams.events.failures[kind];
    return sum;
  }

  status(): PublisherStatus {
    const { checkedAt, lastError } = this.#check;
    const { bus, scheduler } = this.#parts;
    return {
      bus: bus.state,
      reasons: this.#reasons,
      checkedAgoMs: checkedAt === undefined ? undefined : scheduler.now() - checkedAt,
      checkError: lastError,
      streams: {
        endings: this.#streams.endings.status(),
        events: this.#streams.events.status(),
      },
    };
  }

  /** Publishes what is left, for `budgetMs` at most; how many events stay unacknowledged. */
  async drain(budgetMs: number): Promise<{ readonly left: number }> {
    if (this.#left() > 0) {
      this.#each((stream) => stream.hurry());
      await new Promise<void>((resolve) => {
        const cancel = this.#parts.scheduler.after(budgetMs, resolve);
        this.#whenEmpty = () => {
          cancel();
          resolve();
        };
      });
      this.#whenEmpty = undefined;
    }
    return { left: this.#left() };
  }

  /** Publishes nothing more. The bus is the caller's to close, afterwards. */
  close(): void {
    this.#parts.bus.onState = () => {};
    this.#cancelReturn?.();
    this.#check.stop();
    this.#each((stream) => stream.close());
    this.#whenEmpty?.();
  }

  #each(act: (stream: StreamPublisher, name: StreamName) => void): void {
    for (const name of STREAMS) act(this.#streams[name], name);
  }

  #left(): number {
    return this.#streams.endings.unacknowledged + this.#streams.events.unacknowledged;
  }

  #turned(state: BusState): void {
    this.#cancelReturn?.();
    this.#check.stop();
    this.#each((stream) => stream.hold());
    if (state === 'connected') {
      const { scheduler } = this.#parts;
      const waitMs = this.#wasConnected ? RETURN_SPREAD_MS * scheduler.random() : 0;
      this.#wasConnected = true;
      this.#cancelReturn = scheduler.after(waitMs, () => this.#connected());
    }
    this.#changed();
  }

  #connected(): void {
    this.#each((stream) => stream.resume());
    if (this.#parts.bus.mode === 'jetstream') this.#check.now();
  }

  #changed(): void {
    if (this.#left() === 0) this.#whenEmpty?.();
    const reasons = this.#reasonsNow();
    if (String(reasons) === String(this.#reasons)) return;
    this.#reasons = reasons;
    this.#parts.onChange?.(reasons);
  }

  #reasonsNow(): readonly BusReason[] {
    const reasons = new Set<BusReason>();
    if (this.#parts.bus.state !== 'connected') reasons.add('bus-away');
    for (const { trouble } of Object.values(this.#streams)) {
      const reason = trouble && REASONS[trouble];
      if (reason !== undefined) reasons.add(reason);
    }
    return [...reasons];
  }
}

export function createPublisher(parts: PublisherParts): Publisher {
  return new Publisher(parts);
}
