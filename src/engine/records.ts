/**
 * Records of the journal. Sixteen bytes of header (kind, version, the number in the feed; a stream
 * of the bus, and the number there), then the payload: a fact, restated state, what was answered to
 * an Idempotency-Key, or how far the bus has come. A version of this software reads its own records
 * and those of the versions before, whose headers ended after the feed's number.
 */
import { actorBytes, actorText } from '../core/actors.ts';
import type { LastSequences } from '../core/fact.ts';
import { RECORD_HEADER_BYTES } from '../core/fact-format.ts';
import type { OutboxPosition } from '../events/outbox.ts';
import type { Essence } from './essence.ts';

export const FACT_RECORD = 1;
export const RESTATED_RECORD = 2;
export const ANSWER_RECORD = 3;
/** A run begins, or goes on in a new segment: whose facts follow, and from which number. */
export const RUN_RECORD = 4;

/** How far the bus has acknowledged a stream. */
export const ACKNOWLEDGED_RECORD = 5;
/** Of a snapshot: a fact that the bus has not acknowledged, or not for long enough. */
export const OWED_RECORD = 6;

/**
 * Version 0 had no endings told for others, no adoptions, no tombstones; version 1 no numbers of the
 * outbox.
 */
export const JOURNAL_RECORD_VERSION = 2;
const SHORT_HEADER_BYTES = 8;

const TWO_32 = 4294967296;

/** Writes the header in place; numbers up to 2^48. `stream`: see core/told.ts. */
export function writeHeader(
  bytes: Uint8Array,
  at: number,
  kind: number,
  sequence: number,
  stream = 0,
  told = 0,
): void {
  bytes[at] = kind;
  bytes[at + 1] = JOURNAL_RECORD_VERSION;
  writeNumber(bytes, at + 2, sequence);
  bytes[at + 8] = stream;
  bytes[at + 9] = 0;
  writeNumber(bytes, at + 10, told);
}

function writeNumber(bytes: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  bytes[at] = high >>> 8;
  bytes[at + 1] = high & 0xff;
  bytes[at + 2] = (value >>> 24) & 0xff;
  bytes[at + 3] = (value >>> 16) & 0xff;
  bytes[at + 4] = (value >>> 8) & 0xff;
  bytes[at + 5] = value & 0xff;
}

function readNumber(bytes: Uint8Array, at: number): number {
  const high = bytes[at]! * 0x100 + bytes[at + 1]!;
  const low =
    bytes[at + 2]! * 0x1000000 + bytes[at + 3]! * 0x10000 + bytes[at + 4]! * 0x100 + bytes[at + 5]!;
  return high * TWO_32 + low;
}

/** Where the payload begins. */
export function payloadStart(bytes: Uint8Array): number {
  return recordVersion(bytes) < 2 ? SHORT_HEADER_BYTES : RECORD_HEADER_BYTES;
}

/** By which stream of the bus the fact is told, and its number there; both 0: by none. */
export function recordTold(bytes: Uint8Array): { readonly stream: number; readonly sequence: number } {
  if (recordVersion(bytes) < 2) return { stream: 0, sequence: 0 };
  return { stream: bytes[8]!, sequence: readNumber(bytes, 10) };
}

export function recordKind(bytes: Uint8Array): number {
  return bytes[0] ?? 0;
}

export function recordVersion(bytes: Uint8Array): number {
  return bytes[1] ?? 0;
}

export function recordSequence(bytes: Uint8Array): number {
  return readNumber(bytes, 2);
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
  return JSON.parse(decoder.decode(bytes.subarray(payloadStart(bytes))));
}

/** Whose facts follow, and the number of the last one before them. */
export interface Run {
  readonly actor: string;
  readonly sequence: number;
  /** Its last numbers on the bus; absent where there was none. */
  readonly told?: LastSequences;
}

export function runRecord(run: Run): Uint8Array {
  return jsonRecord(RUN_RECORD, run);
}

export function readRun(bytes: Uint8Array): Run {
  return JSON.parse(decoder.decode(bytes.subarray(payloadStart(bytes))));
}

export interface Acknowledged extends OutboxPosition {
  /** When it was, on the timeline. */
  readonly at: number;
}

export function acknowledgedRecord(acknowledged: Acknowledged): Uint8Array {
  return jsonRecord(ACKNOWLEDGED_RECORD, acknowledged);
}

export function readAcknowledged(bytes: Uint8Array): Acknowledged {
  return JSON.parse(decoder.decode(bytes.subarray(payloadStart(bytes))));
}

const ACTOR_BYTES = 8;

/** `fact`: without a header. */
export function owedRecord(
  stream: number,
  sequence: number,
  actor: string,
  fact: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(RECORD_HEADER_BYTES + ACTOR_BYTES + fact.length);
  writeHeader(bytes, 0, OWED_RECORD, 0, stream, sequence);
  bytes.set(actorBytes(actor), RECORD_HEADER_BYTES);
  bytes.set(fact, RECORD_HEADER_BYTES + ACTOR_BYTES);
  return bytes;
}

export function readOwed(bytes: Uint8Array): { readonly actor: string; readonly fact: Uint8Array } {
  const start = payloadStart(bytes);
  return {
    actor: actorText(bytes.subarray(start, start + ACTOR_BYTES)),
    fact: bytes.slice(start + ACTOR_BYTES),
  };
}

function jsonRecord(kind: number, payload: object): Uint8Array {
  const json = encoder.encode(JSON.stringify(payload));
  const bytes = new Uint8Array(RECORD_HEADER_BYTES + json.length);
  writeHeader(bytes, 0, kind, 0);
  bytes.set(json, RECORD_HEADER_BYTES);
  return bytes;
}
