/**
 * A W3C trace context (https://www.w3.org/TR/trace-context/) as 25 bytes: trace id, span id, flags.
 * So little can be kept with every lease, and tells of each ending which request granted it.
 */
export const TRACE_BYTES = 25;
const FLAGS_AT = 24;
const SAMPLED = 1;

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?$/;
const TEXT_LENGTH = 55;
/* Where the ids and the flags are in the text, and in the bytes. */
const TRACE_TEXT_AT = 3;
const SPAN_TEXT_AT = 36;
const FLAGS_TEXT_AT = 53;
const SPAN_AT = 16;

/** undefined: not a valid `traceparent` header; the version `ff` and ids of zeros are not. */
export function parseTraceparent(header: string): Uint8Array | undefined {
  if (!TRACEPARENT.test(header) || header.startsWith('ff')) return undefined;
  // Only a later version may go on.
  if (header.startsWith('00') && header.length > TEXT_LENGTH) return undefined;
  const bytes = new Uint8Array(TRACE_BYTES);
  const trace = decode(header, TRACE_TEXT_AT, bytes, 0, SPAN_AT);
  const span = decode(header, SPAN_TEXT_AT, bytes, SPAN_AT, FLAGS_AT);
  decode(header, FLAGS_TEXT_AT, bytes, FLAGS_AT, TRACE_BYTES);
  return trace && span ? bytes : undefined;
}

/** Hexadecimal digits into `bytes[from, to)`; true when some are not zero. Every request pays it. */
function decode(text: string, at: number, bytes: Uint8Array, from: number, to: number): boolean {
  let any = 0;
  for (let index = from, digit = at; index < to; index++, digit += 2) {
    const byte = (digitAt(text, digit) << 4) | digitAt(text, digit + 1);
    bytes[index] = byte;
    any |= byte;
  }
  return any !== 0;
}

const ZERO = 48;
const LOWER_A = 97;

function digitAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code < LOWER_A ? code - ZERO : code - LOWER_A + 10;
}

/** Whether what was done under it is recorded, so that a link to it leads somewhere. */
export function isSampled(trace: Uint8Array): boolean {
  return (trace[FLAGS_AT]! & SAMPLED) === SAMPLED;
}

/** The context of a `traceparent` under which something was recorded; undefined otherwise. */
export function sampledTrace(traceparent: string | undefined): Uint8Array | undefined {
  const trace = traceparent === undefined ? undefined : parseTraceparent(traceparent);
  return trace !== undefined && isSampled(trace) ? trace : undefined;
}

/** The same context, saying that nothing was recorded under it. */
export function unsampled(trace: Uint8Array): Uint8Array {
  const copy = trace.slice();
  copy[FLAGS_AT]! &= ~SAMPLED;
  return copy;
}

const DIGITS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** In version 00, which is the one this software speaks. */
export function traceparentText(bytes: Uint8Array): string {
  let hex = '';
  for (const byte of bytes) hex += DIGITS[byte]!;
  return `00-${hex.slice(0, 32)}-${hex.slice(32, 48)}-${hex.slice(48)}`;
}
