/**
 * Records of the journal. Eight bytes of header (kind, version, then the number in the feed), then
 * the payload: a fact, restated state, or what was answered to an Idempotency-Key. A version of
 * this software reads its own records and those of the version before.
 */
import { RECORD_HEADER_BYTES } from '../core/fact-codec.ts';
import type { Essence } from './essence.ts';

export const FACT_RECORD = 1;
export const RESTATED_RECORD = 2;
export const ANSWER_RECORD = 3;
/** A run begins, or goes on in a new segment: whose facts follow, and from which number. */
export const RUN_RECORD = 4;

/** Version 0 had no endings told for others, no adoptions, no tombstones. */
export const JOURNAL_RECORD_VERSION = 1;

const TWO_32 = 4294967296;

/** Writes the header in place; numbers up to 2^48. */
export function writeHeader(bytes: Uint8Array, at: number, kind: number, sequence: number): void {
  bytes[at] = kind;
  bytes[at + 1] = JOURNAL_RECORD_VERSION;
  const high = Math.floor(sequence / TWO_32);
  bytes[at + 2] = high >>> 8;
  bytes[at + 3] = high & 0xff;
  bytes[at + 4] = (sequence >>> 24) & 0xff;
  bytes[at + 5] = (sequence >>> 16) & 0xff;
  bytes[at + 6] = (sequence >>> 8) & 0xff;
  bytes[at + 7] = sequence & 0xff;
}

export function recordKind(bytes: Uint8Array): number {
  return bytes[0] ?? 0;
}

export function recordVersion(bytes: Uint8Array): number {
  return bytes[1] ?? 0;
}

export function recordSequence(bytes: Uint8Array): number {
  const high = bytes[2]! * 0x100 + bytes[3]!;
  const low = bytes[4]! * 0x1000000 + bytes[5]! * 0x10000 + bytes[6]! * 0x100 + bytes[7]!;
  return high * TWO_32 + low;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface Answer {
  readonly key: string;
  readonly fingerprint: string;
  readonly at: number;
  readonly essence: Essence;
}

export function answerRecord(answer: Answer): Uint8Array {
  return jsonRecord(ANSWER_RECORD, answer);
}

export function readAnswer(bytes: Uint8Array): Answer {
  return JSON.parse(decoder.decode(bytes.subarray(RECORD_HEADER_BYTES)));
}

/** Whose facts follow, and the number of the last one before them. */
export interface Run {
  readonly actor: string;
  readonly sequence: number;
}

export function runRecord(run: Run): Uint8Array {
  return jsonRecord(RUN_RECORD, run);
}

export function readRun(bytes: Uint8Array): Run {
  return JSON.parse(decoder.decode(bytes.subarray(RECORD_HEADER_BYTES)));
}

function jsonRecord(kind: number, payload: object): Uint8Array {
  const json = encoder.encode(JSON.stringify(payload));
  const bytes = new Uint8Array(RECORD_HEADER_BYTES + json.length);
  writeHeader(bytes, 0, kind, 0);
  bytes.set(json, RECORD_HEADER_BYTES);
  return bytes;
}
