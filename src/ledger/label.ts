/**
 * What the ledger carries beside a value and never reads: lease, holder, content type, size, and the
 * trace of the grant. And the fingerprint of a write, which it adds up in digests and compares to
 * find two different writes under one dot.
 */
import { hash } from 'node:crypto';
import { CborReader, CborShapeError, CborWriter } from '../core/cbor.ts';
import type { Dot } from '../core/fact.ts';
import { isSampled, TRACE_BYTES } from '../core/trace.ts';

export interface Label {
  readonly lease: string;
  readonly holder: string;
  readonly contentType: string;
  /** Bytes of the value. */
  readonly size: number;
  /** Of the request that granted the lease, when it was recorded: others link to it. */
  readonly trace?: Uint8Array | undefined;
}

/**
 * `[1, lease, holder, contentType, size]`, and the trace after it where there is one; the first
 * member is the version. Whoever knows no traces reads the first five.
 */
const LABEL_VERSION = 1;
const LABEL_MEMBERS = 5;
const TRACED_MEMBERS = 6;
/** The head of an array of six: CBOR (RFC 8949) §3.1. */
const TRACED_HEAD = 0x80 + TRACED_MEMBERS;

export function encodeLabel(label: Label): Uint8Array {
  const out = new CborWriter(128);
  const trace = label.trace !== undefined && isSampled(label.trace) ? label.trace : undefined;
  out.array(trace === undefined ? LABEL_MEMBERS : TRACED_MEMBERS);
  out.unsigned(LABEL_VERSION);
  out.text(label.lease);
  out.text(label.holder);
  out.text(label.contentType);
  out.unsigned(label.size);
  if (trace !== undefined) out.byteString(trace, 0, trace.length);
  return out.bytes.slice(0, out.end);
}

/** Throws `CborShapeError` on bytes that are none. */
export function decodeLabel(bytes: Uint8Array): Label {
  const reader = new CborReader(bytes, 0, bytes.length);
  const members = reader.array();
  if (members < LABEL_MEMBERS || reader.unsigned() < LABEL_VERSION) {
    throw new CborShapeError('Cannot read label: not one');
  }
  const label = {
    lease: reader.text(),
    holder: reader.text(),
    contentType: reader.text(),
    size: reader.unsigned(),
  };
  const trace = members > LABEL_MEMBERS ? reader.byteString() : undefined;
  // A copy: a label is a view of a whole answer, which must not be kept for it.
  return trace?.length === TRACE_BYTES ? { ...label, trace: trace.slice() } : label;
}

/** The trace alone, without reading the rest; a view. undefined: there is none. */
export function traceOfLabel(bytes: Uint8Array): Uint8Array | undefined {
  return bytes[0] === TRACED_HEAD ? bytes.subarray(bytes.length - TRACE_BYTES) : undefined;
}

export interface Fingerprint {
  readonly high: number;
  readonly low: number;
}

const encoder = new TextEncoder();

/** The first 64 bits of SHA-1 over key, dot, content type and value. */
export function fingerprint(
  key: Uint8Array,
  dot: Dot,
  contentType: string,
  value: Uint8Array,
): Fingerprint {
  const head = encoder.encode(`${dot.actor}.${dot.seq} ${contentType} `);
  const input = new Uint8Array(key.length + 1 + head.length + value.length);
  input.set(key, 0);
  input.set(head, key.length + 1);
  input.set(value, key.length + 1 + head.length);
  const digest = hash('sha1', input, 'buffer');
  return { high: digest.readUInt32BE(0), low: digest.readUInt32BE(4) };
}
