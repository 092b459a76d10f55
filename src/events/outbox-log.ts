/**
 * One stream of the outbox: facts in order, as bytes, from when the core wrote them until the bus
 * has acknowledged them, and for a while longer in case the stream loses them. They lie in chunks
 * that come and go with what is held, so an empty outbox costs nothing and a full one what was
 * promised; there is no object per fact.
 *
 * Facts are appended before they are journalled and become visible when they are (`commit`): what
 * is published is never something that a crash could take back.
 */
import { RECORD_HEADER_BYTES } from '../core/fact-format.ts';
import { decodeFact, isRestated } from '../core/fact-reader.ts';
import type { StreamName } from './bus.ts';
import type { OutboxEvent, OutboxStream, SeenStream } from './outbox-port.ts';

/** Large enough to be rarely asked for, small enough that a half-used one does not matter. */
const CHUNK_BYTES = 256 * 1024;
/** An empty byte string stands for a value that is not told. */
const EMPTY_BYTE_STRING = 0x40;

export interface OutboxLogOptions {
  readonly stream: StreamName;
  /** What acknowledged facts may weigh that are still held, and for how long: 0 for none. */
  readonly keptBytes: number;
  readonly keptMs: number;
  readonly now: () => number;
  /** An acknowledged fact leaves the reckoning of what is owed. */
  readonly onSettled: (namespace: string, ofLease: boolean, bytes: number) => void;
}

interface Chunk {
  readonly bytes: Uint8Array;
  readonly firstIndex: number;
  /** Where each fact begins; the next one's beginning, or `end`, is where it ends. */
  readonly starts: number[];
  readonly namespaces: string[];
  readonly ofLease: boolean[];
  end: number;
}

/** Facts of one run whose numbers follow one another. */
interface Stretch {
  readonly actor: string;
  readonly firstIndex: number;
  readonly firstSequence: number;
}

/** Everything before `index` was acknowledged by `at`; one mark stands for those of a second. */
interface Mark {
  index: number;
  at: number;
  readonly since: number;
}

const MARK_MS = 1_000;

/** A fact to be appended, with what its acknowledgement frees. */
export interface OutboxFact {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** Where its value's byte string begins, to be left out; 0: nothing is. */
  readonly valueAt: number;
  readonly namespace: string;
  readonly ofLease: boolean;
}

/** Everything up to a number of a run, and all earlier runs, is acknowledged. */
export interface LogPosition {
  readonly actor: string;
  /** 0: none of that run. */
  readonly sequence: number;
  /** The stream as it was when it took them. */
  readonly seen?: SeenStream;
}

export class OutboxLog implements OutboxStream {
  readonly stream: StreamName;
  readonly #options: OutboxLogOptions;
  #chunks: Chunk[] = [];
  #stretches: Stretch[] = [];
  readonly #marks: Mark[] = [];
  #kept = 0;
  #first = 0;
  #visible = 0;
  #head = 0;
  /** Of everything from `kept` on, and of what is not acknowledged. */
  #heldBytes = 0;
  #pendingBytes = 0;
  #lastSeen: SeenStream | undefined;
  /** The position, or the stream's state, has changed since `takeNote`. */
  #noteworthy = false;
  #dropped = 0;
  onVisible: () => void = () => {};

  constructor(options: OutboxLogOptions) {
    this.stream = options.stream;
    this.#options = options;
  }

  /* ---- what the publisher reads (OutboxStream) ----------------------------------------- */

  get kept(): number {
    return this.#kept;
  }

  get first(): number {
    return this.#first;
  }

  get visible(): number {
    return this.#visible;
  }

  get lastSeen(): SeenStream | undefined {
    return this.#lastSeen;
  }

  at(index: number): OutboxEvent {
    const fact = decodeFact(this.factBytes(index), -RECORD_HEADER_BYTES);
    if (isRestated(fact)) throw new Error('A snapshot record is in the outbox');
    const { actor, sequence } = this.numberOf(index);
    return { stream: this.stream, actor, sequence, fact };
  }

  acknowledge(index: number): void {
    if (index <= this.#first) return;
    if (index > this.#visible) throw new Error('Acknowledged what was never published');
    const { onSettled, now } = this.#options;
    for (let at = this.#first; at < index; at++) {
      const chunk = this.#chunkOf(at);
      const place = at - chunk.firstIndex;
      const bytes = lengthAt(chunk, place);
      this.#pendingBytes -= bytes;
      onSettled(chunk.namespaces[place]!, chunk.ofLease[place]!, bytes);
    }
    this.#first = index;
    this.#noteworthy = true;
    this.#mark(index, now());
    this.forget();
  }

  noteStream(seen: SeenStream): void {
    this.#lastSeen = seen;
    this.#noteworthy = true;
  }

  /* ---- what the engine writes ---------------------------------------------------------- */

  /** Index the next fact will have. */
  get head(): number {
    return this.#head;
  }

  get pending(): number {
    return this.#head - this.#first;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Facts that found no room: their numbers are missing for good. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The run whose facts are appended; undefined before the first. */
  get actor(): string | undefined {
    return this.#stretches.at(-1)?.actor;
  }

  /** Number of the run's last fact, 0 for none. */
  get sequence(): number {
    const stretch = this.#stretches.at(-1);
    return stretch === undefined ? 0 : this.#sequenceAfter(stretch) - 1;
  }

  /** How long what is acknowledged is held just now, in milliseconds. */
  get keptMs(): number {
    const oldest = this.#marks[0];
    return this.#kept === this.#first || oldest === undefined ? 0 : this.#options.now() - oldest.at;
  }

  /** Facts appended from now on are this run's, numbered from 1. */
  beginRun(actor: string): void {
    this.#begin({ actor, firstIndex: this.#head, firstSequence: 1 });
  }

  /** Takes a fact and answers its number. */
  append(fact: OutboxFact): number {
    const { bytes, start, end, valueAt } = fact;
    const length = valueAt === 0 ? end - start : valueAt - start + 1;
    const chunk = this.#chunkFor(length);
    chunk.bytes.set(bytes.subarray(start, valueAt === 0 ? end : valueAt), chunk.end);
    if (valueAt !== 0) chunk.bytes[chunk.end + length - 1] = EMPTY_BYTE_STRING;
    chunk.starts.push(chunk.end);
    chunk.namespaces.push(fact.namespace);
    chunk.ofLease.push(fact.ofLease);
    chunk.end += length;
    this.#heldBytes += length;
    this.#pendingBytes += length;
    this.#head++;
    return this.sequence;
  }

  /** Uses a number up for a fact there is no room for, so that readers see that one is missing. */
  drop(): number {
    const stretch = this.#stretches.at(-1)!;
    const dropped = this.#sequenceAfter(stretch);
    this.#dropped++;
    this.#begin({ actor: stretch.actor, firstIndex: this.#head, firstSequence: dropped + 1 });
    return dropped;
  }

  /** Facts before `index` are in the journal. */
  commit(index: number): void {
    if (index <= this.#visible) return;
    this.#visible = index;
    this.onVisible();
  }

  /** How far the bus is, when that has changed since the last call: for the journal. */
  takeNote(): LogPosition | undefined {
    if (!this.#noteworthy) return undefined;
    this.#noteworthy = false;
    return this.position();
  }

  /** The last fact acknowledged, by run and number; number 0: none of that run. */
  position(): LogPosition | undefined {
    const stretch = this.#stretchOf(Math.max(0, this.#first - 1)) ?? this.#stretches[0];
    if (stretch === undefined) return undefined;
    const { actor, firstIndex, firstSequence } = stretch;
    const sequence = firstSequence + Math.max(0, this.#first - firstIndex) - 1;
    return { actor, sequence, ...(this.#lastSeen === undefined ? {} : { seen: this.#lastSeen }) };
  }

  /** Lets go of acknowledged facts that are too old or too many. */
  forget(now = this.#options.now()): void {
    const { keptBytes, keptMs } = this.#options;
    while (this.#kept < this.#first) {
      const mark = this.#marks[0]!;
      const tooMuch = this.#heldBytes - this.#pendingBytes > keptBytes;
      if (!tooMuch && mark.at >= now - keptMs) break;
      const chunk = this.#chunkOf(this.#kept);
      this.#heldBytes -= lengthAt(chunk, this.#kept - chunk.firstIndex);
      this.#kept++;
      if (this.#kept === mark.index) this.#marks.shift();
    }
    while (this.#chunks.length > 0 && this.#isOver(this.#chunks[0]!)) this.#chunks.shift();
    // The position of what is acknowledged is told by its run, so that one stays.
    const gone = this.#stretches.findIndex(
      (_, number) => !this.#isBehind(this.#stretches[number + 1]),
    );
    if (gone > 0) this.#stretches.splice(0, gone);
  }

  /* ---- recovery and snapshots ---------------------------------------------------------- */

  /** A fact that an earlier run told; it is pending until `restoreAcknowledged` covers it. */
  restore(actor: string, sequence: number, fact: OutboxFact): void {
    const last = this.#stretches.at(-1);
    if (last === undefined || last.actor !== actor || this.#sequenceAfter(last) !== sequence) {
      this.#begin({ actor, firstIndex: this.#head, firstSequence: sequence });
    }
    this.append(fact);
    this.#visible = this.#head;
  }

  /** The run's numbers go on after `sequence`. */
  restoreRun(actor: string, sequence: number): void {
    const last = this.#stretches.at(-1);
    if (last?.actor === actor && this.#sequenceAfter(last) === sequence + 1) return;
    this.#begin({ actor, firstIndex: this.#head, firstSequence: sequence + 1 });
  }

  /** Everything of the run up to `sequence`, and of the runs before it, was acknowledged at `at`. */
  restoreAcknowledged(actor: string, sequence: number, at: number, seen: SeenStream | undefined): void {
    if (seen !== undefined) this.#lastSeen = seen;
    let index = this.#first;
    // The last that begins no later: from the back, since little is told after what is acknowledged.
    for (let number = this.#stretches.length - 1; number >= 0; number--) {
      const stretch = this.#stretches[number]!;
      if (stretch.actor !== actor || stretch.firstSequence > sequence + 1) continue;
      const end = this.#stretches[number + 1]?.firstIndex ?? this.#head;
      index = Math.max(index, Math.min(end, stretch.firstIndex + (sequence + 1 - stretch.firstSequence)));
      break;
    }
    if (index <= this.#first) return;
    for (let each = this.#first; each < index; each++) {
      const chunk = this.#chunkOf(each);
      this.#pendingBytes -= lengthAt(chunk, each - chunk.firstIndex);
    }
    this.#first = index;
    this.#mark(index, at);
    this.forget(at);
  }

  /** A fact's bytes, valid until the next change. */
  factBytes(index: number): Uint8Array {
    const chunk = this.#chunkOf(index);
    const place = index - chunk.firstIndex;
    const start = chunk.starts[place]!;
    return chunk.bytes.subarray(start, start + lengthAt(chunk, place));
  }

  /** Whose acknowledgement frees what. */
  ownerOf(index: number): { readonly namespace: string; readonly ofLease: boolean } {
    const chunk = this.#chunkOf(index);
    const place = index - chunk.firstIndex;
    return { namespace: chunk.namespaces[place]!, ofLease: chunk.ofLease[place]! };
  }

  numberOf(index: number): { readonly actor: string; readonly sequence: number } {
    const stretch = this.#stretchOf(index)!;
    return { actor: stretch.actor, sequence: stretch.firstSequence + (index - stretch.firstIndex) };
  }

  /* ---- inside -------------------------------------------------------------------------- */

  #isBehind(next: Stretch | undefined): boolean {
    return next !== undefined && next.firstIndex <= this.#kept && next.firstIndex < this.#first;
  }

  #mark(index: number, at: number): void {
    const last = this.#marks.at(-1);
    if (last === undefined || at - last.since >= MARK_MS) {
      this.#marks.push({ index, at, since: at });
      return;
    }
    last.index = index;
    last.at = at;
  }

  #begin(stretch: Stretch): void {
    // One without facts says nothing any more, unless it is the only one of its run.
    const last = this.#stretches.at(-1);
    if (last?.firstIndex === stretch.firstIndex && last.actor === stretch.actor) this.#stretches.pop();
    this.#stretches.push(stretch);
  }

  #sequenceAfter(stretch: Stretch): number {
    return stretch.firstSequence + (this.#head - stretch.firstIndex);
  }

  #stretchOf(index: number): Stretch | undefined {
    const stretches = this.#stretches;
    let low = 0;
    let high = stretches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (stretches[middle]!.firstIndex <= index) low = middle + 1;
      else high = middle;
    }
    return stretches[low - 1];
  }

  #chunkFor(length: number): Chunk {
    const last = this.#chunks.at(-1);
    if (last !== undefined && last.end + length <= last.bytes.length) return last;
    const chunk: Chunk = {
      bytes: new Uint8Array(Math.max(CHUNK_BYTES, length)),
      firstIndex: this.#head, starts: [], namespaces: [], ofLease: [], end: 0,
    };
    this.#chunks.push(chunk);
    return chunk;
  }

  #chunkOf(index: number): Chunk {
    const chunks = this.#chunks;
    let low = 0;
    let high = chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (chunks[middle]!.firstIndex <= index) low = middle;
      else high = middle - 1;
    }
    const chunk = chunks[low];
    if (chunk === undefined || index < this.#kept || index >= this.#head) {
      throw new Error(`Fact ${index} is not in the outbox`);
    }
    return chunk;
  }

  #isOver(chunk: Chunk): boolean {
    return chunk.firstIndex + chunk.starts.length <= this.#kept;
  }
}

function lengthAt(chunk: Chunk, place: number): number {
  return (chunk.starts[place + 1] ?? chunk.end) - chunk.starts[place]!;
}
