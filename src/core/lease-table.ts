/**
 * The rows of all leases, explicit and implicit, live and remembered.
 *
 * An implicit lease is only columns: its id is made of its origin (the dot of the write that made
 * it) and it has no holder. An explicit one also has a cell in the slab with its id, holder,
 * labels and the end of its lifetime:
 *
 *     0  u16 id bytes   2  u16 holder bytes   4  u16 label bytes   8  f64 lifetime end
 *     16 id, holder, labels as JSON
 *
 * A row lives on after its lease has ended: first while entries still wait for their own endings
 * (`draining`), then as memory of the ending until age or number push it out.
 */
import type { Actors } from './actors.ts';
import { END_REASONS } from './fact-format.ts';
import { hashAscii, hashBytes, hashOrigin, KeyIndex } from './key-index.ts';
import { OrderedIndex } from './ordered-index.ts';
import type { Slab } from './slab.ts';
import { Slots } from './slots.ts';
import { TRACE_BYTES } from './trace.ts';

export const FREE = 0;
export const LIVE = 1;
/** Ended; some of its entries still wait for their endings to be recorded. */
export const DRAINING = 2;
/** Ended and remembered. */
export const ENDED = 3;
/** Stands for the lease of a copy, which another sidecar holds: not found by its id, not on the wheel. */
export const COPIED = 4;

const DETAIL_HEADER_BYTES = 16;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);
const NO_LABELS: Readonly<Record<string, string>> = Object.freeze({});
const IMPLICIT_ID = /^i-([0-9a-f]{16})-([0-9]{1,16})$/;

/** Whether an id is one of those that entries' own leases get. */
export function isImplicitId(id: string): boolean {
  return id.startsWith('i-') && IMPLICIT_ID.test(id);
}

export class LeaseTable {
  readonly slots: Slots;
  readonly index: KeyIndex;
  readonly slab: Slab;
  readonly #actors: Actors;
  readonly #hashSeed: number;

  readonly state: Uint8Array;
  readonly namespace: Uint16Array;
  readonly deadline: Float64Array;
  readonly ttlMs: Uint32Array;
  readonly grantedAt: Float64Array;
  /** Last renewal while live; the instant of the ending afterwards. */
  readonly touchedAt: Float64Array;
  readonly renewals: Uint32Array;
  readonly entryHead: Uint32Array;
  readonly entryCount: Uint32Array;
  /** Cell of an explicit lease; 0 for an implicit one. */
  readonly detail: Uint32Array;
  readonly originActor: Uint32Array;
  readonly originSeq: Float64Array;
  /** Index into END_REASONS, once ended. */
  readonly endReason: Uint8Array;
  /** Next in the queue of remembered endings, oldest first. */
  readonly endedNext: Uint32Array;
  /** 1 while a renewal waits to be told in this group. */
  readonly renewalPending: Uint8Array;
  /** The trace of the request that granted it, where `traced`. */
  readonly traced: Uint8Array;
  readonly #traces: Uint8Array;
  /** Of a copy's lease: 1 when it lives on with its owner's heartbeat. */
  readonly session: Uint8Array;
  readonly leafOf: Uint32Array;
  readonly captured: Uint8Array;

  static readonly slotBytes =
    1 + 2 + 8 + 4 + 8 + 8 + 4 + 4 + 4 + 4 + 4 + 8 + 1 + 4 + 1 + 1 + 4 + 1 + 1 + TRACE_BYTES +
    10 /* timing wheel */ + Slots.slotBytes + KeyIndex.slotBytes + OrderedIndex.slotBytes;

  constructor(capacity: number, slab: Slab, actors: Actors, hashSeed: number) {
    const rows = capacity + 1;
    this.slots = new Slots(capacity);
    this.index = new KeyIndex(capacity);
    this.slab = slab;
    this.#actors = actors;
    this.#hashSeed = hashSeed;
    this.state = new Uint8Array(rows);
    this.namespace = new Uint16Array(rows);
    this.deadline = new Float64Array(rows);
    this.ttlMs = new Uint32Array(rows);
    this.grantedAt = new Float64Array(rows);
    this.touchedAt = new Float64Array(rows);
    this.renewals = new Uint32Array(rows);
    this.entryHead = new Uint32Array(rows);
    this.entryCount = new Uint32Array(rows);
    this.detail = new Uint32Array(rows);
    this.originActor = new Uint32Array(rows);
    this.originSeq = new Float64Array(rows);
    this.endReason = new Uint8Array(rows);
    this.endedNext = new Uint32Array(rows);
    this.renewalPending = new Uint8Array(rows);
    this.traced = new Uint8Array(rows);
    this.#traces = new Uint8Array(rows * TRACE_BYTES);
    this.session = new Uint8Array(rows);
    this.leafOf = new Uint32Array(rows);
    this.captured = new Uint8Array(rows);
  }

  isImplicit(slot: number): boolean {
    return this.detail[slot] === 0;
  }

  /** Not ended, though its deadline may have come. */
  isLiveRow(slot: number): boolean {
    return this.state[slot] === LIVE;
  }

  isLive(slot: number, now: number): boolean {
    return this.state[slot] === LIVE && now < this.deadline[slot]!;
  }

  id(slot: number): string {
    const ref = this.detail[slot]!;
    if (ref === 0) {
      return implicitId(this.#actors.text(this.originActor[slot]!), this.originSeq[slot]!);
    }
    const chunk = this.slab.chunkOf(ref);
    const at = this.slab.offsetOf(ref);
    return ascii(chunk, at + DETAIL_HEADER_BYTES, chunk[at]! | (chunk[at + 1]! << 8));
  }

  holder(slot: number): string {
    const ref = this.detail[slot]!;
    if (ref === 0) return '';
    const chunk = this.slab.chunkOf(ref);
    const at = this.slab.offsetOf(ref);
    const start = at + DETAIL_HEADER_BYTES + (chunk[at]! | (chunk[at + 1]! << 8));
    return shortText(chunk, start, chunk[at + 2]! | (chunk[at + 3]! << 8));
  }

  labels(slot: number): Readonly<Record<string, string>> {
    const ref = this.detail[slot]!;
    if (ref === 0) return NO_LABELS;
    const chunk = this.slab.chunkOf(ref);
    const at = this.slab.offsetOf(ref);
    const length = chunk[at + 4]! | (chunk[at + 5]! << 8);
    if (length === 0) return NO_LABELS;
    const start =
      at + DETAIL_HEADER_BYTES + (chunk[at]! | (chunk[at + 1]! << 8)) +
      (chunk[at + 2]! | (chunk[at + 3]! << 8));
    return JSON.parse(decoder.decode(chunk.subarray(start, start + length)));
  }

  /** No renewal goes past this; for an implicit lease the namespace's lifetime counts. */
  lifetimeEnd(slot: number, maxLifetimeMs: number): number {
    const ref = this.detail[slot]!;
    if (ref === 0) return this.grantedAt[slot]! + maxLifetimeMs;
    const at = this.slab.offsetOf(ref) + 8;
    floatBytes.set(this.slab.chunkOf(ref).subarray(at, at + 8));
    return float[0]!;
  }

  setTrace(slot: number, trace: Uint8Array | undefined): void {
    this.traced[slot] = trace === undefined ? 0 : 1;
    if (trace !== undefined) this.#traces.set(trace, slot * TRACE_BYTES);
  }

  /** A view, valid until the row is given to another lease; undefined: none is known. */
  trace(slot: number): Uint8Array | undefined {
    if (this.traced[slot] === 0) return undefined;
    return this.#traces.subarray(slot * TRACE_BYTES, (slot + 1) * TRACE_BYTES);
  }

  /** How many bytes longer `holder` is than the lease's own. */
  holderGrowth(slot: number, holder: string): number {
    const ref = this.detail[slot]!;
    const chunk = this.slab.chunkOf(ref);
    const at = this.slab.offsetOf(ref);
    return encoder.encode(holder).length - (chunk[at + 2]! | (chunk[at + 3]! << 8));
  }

  /** The bytes of its id and holder; 0 for an implicit one. */
  nameBytes(slot: number): number {
    const ref = this.detail[slot]!;
    if (ref === 0) return 0;
    const chunk = this.slab.chunkOf(ref);
    const at = this.slab.offsetOf(ref);
    return (chunk[at]! | (chunk[at + 1]! << 8)) + (chunk[at + 2]! | (chunk[at + 3]! << 8));
  }

  detailBytes(slot: number): number {
    const ref = this.detail[slot]!;
    if (ref === 0) return 0;
    const chunk = this.slab.chunkOf(ref);
    const at = this.slab.offsetOf(ref);
    return (
      DETAIL_HEADER_BYTES + (chunk[at]! | (chunk[at + 1]! << 8)) +
      (chunk[at + 2]! | (chunk[at + 3]! << 8)) + (chunk[at + 4]! | (chunk[at + 5]! << 8))
    );
  }

  /** Writes the cell of an explicit lease; 0 when the slab has no room. */
  writeDetail(
    id: string,
    holder: string,
    labels: Readonly<Record<string, string>>,
    lifetimeEnd: number,
  ): number {
    const idBytes = encoder.encode(id);
    const holderBytes = encoder.encode(holder);
    const hasLabels = Object.keys(labels).length > 0;
    const labelBytes = hasLabels ? encoder.encode(JSON.stringify(labels)) : new Uint8Array(0);
    const ref = this.slab.allocate(
      DETAIL_HEADER_BYTES + idBytes.length + holderBytes.length + labelBytes.length,
    );
    if (ref === 0) return 0;
    const chunk = this.slab.chunkOf(ref);
    let at = this.slab.offsetOf(ref);
    chunk[at] = idBytes.length & 0xff;
    chunk[at + 1] = idBytes.length >>> 8;
    chunk[at + 2] = holderBytes.length & 0xff;
    chunk[at + 3] = holderBytes.length >>> 8;
    chunk[at + 4] = labelBytes.length & 0xff;
    chunk[at + 5] = labelBytes.length >>> 8;
    float[0] = lifetimeEnd;
    chunk.set(floatBytes, at + 8);
    at += DETAIL_HEADER_BYTES;
    chunk.set(idBytes, at);
    chunk.set(holderBytes, at + idBytes.length);
    chunk.set(labelBytes, at + idBytes.length + holderBytes.length);
    return ref;
  }

  /** Puts the row into the index by its id. Its detail or origin must be set. */
  addToIndex(slot: number): void {
    const ref = this.detail[slot]!;
    if (ref === 0) {
      this.index.insert(slot, this.#originHash(this.originActor[slot]!, this.originSeq[slot]!));
      return;
    }
    const chunk = this.slab.chunkOf(ref);
    const at = this.slab.offsetOf(ref);
    const start = at + DETAIL_HEADER_BYTES;
    const length = chunk[at]! | (chunk[at + 1]! << 8);
    this.index.insert(slot, hashBytes(this.#hashSeed, chunk, start, start + length));
  }

  #originHash(actor: number, seq: number): number {
    return hashOrigin(this.#hashSeed, actor, seq);
  }

  /**
   * Whether the lease came with an entry that is held here, or was: then that entry's end has been
   * told, or will be. Of an explicit lease's entries its own row says nothing.
   */
  remembersImplicit(id: string): boolean {
    const lease = this.find(id);
    return lease !== 0 && this.state[lease] !== COPIED && this.isImplicit(lease);
  }

  /** Whether it has ended here, for good: not because it went on at another sidecar. */
  hasEnded(id: string): boolean {
    const lease = this.find(id);
    if (lease === 0 || (this.state[lease] !== ENDED && this.state[lease] !== DRAINING)) return false;
    return this.isImplicit(lease) || END_REASONS[this.endReason[lease]!] !== 'superseded';
  }

  /** The row of an id, whatever its state; 0 for none. A live row wins over a remembered one. */
  find(id: string): number {
    const implicit = id.startsWith('i-') ? IMPLICIT_ID.exec(id) : null;
    if (implicit !== null) {
      const actor = this.#actors.find(implicit[1]!);
      const found = actor === 0 ? 0 : this.#findOrigin(actor, Number(implicit[2]));
      if (found !== 0) return found;
    }
    let slot = this.index.first(hashAscii(this.#hashSeed, id));
    let remembered = 0;
    while (slot !== 0) {
      if (this.detail[slot] !== 0 && this.#hasId(slot, id)) {
        if (this.state[slot] === LIVE) return slot;
        if (remembered === 0 || this.isNewer(slot, remembered)) remembered = slot;
      }
      slot = this.index.after(slot);
    }
    return remembered;
  }

  /** The row of one grant of an id, whoever has the id now; 0 for none. */
  findGrant(id: string, originActor: number, originSeq: number): number {
    const implicit = id.startsWith('i-') ? this.#findOrigin(originActor, originSeq) : 0;
    if (implicit !== 0) return implicit;
    let slot = this.index.first(hashAscii(this.#hashSeed, id));
    while (slot !== 0) {
      const same = this.originActor[slot] === originActor && this.originSeq[slot] === originSeq;
      if (same && this.detail[slot] !== 0 && this.#hasId(slot, id)) return slot;
      slot = this.index.after(slot);
    }
    return 0;
  }

  #hasId(slot: number, id: string): boolean {
    const ref = this.detail[slot]!;
    const chunk = this.slab.chunkOf(ref);
    const at = this.slab.offsetOf(ref);
    const length = id.length;
    if ((chunk[at]! | (chunk[at + 1]! << 8)) !== length) return false;
    const start = at + DETAIL_HEADER_BYTES;
    for (let index = 0; index < length; index++) {
      if (chunk[start + index] !== id.charCodeAt(index)) return false;
    }
    return true;
  }

  /** Of two leases that had one id in turn: whether `left` had it after `right`. */
  isNewer(left: number, right: number): boolean {
    const difference = this.grantedAt[left]! - this.grantedAt[right]!;
    if (difference !== 0) return difference > 0;
    // Granted in one instant, so by one run.
    return this.originSeq[left]! > this.originSeq[right]!;
  }

  #findOrigin(actor: number, seq: number): number {
    let slot = this.index.first(this.#originHash(actor, seq));
    while (slot !== 0) {
      const same = this.originActor[slot] === actor && this.originSeq[slot] === seq;
      if (same && this.detail[slot] === 0) return slot;
      slot = this.index.after(slot);
    }
    return 0;
  }

  compareRows(left: number, right: number): number {
    const leftId = this.id(left);
    const rightId = this.id(right);
    return leftId < rightId ? -1 : leftId > rightId ? 1 : 0;
  }

  compareProbe(id: string, slot: number): number {
    const other = this.id(slot);
    return id < other ? -1 : id > other ? 1 : 0;
  }
}

export function implicitId(actor: string, seq: number): string {
  return `i-${actor}-${seq}`;
}

export function explicitId(actor: string, seq: number): string {
  return `l-${actor}-${seq}`;
}

/** Text from its UTF-8: short and mostly ASCII, where a loop beats the decoder's call. */
function shortText(bytes: Uint8Array, start: number, length: number): string {
  for (let index = start; index < start + length; index++) {
    if (bytes[index]! > 0x7f) return decoder.decode(bytes.subarray(start, start + length));
  }
  return ascii(bytes, start, length);
}

function ascii(bytes: Uint8Array, start: number, length: number): string {
  let text = '';
  for (let index = start; index < start + length; index++) text += String.fromCharCode(bytes[index]!);
  return text;
}
