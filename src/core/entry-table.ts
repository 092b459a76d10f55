/**
 * The rows of all entries: one row per value (dot), columns in typed arrays, no heap object.
 * A key normally has one row. It has more when its namespace keeps concurrent values side by side
 * (`siblings`, `counter`) or values under one another (`onExpire: revert`): then `link` leads from
 * the row in the key index, the head, to the others.
 *
 * Key, content type, context and value lie together in one cell of the slab:
 *
 *     0  u16  key bytes          4  u32  value bytes
 *     2  u8   content type bytes 8  key, content type, context (12 bytes each), value
 *     3  u8   context dots
 *
 * A context dot is the actor's number (u32) and a sequence (double), little-endian as the host's.
 */
import type { Actors } from './actors.ts';
import { KeyIndex } from './key-index.ts';
import { OrderedIndex } from './ordered-index.ts';
import type { Dot } from './fact.ts';
import type { KeyProbe } from './key-probe.ts';
import type { Slab } from './slab.ts';
import { Slots } from './slots.ts';

export const CELL_HEADER_BYTES = 8;
const CONTEXT_DOT_BYTES = 12;
export const CONTEXT_DOTS_MAX = 255;
export const DEFAULT_CONTENT_TYPE = 'application/octet-stream';

const decoder = new TextDecoder();
const scratch = new DataView(new ArrayBuffer(CONTEXT_DOT_BYTES));
const scratchBytes = new Uint8Array(scratch.buffer);

/** A context dot by the actor's number. */
export interface NumberedDot {
  readonly actor: number;
  readonly seq: number;
}

const NO_CONTEXT: readonly NumberedDot[] = [];

export class EntryTable {
  readonly slots: Slots;
  readonly index: KeyIndex;
  readonly slab: Slab;

  readonly namespace: Uint16Array;
  readonly lease: Uint32Array;
  /** Rows under one lease, doubly linked. */
  readonly leaseNext: Uint32Array;
  readonly leasePrevious: Uint32Array;
  readonly cell: Uint32Array;
  readonly dotActor: Uint32Array;
  readonly dotSeq: Float64Array;
  readonly bornActor: Uint32Array;
  readonly bornSeq: Float64Array;
  readonly hlc: Float64Array;
  /** The next row of the same key, 0 at the end. */
  readonly link: Uint32Array;
  /** Column of the ordered index; non-zero for heads only. */
  readonly leafOf: Uint32Array;
  /** Last use in tenths of a second, for leastRecentlyUsed. */
  readonly usedAt: Uint32Array;
  /** The snapshot that has this row already. */
  readonly captured: Uint8Array;

  static readonly slotBytes =
    2 + 4 * 4 + 4 + 8 + 4 + 8 + 8 + 4 + 4 + 4 + 1 + Slots.slotBytes + KeyIndex.slotBytes +
    OrderedIndex.slotBytes;

  constructor(capacity: number, slab: Slab) {
    const rows = capacity + 1;
    this.slots = new Slots(capacity);
    this.index = new KeyIndex(capacity);
    this.slab = slab;
    this.namespace = new Uint16Array(rows);
    this.lease = new Uint32Array(rows);
    this.leaseNext = new Uint32Array(rows);
    this.leasePrevious = new Uint32Array(rows);
    this.cell = new Uint32Array(rows);
    this.dotActor = new Uint32Array(rows);
    this.dotSeq = new Float64Array(rows);
    this.bornActor = new Uint32Array(rows);
    this.bornSeq = new Float64Array(rows);
    this.hlc = new Float64Array(rows);
    this.link = new Uint32Array(rows);
    this.leafOf = new Uint32Array(rows);
    this.usedAt = new Uint32Array(rows);
    this.captured = new Uint8Array(rows);
  }

  /** Bytes the cell of such an entry takes, before rounding to a size class. */
  static cellBytes(key: number, contentType: number, contextDots: number, value: number): number {
    return CELL_HEADER_BYTES + key + contentType + contextDots * CONTEXT_DOT_BYTES + value;
  }

  /** Writes a cell; 0 when the slab has no room. The sizes must fit the header's fields. */
  writeCell(
    key: Uint8Array,
    keyStart: number,
    keyLength: number,
    contentType: string,
    context: readonly NumberedDot[],
    value: Uint8Array,
  ): number {
    const type =
      contentType === DEFAULT_CONTENT_TYPE ? '' : contentType;
    // Media types are ASCII (RFC 9110 §8.3); the edge refuses anything else.
    const size = EntryTable.cellBytes(keyLength, type.length, context.length, value.length);
    const ref = this.slab.allocate(size);
    if (ref === 0) return 0;
    const chunk = this.slab.chunkOf(ref);
    let at = this.slab.offsetOf(ref);
    chunk[at] = keyLength & 0xff;
    chunk[at + 1] = keyLength >>> 8;
    chunk[at + 2] = type.length;
    chunk[at + 3] = context.length;
    const valueLength = value.length;
    chunk[at + 4] = valueLength & 0xff;
    chunk[at + 5] = (valueLength >>> 8) & 0xff;
    chunk[at + 6] = (valueLength >>> 16) & 0xff;
    chunk[at + 7] = valueLength >>> 24;
    at += CELL_HEADER_BYTES;
    for (let index = 0; index < keyLength; index++) chunk[at++] = key[keyStart + index]!;
    for (let index = 0; index < type.length; index++) chunk[at++] = type.charCodeAt(index);
    for (const dot of context) {
      scratch.setUint32(0, dot.actor);
      scratch.setFloat64(4, dot.seq);
      chunk.set(scratchBytes, at);
      at += CONTEXT_DOT_BYTES;
    }
    chunk.set(value, at);
    return ref;
  }

  keyLength(ref: number): number {
    return keyLengthAt(this.slab.chunkOf(ref), this.slab.offsetOf(ref));
  }

  valueLength(ref: number): number {
    return valueLengthAt(this.slab.chunkOf(ref), this.slab.offsetOf(ref));
  }

  /** What this cell is charged to its namespace. */
  chargedBytes(ref: number): number {
    const chunk = this.slab.chunkOf(ref);
    const at = this.slab.offsetOf(ref);
    return keyLengthAt(chunk, at) + chunk[at + 2]! + valueLengthAt(chunk, at);
  }

  /** The bytes of its key and content type. */
  nameBytes(ref: number): number {
    const chunk = this.slab.chunkOf(ref);
    const at = this.slab.offsetOf(ref);
    return keyLengthAt(chunk, at) + chunk[at + 2]!;
  }

  keyText(slot: number): string {
    return decoder.decode(this.keyBytes(slot));
  }

  /** A view into the slab: valid until the next change. */
  keyBytes(slot: number): Uint8Array {
    const ref = this.cell[slot]!;
    const at = this.slab.offsetOf(ref) + CELL_HEADER_BYTES;
    return this.slab.chunkOf(ref).subarray(at, at + this.keyLength(ref));
  }

  contentType(slot: number): string {
    const ref = this.cell[slot]!;
    const chunk = this.slab.chunkOf(ref);
    const offset = this.slab.offsetOf(ref);
    const length = chunk[offset + 2]!;
    if (length === 0) return DEFAULT_CONTENT_TYPE;
    const at = offset + CELL_HEADER_BYTES + this.keyLength(ref);
    let text = '';
    for (let index = at; index < at + length; index++) text += String.fromCharCode(chunk[index]!);
    return text;
  }

  context(slot: number): readonly NumberedDot[] {
    return this.contextOfCell(this.cell[slot]!);
  }

  contextOfCell(ref: number): readonly NumberedDot[] {
    const chunk = this.slab.chunkOf(ref);
    const offset = this.slab.offsetOf(ref);
    const count = chunk[offset + 3]!;
    if (count === 0) return NO_CONTEXT;
    const dots: NumberedDot[] = [];
    let at = offset + CELL_HEADER_BYTES + this.keyLength(ref) + chunk[offset + 2]!;
    for (let index = 0; index < count; index++) {
      scratchBytes.set(chunk.subarray(at, at + CONTEXT_DOT_BYTES));
      dots.push({ actor: scratch.getUint32(0), seq: scratch.getFloat64(4) });
      at += CONTEXT_DOT_BYTES;
    }
    return dots;
  }

  /** Where the value begins in its chunk. */
  valueStart(ref: number): number {
    const chunk = this.slab.chunkOf(ref);
    const offset = this.slab.offsetOf(ref);
    return (
      offset + CELL_HEADER_BYTES + this.keyLength(ref) + chunk[offset + 2]! +
      chunk[offset + 3]! * CONTEXT_DOT_BYTES
    );
  }

  /** A view into the slab: valid until the next change. */
  valueView(slot: number): Uint8Array {
    const ref = this.cell[slot]!;
    const at = this.valueStart(ref);
    return this.slab.chunkOf(ref).subarray(at, at + this.valueLength(ref));
  }

  valueCopy(slot: number): Uint8Array {
    const ref = this.cell[slot]!;
    const at = this.valueStart(ref);
    return this.slab.chunkOf(ref).slice(at, at + this.valueLength(ref));
  }

  /** The head row of a key, whether live or past its deadline; 0 for none. */
  find(namespace: number, probe: KeyProbe): number {
    let slot = this.index.first(probe.hash);
    while (slot !== 0) {
      if (this.namespace[slot] === namespace && this.#keyEquals(slot, probe)) return slot;
      slot = this.index.after(slot);
    }
    return 0;
  }

  #keyEquals(slot: number, probe: KeyProbe): boolean {
    const ref = this.cell[slot]!;
    const length = probe.length;
    if (this.keyLength(ref) !== length) return false;
    const chunk = this.slab.chunkOf(ref);
    const at = this.slab.offsetOf(ref) + CELL_HEADER_BYTES;
    const bytes = probe.bytes;
    for (let index = 0; index < length; index++) {
      if (chunk[at + index] !== bytes[index]) return false;
    }
    return true;
  }

  /** Byte order of the keys of two rows. */
  compareRows(left: number, right: number): number {
    const leftRef = this.cell[left]!;
    const rightRef = this.cell[right]!;
    return compareBytes(
      this.slab.chunkOf(leftRef),
      this.slab.offsetOf(leftRef) + CELL_HEADER_BYTES,
      this.keyLength(leftRef),
      this.slab.chunkOf(rightRef),
      this.slab.offsetOf(rightRef) + CELL_HEADER_BYTES,
      this.keyLength(rightRef),
    );
  }

  /** Byte order of a probe against the key of a row. */
  compareProbe(probe: KeyProbe, slot: number): number {
    const ref = this.cell[slot]!;
    return compareBytes(
      probe.bytes,
      0,
      probe.length,
      this.slab.chunkOf(ref),
      this.slab.offsetOf(ref) + CELL_HEADER_BYTES,
      this.keyLength(ref),
    );
  }
}

/** Of the cell that begins at `at`. */
export function keyLengthAt(chunk: Uint8Array, at: number): number {
  return chunk[at]! | (chunk[at + 1]! << 8);
}

export function valueLengthAt(chunk: Uint8Array, at: number): number {
  return (
    chunk[at + 4]! + chunk[at + 5]! * 0x100 + chunk[at + 6]! * 0x10000 + chunk[at + 7]! * 0x1000000
  );
}

export function contextWithText(context: readonly NumberedDot[], actors: Actors): Dot[] {
  return context.map((dot) => ({ actor: actors.text(dot.actor), seq: dot.seq }));
}

function compareBytes(
  left: Uint8Array,
  leftStart: number,
  leftLength: number,
  right: Uint8Array,
  rightStart: number,
  rightLength: number,
): number {
  const common = Math.min(leftLength, rightLength);
  for (let index = 0; index < common; index++) {
    const difference = left[leftStart + index]! - right[rightStart + index]!;
    if (difference !== 0) return difference;
  }
  return leftLength - rightLength;
}
