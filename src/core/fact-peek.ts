/**
 * Looking at the head of a fact without decoding it: nearly all facts are of requests that nobody
 * records, and a microsecond each would be most of what tracing costs.
 */
import { TRACED } from './fact-format.ts';
import { isSampled, TRACE_BYTES } from './trace.ts';

/* Heads of CBOR (RFC 8949 §3). */
const ONE_BYTE_FOLLOWS = 24;
const TWO_BYTES_FOLLOW = 25;
const SHORT_ARGUMENT = 0x1f;
/** Of an unsigned number in one byte: every kind with traces is written so. */
const SMALL_NUMBER = 0x18;
/** A double with its head: `at`, and `wallMs`. */
const DOUBLE_BYTES = 9;

/**
 * The kind of the fact whose array begins at `start`, when one of the two requests it names was
 * recorded; 0 otherwise.
 */
export function recordedKind(bytes: Uint8Array, start: number): number {
  // The array's head: more than 23 members take a second byte.
  let at = start + ((bytes[start]! & SHORT_ARGUMENT) === ONE_BYTE_FOLLOWS ? 2 : 1);
  const kind = bytes[at + 1]!;
  if (bytes[at] !== SMALL_NUMBER || kind < TRACED) return 0;
  at += 2 + 2 * DOUBLE_BYTES;
  // Namespace, lease, holder.
  for (let texts = 3; texts > 0; texts--) at = afterString(bytes, at);
  const acting = afterString(bytes, at);
  const recorded = isRecorded(bytes, at, acting) || isRecorded(bytes, acting, afterString(bytes, acting));
  return recorded ? kind - TRACED : 0;
}

/** Where a text or byte string ends that begins at `at`. */
function afterString(bytes: Uint8Array, at: number): number {
  const argument = bytes[at]! & SHORT_ARGUMENT;
  if (argument < ONE_BYTE_FOLLOWS) return at + 1 + argument;
  if (argument === ONE_BYTE_FOLLOWS) return at + 2 + bytes[at + 1]!;
  if (argument === TWO_BYTES_FOLLOW) return at + 3 + bytes[at + 1]! * 256 + bytes[at + 2]!;
  throw new Error('Cannot look at a fact: a name is longer than any name may be');
}

/** An empty string stands for no trace. */
function isRecorded(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start > TRACE_BYTES && isSampled(bytes.subarray(end - TRACE_BYTES, end));
}
