/** One stream of an outbox as a plain list, which survives its publisher as the journal would. */
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
  onVisible = () => {};
  /** Nothing is written down any more: the process has crashed. */
  isFrozen = false;
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
    if (this.isFrozen) return;
    this.lastSeen = seen;
    this.notes += 1;
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

export function encode(event: OutboxEvent): BusMessage {
  const id = idOf(event);
  return { stream: event.stream, subject: 'leasehold.v1', id, headers: [], body: text.encode(id) };
}
