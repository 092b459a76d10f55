/** A bus whose streams, answers and failures the test leads. */
import {
  type Bus, type BusFaultKind, type BusMessage, type BusState, type PublishOutcome, STREAMS,
  type StreamName, type StreamState,
} from '../../src/events/bus.ts';
import type { Scheduler } from '../../src/resilience/scheduler.ts';

/** What becomes of one message; `lost` never arrives, `unanswered` is stored and nobody hears. */
export type Fate = 'stored' | 'lost' | 'unanswered' | Exclude<BusFaultKind, 'timeout'>;

interface Stored {
  readonly id: string;
  readonly place: number;
}

export class FakeStream {
  created = 'first';
  exists = true;
  lastSequence = 0;
  stored: Stored[] = [];
  /** How many it takes before it is full. */
  capacity = Number.POSITIVE_INFINITY;
  /** Whether it recognises repeats. */
  remembers = true;
  differences: readonly string[] = [];

  ids(): string[] {
    return this.stored.map(({ id }) => id);
  }

  /** The ids in the order of their first copy. */
  idsOnce(): string[] {
    return [...new Set(this.ids())];
  }

  store(id: string): PublishOutcome {
    if (!this.exists) return { ok: false, fault: { kind: 'no-stream', detail: 'no such stream' } };
    const known = this.remembers ? this.stored.find((each) => each.id === id) : undefined;
    if (known !== undefined) return { ok: true, sequence: known.place, duplicate: true };
    if (this.stored.length >= this.capacity) {
      return { ok: false, fault: { kind: 'full', detail: 'maximum messages exceeded' } };
    }
    this.lastSequence += 1;
    this.stored.push({ id, place: this.lastSequence });
    return { ok: true, sequence: this.lastSequence, duplicate: false };
  }

  /** Loses its newest `count` messages. */
  goBack(count: number): void {
    this.lastSequence = Math.max(0, this.lastSequence - count);
    this.stored = this.stored.filter(({ place }) => place <= this.lastSequence);
  }

  /** Another one under the same name. */
  replace(created: string, exists = true): void {
    this.created = created;
    this.exists = exists;
    this.lastSequence = 0;
    this.stored = [];
  }
}

interface OnItsWay {
  readonly done: (outcome: PublishOutcome) => void;
  settled: boolean;
}

const WAY_MS = 1;
const ANSWER_LIMIT_MS = 100;

export class FakeBus implements Bus {
  readonly kind = 'embedded';
  readonly mode: 'jetstream' | 'core';
  readonly #scheduler: Scheduler;
  readonly streams: Record<StreamName, FakeStream> = {
    endings: new FakeStream(), events: new FakeStream(),
  };
  state: BusState;
  onState: Bus['onState'] = () => {};
  /** Every message handed over, oldest first. */
  readonly sent: BusMessage[] = [];
  /** Every id that was ever stored, or handed to whoever listens. */
  readonly everStored = new Set<string>();
  readonly #onItsWay = new Set<OnItsWay>();
  outstandingMax = 0;
  prepares = 0;
  /** What `prepare` rejects with. */
  prepareError: string | undefined;
  prepareMs = 1;
  fate: (message: BusMessage, count: number) => Fate = () => 'stored';
  /** From its arrival to the answer. */
  answerMs: () => number = () => WAY_MS;

  constructor(
    scheduler: Scheduler,
    mode: 'jetstream' | 'core' = 'jetstream',
    state: BusState = 'connected',
  ) {
    this.#scheduler = scheduler;
    this.mode = mode;
    this.state = state;
  }

  publish(message: BusMessage, done: (outcome: PublishOutcome) => void): void {
    this.sent.push(message);
    const one: OnItsWay = { done, settled: false };
    this.#onItsWay.add(one);
    this.outstandingMax = Math.max(this.outstandingMax, this.#onItsWay.size);
    const fate = this.fate(message, this.sent.length);
    if (this.state !== 'connected') {
      this.#scheduler.after(0, () => this.#fails(one, 'away'));
      return;
    }
    this.#scheduler.after(WAY_MS, () => {
      if (!one.settled) this.#arrived(message, one, fate);
    });
  }

  async prepare(): Promise<Record<StreamName, StreamState> | undefined> {
    this.prepares += 1;
    await new Promise<void>((resolve) => this.#scheduler.after(this.prepareMs, resolve));
    if (this.state !== 'connected') throw new Error('not connected');
    if (this.prepareError !== undefined) throw new Error(this.prepareError);
    if (this.mode === 'core') return undefined;
    for (const name of STREAMS) this.streams[name].exists = true;
    return { endings: this.#stateOf('endings'), events: this.#stateOf('events') };
  }

  status(): object {
    return {};
  }

  async close(): Promise<void> {}

  /** The connection is gone, and with it every answer that has not come. */
  goAway(): void {
    this.state = 'away';
    for (const one of this.#onItsWay) this.#scheduler.after(0, () => this.#fails(one, 'timeout'));
    this.#scheduler.after(0, () => this.onState(this.state, 'test'));
  }

  comeBack(): void {
    this.state = 'connected';
    this.#scheduler.after(0, () => this.onState(this.state, 'test'));
  }

  #arrived(message: BusMessage, one: OnItsWay, fate: Fate): void {
    if (fate === 'stored' || fate === 'unanswered') {
      const outcome = this.#store(message);
      if (outcome.ok) this.everStored.add(message.id);
      if (fate === 'stored') {
        this.#scheduler.after(this.answerMs(), () => this.#settle(one, outcome));
        return;
      }
    }
    if (fate === 'lost' || fate === 'unanswered') {
      this.#scheduler.after(ANSWER_LIMIT_MS, () => this.#fails(one, 'timeout'));
      return;
    }
    this.#scheduler.after(this.answerMs(), () => this.#fails(one, fate as BusFaultKind));
  }

  #store({ stream, id }: BusMessage): PublishOutcome {
    if (this.mode === 'core') return { ok: true, sequence: 0, duplicate: false };
    return this.streams[stream].store(id);
  }

  #fails(one: OnItsWay, kind: BusFaultKind): void {
    this.#settle(one, { ok: false, fault: { kind, detail: `test: ${kind}` } });
  }

  #settle(one: OnItsWay, outcome: PublishOutcome): void {
    if (one.settled) return;
    one.settled = true;
    this.#onItsWay.delete(one);
    one.done(outcome);
  }

  #stateOf(name: StreamName): StreamState {
    const { created, lastSequence, stored, differences } = this.streams[name];
    return {
      name: `LEASEHOLD_${name.toUpperCase()}`,
      created, lastSequence, messages: stored.length, bytes: stored.length, differences,
    };
  }
}
