/**
 * The feed: every committed fact, numbered, in a ring bounded by count, bytes and age. Readers are
 * positions into the ring; one that falls behind its tail is told to start over (`resync`) and
 * costs nobody anything. Facts stay bytes until somebody reads them.
 *
 * Numbers count per run of the process (actor). Facts of earlier runs, read back from the journal,
 * keep their numbers, so a cursor survives a restart as long as its facts are still held.
 */
import { RECORD_HEADER_BYTES } from '../core/fact-format.ts';
import { decodeFact, isRestated } from '../core/fact-reader.ts';
import type { FeedFact, FeedPort, FeedReader, ResyncNotice } from './service.ts';

export interface FeedLimits {
  readonly facts: number;
  readonly bytes: number;
  readonly ageMs: number;
}

/** A stretch of facts of one run whose numbers follow one another. */
interface Stretch {
  readonly actor: string;
  readonly firstIndex: number;
  readonly firstSequence: number;
}

const EMPTY_BYTE_STRING = 0x40;
/** Up to here a loop beats making a view and calling out; most facts are smaller. */
const LOOP_BYTES_MAX = 256;

export class Feed implements FeedPort {
  readonly #limits: FeedLimits;
  readonly #ring: Uint8Array;
  readonly #offsets: Float64Array;
  readonly #lengths: Uint32Array;
  readonly #times: Float64Array;
  #stretches: Stretch[] = [];
  /** Index of the oldest fact held, of the next to be appended, of the next not yet committed. */
  #tail = 0;
  #head = 0;
  #visible = 0;
  /** Bytes ever written; the ring position is this modulo its size. */
  #written = 0;
  readonly #readers = new Set<Reader>();

  constructor(limits: FeedLimits) {
    this.#limits = limits;
    this.#ring = new Uint8Array(limits.bytes);
    this.#offsets = new Float64Array(limits.facts);
    this.#lengths = new Uint32Array(limits.facts);
    this.#times = new Float64Array(limits.facts);
  }

  /** Facts appended from now on are this run's, numbered from 1. */
  beginRun(actor: string): void {
    this.#stretches.push({ actor, firstIndex: this.#head, firstSequence: 1 });
    this.#visible = this.#head;
  }

  /** Number of this run's last fact, committed or not. */
  get sequence(): number {
    const stretch = this.#stretches.at(-1)!;
    return stretch.firstSequence + (this.#head - stretch.firstIndex) - 1;
  }

  /** Index the next fact will have. */
  get head(): number {
    return this.#head;
  }

  get held(): number {
    return this.#visible - this.#tail;
  }

  get readers(): number {
    return this.#readers.size;
  }

  get cursor(): string {
    return this.#cursorAt(this.#visible);
  }

  /**
   * Cursor of a reader that has seen everything before `index`. Between two runs it is named by the
   * earlier one: nothing of the later one may have reached the journal yet.
   */
  #cursorAt(index: number): string {
    let stretch = this.#stretches[0]!;
    for (const candidate of this.#stretches) {
      if (candidate.firstIndex < index) stretch = candidate;
    }
    return `${stretch.actor}.${stretch.firstSequence + (index - stretch.firstIndex) - 1}`;
  }

  /**
   * Takes the fact `bytes[start, end)` (without the record's header) and answers its number. With
   * `valueAt`, the value's byte string, which begins there, is left out.
   */
  append(bytes: Uint8Array, start: number, end: number, valueAt: number, at: number): number {
    const length = valueAt === 0 ? end - start : valueAt - start + 1;
    const size = this.#ring.length;
    let offset = this.#written % size;
    if (offset + length > size) {
      // A fact lies in one piece; the end of the ring stays unused this time round.
      this.#written += size - offset;
      offset = 0;
    }
    this.#makeRoom(length, at);
    const slot = this.#head % this.#limits.facts;
    if (valueAt === 0) {
      this.#copy(bytes, start, end, offset);
    } else {
      this.#copy(bytes, start, valueAt, offset);
      this.#ring[offset + length - 1] = EMPTY_BYTE_STRING;
    }
    this.#offsets[slot] = this.#written;
    this.#lengths[slot] = length;
    this.#times[slot] = at;
    this.#written += length;
    const stretch = this.#stretches.at(-1)!;
    return stretch.firstSequence + (this.#head++ - stretch.firstIndex);
  }

  /**
   * Takes all facts of one step whose values are not left out: one copy for all of them, their
   * records' headers included, where there is room in one piece. Answers the first one's number.
   */
  appendAll(bytes: Uint8Array, starts: readonly number[], count: number, at: number): number {
    const from = starts[0]!;
    const length = starts[count]! - from;
    const offset = this.#written % this.#ring.length;
    const stretch = this.#stretches.at(-1)!;
    const first = stretch.firstSequence + (this.#head - stretch.firstIndex);
    if (offset + length > this.#ring.length || count > this.#limits.facts) {
      for (let index = 0; index < count; index++) {
        this.append(bytes, starts[index]! + RECORD_HEADER_BYTES, starts[index + 1]!, 0, at);
      }
      return first;
    }
    this.#makeRoom(length, at, count);
    this.#copy(bytes, from, from + length, offset);
    for (let index = 0; index < count; index++) {
      const slot = this.#head++ % this.#limits.facts;
      const start = starts[index]! + RECORD_HEADER_BYTES;
      this.#offsets[slot] = this.#written + (start - from);
      this.#lengths[slot] = starts[index + 1]! - start;
      this.#times[slot] = at;
    }
    this.#written += length;
    return first;
  }

  #copy(bytes: Uint8Array, start: number, end: number, offset: number): void {
    const ring = this.#ring;
    if (end - start > LOOP_BYTES_MAX) {
      ring.set(bytes.subarray(start, end), offset);
      return;
    }
    for (let from = start, to = offset; from < end; from++, to++) ring[to] = bytes[from]!;
  }

  #makeRoom(length: number, at: number, count = 1): void {
    const { facts, ageMs } = this.#limits;
    const keepFrom = this.#written + length - this.#ring.length;
    while (this.#tail < this.#head) {
      const slot = this.#tail % facts;
      const tooMany = this.#head - this.#tail + count > facts;
      const tooOld = this.#times[slot]! < at - ageMs;
      if (!tooMany && !tooOld && this.#offsets[slot]! >= keepFrom) break;
      this.#tail++;
    }
    // Strictly: whoever has seen all of a stretch may go on with the next.
    while (this.#stretches.length > 1 && this.#stretches[1]!.firstIndex < this.#tail) {
      this.#stretches.shift();
    }
  }

  /**
   * A record of an earlier run, from the journal, whose fact begins at `start`; facts that were never
   * journalled leave a gap. `valueAt` is where a value begins that is left out, 0 for none.
   */
  restore(
    actor: string,
    sequence: number,
    record: Uint8Array,
    start: number,
    valueAt: number,
    at: number,
  ): void {
    this.restoreRun(actor, sequence - 1);
    this.append(record, start, record.length, valueAt, at);
    this.#visible = this.#head;
  }

  /** The facts that follow are this run's, after its number `sequence`. */
  restoreRun(actor: string, sequence: number): void {
    const last = this.#stretches.at(-1);
    const follows = last !== undefined && last.actor === actor && this.sequence === sequence;
    if (follows) return;
    // A gap: a reader from before it would miss facts, so nothing from before it is held.
    if (last !== undefined && last.actor === actor) this.#forgetAll();
    this.#stretches.push({ actor, firstIndex: this.#head, firstSequence: sequence + 1 });
  }

  #forgetAll(): void {
    this.#tail = this.#head;
    this.#stretches = [];
  }

  /** Facts before `index` are committed: readers may see them. */
  commit(index: number): void {
    if (index <= this.#visible) return;
    this.#visible = index;
    for (const reader of this.#readers) reader.onFact();
  }

  open(since?: string): FeedReader {
    const reader = new Reader(this, since);
    this.#readers.add(reader);
    return reader;
  }

  /* ---- for readers --------------------------------------------------------------------- */

  drop(reader: Reader): void {
    this.#readers.delete(reader);
  }

  get visible(): number {
    return this.#visible;
  }

  cursorBefore(index: number): string {
    return this.#cursorAt(index);
  }

  isHeld(index: number): boolean {
    return index >= this.#tail;
  }

  /** Index of the first fact after `cursor`; a word why there is none. */
  locate(cursor: string): number | ResyncNotice['reason'] {
    const match = /^([0-9a-f]{16})\.([0-9]{1,15})$/.exec(cursor);
    if (match === null) return 'unknown-cursor';
    const sequence = Number(match[2]);
    let known = false;
    for (let at = 0; at < this.#stretches.length; at++) {
      const stretch = this.#stretches[at]!;
      if (stretch.actor !== match[1]) continue;
      known = true;
      const end = this.#stretches[at + 1]?.firstIndex ?? this.#head;
      const index = stretch.firstIndex + (sequence + 1 - stretch.firstSequence);
      if (index < stretch.firstIndex || index > end) continue;
      return index >= this.#tail ? index : 'not-held';
    }
    return known ? 'not-held' : 'unknown-cursor';
  }

  factAt(index: number): FeedFact {
    const slot = index % this.#limits.facts;
    const offset = this.#offsets[slot]! % this.#ring.length;
    const bytes = this.#ring.slice(offset, offset + this.#lengths[slot]!);
    const fact = decodeFact(bytes, -RECORD_HEADER_BYTES);
    if (isRestated(fact)) throw new Error('A snapshot record is in the feed');
    let stretch = this.#stretches[0]!;
    for (const candidate of this.#stretches) {
      if (candidate.firstIndex <= index) stretch = candidate;
    }
    return {
      actor: stretch.actor,
      sequence: stretch.firstSequence + (index - stretch.firstIndex),
      fact,
    };
  }
}

class Reader implements FeedReader {
  readonly #feed: Feed;
  #index: number;
  /** Cursor after the last fact given, kept as text: its stretch may be forgotten by then. */
  #seen: string;
  #lost: { readonly from: string; readonly reason: ResyncNotice['reason'] } | undefined;
  onFact: () => void = () => {};

  constructor(feed: Feed, since: string | undefined) {
    this.#feed = feed;
    const located = since === undefined ? feed.visible : feed.locate(since);
    if (typeof located === 'number') {
      this.#index = located;
    } else {
      this.#index = feed.visible;
      this.#lost = { from: since!, reason: located };
    }
    this.#seen = this.cursor;
  }

  get cursor(): string {
    return this.#feed.cursorBefore(this.#index);
  }

  read(max: number): readonly FeedFact[] | ResyncNotice {
    const feed = this.#feed;
    if (this.#lost === undefined && !feed.isHeld(this.#index)) {
      this.#lost = { from: this.#seen, reason: 'fell-behind' };
    }
    if (this.#lost !== undefined) {
      const { from, reason } = this.#lost;
      this.#lost = undefined;
      this.#index = feed.visible;
      this.#seen = this.cursor;
      return { from, to: this.#seen, reason };
    }
    const facts: FeedFact[] = [];
    while (facts.length < max && this.#index < feed.visible) {
      facts.push(feed.factAt(this.#index++));
    }
    this.#seen = this.cursor;
    return facts;
  }

  close(): void {
    this.#feed.drop(this);
  }
}
