/**
 * Publishes the events of one stream, in order, and lets them leave the outbox once the bus has
 * acknowledged them and everything before them.
 *
 * Order is restored after a failure (PROTOCOL §7.3): nothing more is sent, everything outstanding
 * gets its outcome, and after a pause the stream goes on from the oldest event that was not
 * acknowledged, with one probe. What was acknowledged behind that one is sent a second time; the
 * bus recognises it by its id while it remembers, and readers do so after that.
 *
 * When the stream turns out to have lost what it acknowledged (`stream-history.ts`), everything
 * that the outbox still keeps is published again, with the same ids, before anything else.
 */
import type { Histogram } from '../measure/histogram.ts';
import { fullJitter } from '../resilience/backoff.ts';
import type { Scheduler } from '../resilience/scheduler.ts';
import { AckRate } from './ack-rate.ts';
import type {
  Bus, BusFault, BusFaultKind, BusMessage, PublishOutcome, StreamState,
} from './bus.ts';
import type { OutboxEvent, OutboxStream } from './outbox-port.ts';
import { PublishWindow } from './publish-window.ts';
import type { PublisherLog } from './stream-check.ts';
import { StreamHistory } from './stream-history.ts';

/** Records messages on their way; see `publish-spans.ts`. */
export interface PublishTracing {
  /** undefined: this one is not recorded. `again`: the stream has lost it. */
  begin(event: OutboxEvent, again: boolean): PublishSpan | undefined;
}
export interface PublishSpan {
  /** The context that goes along. */
  readonly trace: Uint8Array;
  /** Ends with the outcome; what to call instead of `done`. */
  sending(message: BusMessage, done: (outcome: PublishOutcome) => void): typeof done;
}

export interface StreamPublisherParts {
  readonly bus: Pick<Bus, 'mode' | 'publish'>;
  /** `publishing`: the context that goes along, where the message is recorded. */
  readonly encode: (event: OutboxEvent, publishing?: Uint8Array) => BusMessage;
  /** Absent: nothing is traced. */
  readonly tracing?: PublishTracing;
  readonly scheduler: Scheduler;
  /** Calls `work` once, in a later turn of the event loop. */
  readonly soon: (work: () => void) => void;
  readonly settings: { readonly window: number; readonly retryCapMs: number };
  readonly log: PublisherLog;
  /** The streams must be looked at; `checked` is called afterwards. */
  readonly doubted: () => void;
  /** The stream has lost something: what the outbox has noted must be journalled now. */
  readonly lost: () => void;
  /** Something was acknowledged, or `trouble` has changed. */
  readonly changed: () => void;
  /** Takes how long each event needed, from its fact to the acknowledgement. */
  readonly deliveryMs: Histogram;
}

/** Why nothing is sent. */
export type Pause =
  /** The bus is not connected. */
  | 'away'
  /** It is not known yet whether the stream is there, and the one it was. */
  | 'check'
  /** Something failed, and others are still on their way. */
  | 'outstanding'
  /** Until the next attempt. */
  | 'backoff';

export type StreamPublisherState = 'flowing' | 'backing-off' | 'republishing' | 'waiting' | 'idle';

export interface StreamPublisherStatus {
  readonly state: StreamPublisherState;
  readonly paused: readonly Pause[];
  readonly unacknowledged: number;
  /** On the way, without an outcome; at most `window` now. */
  readonly inFlight: number;
  readonly window: number;
  /** Acknowledged, and still held should the stream lose them. */
  readonly kept: number;
  /** Age of the oldest unacknowledged event; undefined without one. */
  readonly oldestAgeMs: number | undefined;
  /** Messages handed to the bus, repeats included. */
  readonly published: number;
  /** Events that left the outbox on an acknowledgement. */
  readonly acknowledged: number;
  /** Acknowledgements by which the bus said that it had the message already. */
  readonly duplicates: number;
  /** Events acknowledged once more, after the stream had lost them. */
  readonly republished: number;
  readonly failures: Readonly<Record<BusFaultKind, number>>;
  readonly lastFault: (BusFault & { readonly agoMs: number }) | undefined;
  readonly acknowledgedPerS: number;
  /** From sending to acknowledgement, smoothed; undefined before the first. */
  readonly ackMs: number | undefined;
}

/** Encoding takes 5 to 10 µs: a turn of each stream stays at about a millisecond. */
const TURN_EVENTS = 128;
const RETRY_BASE_MS = 100;
/** From here on the wait is the longest. */
const ATTEMPT_MAX = 16;
/** Trouble of one kind is logged once in this time. */
const COMPLAIN_MS = 60_000;
/** Weight of the newest acknowledgement (as in RFC 6298 §2). */
const ACK_WEIGHT = 1 / 8;
const NOBODY = -1;

export class StreamPublisher {
  readonly #outbox: OutboxStream;
  readonly #parts: StreamPublisherParts;
  readonly #window: PublishWindow;
  readonly #history: StreamHistory;
  readonly #rate: AckRate;
  readonly #paused = new Set<Pause>(['away']);
  readonly #failures: Record<BusFaultKind, number> = {
    away: 0, timeout: 0, full: 0, 'no-stream': 0, denied: 0, refused: 0,
  };
  #published = 0;
  #acknowledged = 0;
  #duplicates = 0;
  #republished = 0;

  #turnComes = false;
  #closed = false;
  /** What failed since the stream last came to rest. */
  #fault: BusFault | undefined;
  #lastFault: BusFault | undefined;
  #lastFaultAt = 0;
  #trouble: BusFaultKind | undefined;
  readonly #complainedAt = new Map<BusFaultKind, number>();
  #complained = false;
  #attempt = 0;
  #cancelBackoff: (() => void) | undefined;

  /** Why the stream must be taken to have lost what it acknowledged. */
  #lost: string | undefined;
  /** Events before this index are published again. */
  #againUntil = 0;
  /** `StreamHistory.highest` when the streams were last asked for. */
  #highestAsked = 0;

  /** One message at a time is timed, as TCP times one segment. */
  #timedSlot = NOBODY;
  #timedAt = 0;
  #ackMs: number | undefined;

  constructor(outbox: OutboxStream, parts: StreamPublisherParts) {
    this.#outbox = outbox;
    this.#parts = parts;
    this.#window = new PublishWindow(
      parts.settings.window, outbox.first, (slot, outcome) => this.#settled(slot, outcome),
    );
    this.#history = new StreamHistory(outbox);
    this.#rate = new AckRate(parts.scheduler.now());
    outbox.onVisible = () => this.#turnSoon();
  }

  /** Events not yet acknowledged, as far as they may be published. */
  get unacknowledged(): number {
    return this.#outbox.visible - this.#outbox.first;
  }

  /** The kind of the last failure, while nothing has been acknowledged since. */
  get trouble(): BusFaultKind | undefined {
    return this.#trouble;
  }

  /** Age of the oldest unacknowledged event; undefined without one. */
  get oldestAgeMs(): number | undefined {
    const { first, visible } = this.#outbox;
    if (first >= visible) return undefined;
    return Math.max(0, this.#parts.scheduler.now() - this.#outbox.at(first).fact.at);
  }

  /** Messages that the bus did not take, by why. */
  get failures(): Readonly<Record<BusFaultKind, number>> {
    return this.#failures;
  }

  /** Acknowledgements a second, lately. */
  get acknowledgedPerS(): number {
    return this.#rate.perS(this.#parts.scheduler.now());
  }

  /** The bus is not connected. */
  hold(): void {
    this.#paused.add('away');
    this.#window.narrow();
  }

  /** The bus is connected; with streams, `checked` is called before anything is sent. */
  resume(): void {
    this.#paused.delete('away');
    this.#history.reconnected();
    if (this.#parts.bus.mode === 'jetstream') this.#paused.add('check');
    this.hurry();
  }

  /** Tries at once what waits for the next attempt. */
  hurry(): void {
    this.#cancelBackoff?.();
    this.#paused.delete('backoff');
    this.#turnSoon();
  }

  /** The streams are being asked for. */
  asked(): void {
    this.#highestAsked = this.#history.highest;
  }

  /** How the stream is; undefined when that could not be learnt, which does not keep us back. */
  checked(state: StreamState | undefined): void {
    if (state !== undefined) {
      const why = this.#history.compare(state, this.#highestAsked);
      if (why !== undefined) this.#lose(why);
    }
    this.#paused.delete('check');
    this.#turnSoon();
  }

  /** Sends nothing more. */
  close(): void {
    this.#closed = true;
    this.#outbox.onVisible = () => {};
    this.#cancelBackoff?.();
  }

  status(): StreamPublisherStatus {
    const now = this.#parts.scheduler.now();
    const { first, visible, kept } = this.#outbox;
    return {
      state: this.#state(),
      paused: [...this.#paused],
      unacknowledged: visible - first,
      inFlight: this.#window.outstanding,
      window: this.#window.allowed,
      kept: first - kept,
      oldestAgeMs: this.oldestAgeMs,
      published: this.#published,
      acknowledged: this.#acknowledged,
      duplicates: this.#duplicates,
      republished: this.#republished,
      failures: { ...this.#failures },
      lastFault: this.#lastFault && { ...this.#lastFault, agoMs: Math.round(now - this.#lastFaultAt) },
      acknowledgedPerS: this.#rate.perS(now),
      ackMs: this.#ackMs,
    };
  }

  #state(): StreamPublisherState {
    const paused = this.#paused;
    if (paused.has('away') || paused.has('check')) return 'waiting';
    if (this.#fault !== undefined || paused.has('backoff')) return 'backing-off';
    if (this.#isRepublishing) return 'republishing';
    return this.#window.from < this.#outbox.visible ? 'flowing' : 'idle';
  }

  get #isRepublishing(): boolean {
    return this.#lost !== undefined || this.#window.from < this.#againUntil;
  }

  /** Outcomes come in crowds: each only leaves its mark, and one turn draws the conclusions. */
  #settled(slot: number, outcome: PublishOutcome): void {
    if (outcome.ok) {
      if (slot === this.#timedSlot) this.#timed();
    } else {
      this.#failed(outcome.fault);
    }
    this.#turnSoon();
  }

  #timed(): void {
    const ms = this.#parts.scheduler.now() - this.#timedAt;
    this.#ackMs = this.#ackMs === undefined ? ms : this.#ackMs + (ms - this.#ackMs) * ACK_WEIGHT;
    this.#timedSlot = NOBODY;
  }

  #failed(fault: BusFault): void {
    this.#failures[fault.kind] += 1;
    this.#lastFault = fault;
    this.#lastFaultAt = this.#parts.scheduler.now();
    // The first says what went wrong, unless it only says that nobody answered.
    if (this.#fault === undefined || this.#fault.kind === 'timeout') this.#fault = fault;
    this.#paused.add('outstanding');
  }

  #turnSoon(): void {
    if (this.#turnComes || this.#closed) return;
    this.#turnComes = true;
    this.#parts.soon(this.#turn);
  }

  readonly #turn = (): void => {
    this.#turnComes = false;
    if (this.#closed) return;
    this.#advance();
    if (this.#paused.has('outstanding') && this.#window.outstanding === 0) this.#cameToRest();
    if (this.#paused.size === 0) this.#send();
  };

  /** Lets go what is acknowledged together with everything before it. */
  #advance(): void {
    const window = this.#window;
    const now = this.#parts.scheduler.now();
    let stored = 0;
    for (let head = window.head; head !== undefined; head = window.head) {
      if (head !== 'skipped') {
        stored += 1;
        if (window.from < this.#againUntil) this.#republished += 1;
        else {
          this.#acknowledged += 1;
          this.#parts.deliveryMs.add(Math.max(0, now - window.headInstant));
        }
        if (head === 'repeated') this.#duplicates += 1;
        const why = this.#history.acknowledged(window.headPlace, head === 'repeated');
        if (why !== undefined) this.#doubt(why);
      }
      window.drop();
    }
    if (stored === 0) return;
    // First where, then what: nothing leaves by the word of a stream that the next run has not met.
    // While it is told again what it lost, a crash must find that still due.
    if (!this.#isRepublishing) this.#history.note();
    if (window.from > this.#outbox.first) this.#outbox.acknowledge(window.from);
    window.widen(stored);
    this.#rate.add(stored, now);
    this.#attempt = 0;
    this.#recovered();
    this.#parts.changed();
  }

  #send(): void {
    const window = this.#window;
    const outbox = this.#outbox;
    if (this.#lost !== undefined) this.#startAgain(this.#lost);
    const end = outbox.visible;
    let sent = 0;
    while (window.next < end && window.hasRoom) {
      if (window.next < outbox.kept) {
        // It has been pushed out, or was kept for long enough.
        if (window.from === window.next) window.restart(outbox.kept);
        else window.skip();
        continue;
      }
      if (sent === TURN_EVENTS) {
        this.#turnSoon();
        break;
      }
      sent += 1;
      const event = outbox.at(window.next);
      const span = this.#parts.tracing?.begin(event, window.next < this.#againUntil);
      const message = this.#parts.encode(event, span?.trace);
      const slot = window.take(event.fact.at);
      if (this.#timedSlot === NOBODY) {
        this.#timedSlot = slot;
        this.#timedAt = this.#parts.scheduler.now();
      }
      const done = window.callback(slot);
      this.#parts.bus.publish(message, span === undefined ? done : span.sending(message, done));
    }
    this.#published += sent;
  }

  /** Nothing is on its way any more, after a failure or because the stream lost something. */
  #cameToRest(): void {
    this.#paused.delete('outstanding');
    this.#window.restart(this.#window.from);
    this.#window.narrow();
    this.#timedSlot = NOBODY;
    const fault = this.#fault;
    this.#fault = undefined;
    if (fault === undefined) return;
    this.#troubled(fault);
    this.#backOff();
    if (fault.kind === 'no-stream' && this.#parts.bus.mode === 'jetstream') this.#askForCheck();
  }

  #backOff(): void {
    const { scheduler, settings } = this.#parts;
    const bounds = { baseMs: RETRY_BASE_MS, capMs: settings.retryCapMs };
    const waitMs = fullJitter(this.#attempt, bounds, () => scheduler.random());
    this.#attempt = Math.min(this.#attempt + 1, ATTEMPT_MAX);
    this.#paused.add('backoff');
    this.#cancelBackoff = scheduler.after(waitMs, () => this.hurry());
  }

  #askForCheck(): void {
    if (this.#paused.has('away')) return;
    this.#paused.add('check');
    this.#parts.doubted();
  }

  /** An acknowledgement says that the stream is not what it was; a check tells which it is now. */
  #doubt(why: string): void {
    this.#lose(why);
    this.#askForCheck();
  }

  #lose(why: string): void {
    this.#lost = why;
    this.#history.disown();
    this.#parts.lost();
    this.#paused.add('outstanding');
    this.#turnSoon();
  }

  #startAgain(why: string): void {
    const { kept, first } = this.#outbox;
    this.#lost = undefined;
    this.#window.restart(kept);
    this.#againUntil = first;
    this.#parts.log.warn(
      { stream: this.#outbox.stream, detail: why, events: first - kept },
      'The stream has lost what it had acknowledged: publishing again what is kept',
    );
  }

  #troubled({ kind, detail }: BusFault): void {
    if (this.#trouble === kind) return;
    // No answer says nothing new about a stream that is known to be full, or not there.
    if (this.#trouble !== undefined && (kind === 'timeout' || kind === 'away')) return;
    this.#trouble = kind;
    const { log, scheduler, changed } = this.#parts;
    const now = scheduler.now();
    if (now - (this.#complainedAt.get(kind) ?? Number.NEGATIVE_INFINITY) >= COMPLAIN_MS) {
      this.#complainedAt.set(kind, now);
      this.#complained = true;
      log.warn({ stream: this.#outbox.stream, 'error.type': kind, detail }, 'The bus does not take events');
    }
    changed();
  }

  #recovered(): void {
    this.#trouble = undefined;
    if (!this.#complained) return;
    this.#complained = false;
    this.#parts.log.info({ stream: this.#outbox.stream }, 'The bus takes events again');
  }
}
