/**
 * What the ledger holds of one key: its live values, each with the dot of its write, and the
 * context that covers every write the key has ever seen (dotted version vectors: Preguiça et al.
 * 2010; PROTOCOL §2.4). All instants are milliseconds of the ledger's clock.
 *
 * The encoding is fixed-width and big-endian, so that Lua reads it with `struct` and never needs
 * to understand a value; numbers are doubles, because Lua's are. Its first byte is its version; a
 * reader takes the current one and the one before.
 */
import type { EndReason } from '../core/command.ts';
import type { Dot } from '../core/fact.ts';

export const RECORD_VERSION = 2;
export const RECORD_VERSION_MIN = 1;

/** Reasons by their rank: where two parties ended one run, the higher one stands (§3.5 rule 1). */
export const REASONS_BY_RANK: readonly EndReason[] = [
  'superseded', 'expired', 'evicted', 'deleted', 'revoked', 'released',
];

/** One live value. */
export interface Sibling {
  readonly dot: Dot;
  /** First dot of the unbroken run of overwrites under one lease: the identity of the grant. */
  readonly born: Dot;
  readonly hlc: number;
  /** What `ownerWins` decides by: when the lease was granted, wall-clock ms. (Version 1: `hlc`.) */
  readonly rank: number;
  readonly deadline: number;
  readonly ttlMs: number;
  /** Lives on while its owner's heartbeat is fresh; else its deadline is final. */
  readonly session: boolean;
  /** `fingerprint` of key, dot, content type and value: two u32, added up in digests. */
  readonly hashHigh: number;
  readonly hashLow: number;
  /** Lease, holder, content type and size, as `encodeLabel` writes them; opaque to the ledger. */
  readonly label: Uint8Array;
  readonly value: Uint8Array;
}

/** The record covers all writes of `actor` up to `seq`. */
export interface CoveredActor {
  readonly actor: string;
  readonly seq: number;
  /**
   * Until when the ledger must remember this. In requests: the latest deadline that the caller
   * ever gave a value of the key as this actor, 0 for others.
   */
  readonly until: number;
}

/** A run ended by somebody else than its owner, kept until its owner has told it, or forgotten. */
export interface Ending {
  readonly born: Dot;
  /** The last write of the run. */
  readonly dot: Dot;
  readonly reason: EndReason;
  /** The actor that ended it. */
  readonly by: string;
  /** Somebody has published it. */
  readonly told: boolean;
  /** It lost against a concurrent value, by the namespace's policy. */
  readonly conflict: boolean;
  readonly deadline: number;
  readonly until: number;
  /** As the sibling's. */
  readonly label: Uint8Array;
}

export interface LedgerRecord {
  /** In the order of `compareDots`. */
  readonly siblings: readonly Sibling[];
  /** In the order of actors. */
  readonly context: readonly CoveredActor[];
  /** In the order of `compareDots` over `born`. */
  readonly ends: readonly Ending[];
  /** Which digest cell of the partition counts it. */
  readonly bucket: number;
  /** When a record without siblings may be forgotten; 0 while there are any. */
  readonly forgetAt: number;
}

/** By actor, as hexadecimal text, then by number. */
export function compareDots(left: Dot, right: Dot): number {
  if (left.actor !== right.actor) return left.actor < right.actor ? -1 : 1;
  return left.seq - right.seq;
}

export function sameDot(left: Dot, right: Dot): boolean {
  return left.seq === right.seq && left.actor === right.actor;
}

/** These bytes are no record, or of a version that this process does not read. */
export class RecordFormatError extends Error {
  override readonly name = 'RecordFormatError';
}

/*
 * Layout:  u8 version, u8 0, u16 bucket, u16 siblings, u16 context, u16 ends, u16 0, f64 forgetAt
 * context: 8 actor, f64 seq, f64 until
 * sibling: 8 actor, f64 seq, 8 born actor, f64 born seq, f64 hlc, [f64 rank: version 2], f64
 *          deadline, f64 ttlMs, u8 flags (1 session), u32 hash high, u32 hash low,
 *          u32 label bytes, u32 value bytes, label, value
 * ending:  8 born actor, f64 born seq, 8 actor, f64 seq, u8 reason's rank, u8 flags (1 told,
 *          2 conflict), 8 by, f64 deadline, f64 until, u32 label bytes, label
 */
const HEADER_BYTES = 20;
const CONTEXT_BYTES = 24;
const SIBLING_BYTES = [0, 73, 81] as const;
const ENDING_BYTES = 62;

export function encodeRecord(record: LedgerRecord, version: number = RECORD_VERSION): Uint8Array {
  const perSibling = SIBLING_BYTES[version];
  if (perSibling === undefined || perSibling === 0) {
    throw new RecordFormatError(`Cannot write record version ${version}`);
  }
  let size = HEADER_BYTES + record.context.length * CONTEXT_BYTES;
  for (const { label, value } of record.siblings) size += perSibling + label.length + value.length;
  for (const { label } of record.ends) size += ENDING_BYTES + label.length;
  const out = new Writer(size);
  out.u8(version);
  out.u8(0);
  out.u16(record.bucket);
  out.u16(record.siblings.length);
  out.u16(record.context.length);
  out.u16(record.ends.length);
  out.u16(0);
  out.f64(record.forgetAt);
  for (const { actor, seq, until } of record.context) {
    out.actor(actor);
    out.f64(seq);
    out.f64(until);
  }
  for (const sibling of record.siblings) {
    out.dot(sibling.dot);
    out.dot(sibling.born);
    out.f64(sibling.hlc);
    if (version >= 2) out.f64(sibling.rank);
    out.f64(sibling.deadline);
    out.f64(sibling.ttlMs);
    out.u8(sibling.session ? 1 : 0);
    out.u32(sibling.hashHigh);
    out.u32(sibling.hashLow);
    out.u32(sibling.label.length);
    out.u32(sibling.value.length);
    out.raw(sibling.label);
    out.raw(sibling.value);
  }
  for (const ending of record.ends) {
    out.dot(ending.born);
    out.dot(ending.dot);
    out.u8(REASONS_BY_RANK.indexOf(ending.reason));
    out.u8((ending.told ? 1 : 0) + (ending.conflict ? 2 : 0));
    out.actor(ending.by);
    out.f64(ending.deadline);
    out.f64(ending.until);
    out.u32(ending.label.length);
    out.raw(ending.label);
  }
  return out.bytes;
}

/** Throws `RecordFormatError`. Labels and values are views into `bytes`. */
export function decodeRecord(bytes: Uint8Array): LedgerRecord {
  const reader = new Reader(bytes);
  const version = reader.u8();
  if (version < RECORD_VERSION_MIN || version > RECORD_VERSION) {
    throw new RecordFormatError(`Cannot read record version ${version}`);
  }
  reader.u8();
  const bucket = reader.u16();
  const siblingCount = reader.u16();
  const contextCount = reader.u16();
  const endCount = reader.u16();
  reader.u16();
  const forgetAt = reader.f64();
  const context: CoveredActor[] = [];
  for (let left = contextCount; left > 0; left--) {
    context.push({ actor: reader.actor(), seq: reader.f64(), until: reader.f64() });
  }
  const siblings: Sibling[] = [];
  for (let left = siblingCount; left > 0; left--) {
    const dot = reader.dot();
    const born = reader.dot();
    const hlc = reader.f64();
    const rank = version >= 2 ? reader.f64() : hlc;
    const deadline = reader.f64();
    const ttlMs = reader.f64();
    const session = (reader.u8() & 1) === 1;
    const hashHigh = reader.u32();
    const hashLow = reader.u32();
    const labelBytes = reader.u32();
    const valueBytes = reader.u32();
    siblings.push({
      dot, born, hlc, rank, deadline, ttlMs, session, hashHigh, hashLow,
      label: reader.raw(labelBytes),
      value: reader.raw(valueBytes),
    });
  }
  const ends: Ending[] = [];
  for (let left = endCount; left > 0; left--) {
    const born = reader.dot();
    const dot = reader.dot();
    const reason = REASONS_BY_RANK[reader.u8()];
    if (reason === undefined) throw new RecordFormatError('Cannot read record: unknown reason');
    const flags = reader.u8();
    ends.push({
      born, dot, reason,
      told: (flags & 1) === 1,
      conflict: (flags & 2) === 2,
      by: reader.actor(),
      deadline: reader.f64(),
      until: reader.f64(),
      label: reader.raw(reader.u32()),
    });
  }
  if (!reader.atEnd) throw new RecordFormatError('Cannot read record: bytes after its end');
  return { siblings, context, ends, bucket, forgetAt };
}

class Writer {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.#view = new DataView(this.bytes.buffer);
  }

  u8(value: number): void {
    this.#view.setUint8(this.#at, value);
    this.#at += 1;
  }

  u16(value: number): void {
    this.#view.setUint16(this.#at, value);
    this.#at += 2;
  }

  u32(value: number): void {
    this.#view.setUint32(this.#at, value);
    this.#at += 4;
  }

  f64(value: number): void {
    this.#view.setFloat64(this.#at, value);
    this.#at += 8;
  }

  actor(actor: string): void {
    this.#view.setUint32(this.#at, Number.parseInt(actor.slice(0, 8), 16));
    this.#view.setUint32(this.#at + 4, Number.parseInt(actor.slice(8), 16));
    this.#at += 8;
  }

  dot(dot: Dot): void {
    this.actor(dot.actor);
    this.f64(dot.seq);
  }

  raw(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  #take(size: number): number {
    const at = this.#at;
    if (at + size > this.#bytes.length) throw new RecordFormatError('Cannot read record: cut short');
    this.#at += size;
    return at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  f64(): number {
    return this.#view.getFloat64(this.#take(8));
  }

  actor(): string {
    const high = this.u32();
    return high.toString(16).padStart(8, '0') + this.u32().toString(16).padStart(8, '0');
  }

  dot(): Dot {
    const actor = this.actor();
    return { actor, seq: this.f64() };
  }

  raw(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }
}
