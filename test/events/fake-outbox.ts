/**
 * One stream of an outbox as a plain list. Its events are journalled at once; how far the bus is,
 * when the test says so.
 */
import type { Fact } from '../../src/core/fact.ts';
import type { BusMessage, StreamName } from '../../src/events/bus.ts';
import type { OutboxEvent, OutboxStream, SeenStream } from '../../src/events/outbox-port.ts';

const ACTOR = 'aaaaaaaaaaaaaaa1';
const text = new TextEncoder();

export class FakeOutbox implements OutboxStream {
  readonly stream: StreamName;
  readonly #events: OutboxEvent[] = [];
  kept = 0;
  first = 0;
  lastSeen: SeenStream | undefined;
  #journalled: { readonly first: number; readonly lastSeen: SeenStream | undefined } = {
    first: 0, lastSeen: undefined,
  };
  onVisible = () => {};
  /** How often `acknowledge` and `noteStream` were called. */
  acknowledgements = 0;
  notes = 0;
  /** Before events from `first` up to `index` leave. */
  leaving: (index: number) => void = () => {};

  constructor(stream: StreamName) {
    this.stream = stream;
  }

  get visible(): number {
    return this.#events.length;
  }

  at(index: number): OutboxEvent {
    const event = this.#events[index];
    if (event === undefined || index < this.kept) throw new Error(`No event at ${index}`);
    return event;
  }

  acknowledge(index: number): void {
    if (index <= this.first || index > this.visible) {
      throw new Error(`Cannot acknowledge up to ${index}: from ${this.first} to ${this.visible}`);
    }
    this.leaving(index);
    this.first = index;
    this.acknowledgements += 1;
  }

  noteStream(seen: SeenStream): void {
    this.lastSeen = seen;
    this.notes += 1;
  }

  journal(): void {
    this.#journalled = { first: this.first, lastSeen: this.lastSeen };
  }

  /** Another run: what was not journalled of the bus never happened. */
  restart(): void {
    this.first = this.#journalled.first;
    this.lastSeen = this.#journalled.lastSeen;
    this.kept = Math.min(this.kept, this.first);
  }

  append(count: number, at = 0): void {
    for (let times = 0; times < count; times++) {
      const sequence = this.#events.length + 1;
      this.#events.push({ stream: this.stream, actor: ACTOR, sequence, fact: factAt(at) });
    }
    this.onVisible();
  }

  /** What was acknowledged is forgotten, but for the newest `count`. */
  keepNewest(count: number): void {
    this.kept = Math.max(this.kept, this.first - count);
  }

  /** Pushes out everything before `index`, acknowledged or not. */
  pushOut(index: number): void {
    this.kept = index;
    this.first = Math.max(this.first, index);
  }

  /** The ids of everything from `from` up to `to`. */
  ids(from = 0, to = this.visible): string[] {
    return this.#events.slice(from, to).map(idOf);
  }
}

function factAt(at: number): Fact {
  return {
    kind: 'lease.ended', at, wallMs: at, namespace: 'default', lease: 'x', holder: 'h',
    reason: 'expired', cause: undefined, origin: { actor: ACTOR, seq: 1 }, deadline: at, entries: 0,
  };
}

function idOf({ actor, stream, sequence }: OutboxEvent): string {
  return `${actor}:${stream}:${sequence}`;
}

const SUBJECTS: Readonly<Record<StreamName, string>> = {
  endings: 'leasehold.v1.lease.ended.expired.default',
  events: 'leasehold.v1.lease.granted.default',
};

export function encode(event: OutboxEvent): BusMessage {
  const { stream } = event;
  const id = idOf(event);
  return { stream, subject: SUBJECTS[stream], id, headers: [], body: text.encode(id) };
}
