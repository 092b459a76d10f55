/**
 * What the ledger carries beside a value and never reads: lease, holder, content type, size. And the fingerprint of a write, which it adds up in digests and compares to find two different
 * writes under one dot.
 */
import { hash } from 'node:crypto';
import { CborReader, CborShapeError, CborWriter } from '../core/cbor.ts';
import type { Dot } from '../core/fact.ts';

export interface Label {
  readonly lease: string;
  readonly holder: string;
  readonly contentType: string;
  /** Bytes of the value. */
  readonly size: number;
}

/** `[1, lease, holder, contentType, size]`; the first member is the version. */
const LABEL_VERSION = 1;
const LABEL_MEMBERS = 5;

export function encodeLabel(label: Label): Uint8Array {
  const out = new CborWriter(128);
  out.array(LABEL_MEMBERS);
  out.unsigned(LABEL_VERSION);
  out.text(label.lease);
  out.text(label.holder);
  out.text(label.contentType);
  out.unsigned(label.size);
  return out.bytes.slice(0, out.end);
}

/** Throws `CborShapeError` on bytes that are none. */
export function decodeLabel(bytes: Uint8Array): Label {
  const reader = new CborReader(bytes, 0, bytes.length);
  const members = reader.array();
  if (members < LABEL_MEMBERS || reader.unsigned() < LABEL_VERSION) {
    throw new CborShapeError('Cannot read label: not one');
  }
  return {
    lease: reader.text(),
    holder: reader.text(),
    contentType: reader.text(),
    size: reader.unsigned(),
  };
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
