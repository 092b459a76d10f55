/**
 * A W3C trace context (https://www.w3.org/TR/trace-context/) as 25 bytes: trace id, span id, flags.
 * So little can be kept with every lease, and tells of each ending which request granted it.
 */
export const TRACE_BYTES = 25;
const FLAGS_AT = 24;
const SAMPLED = 1;

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;
const TEXT_LENGTH = 55;
const ALL_ZERO = /^0+$/;

/** undefined: not a valid `traceparent` header; the version `ff` and ids of zeros are not. */
export function parseTraceparent(header: string): Uint8Array | undefined {
  const parts = TRACEPARENT.exec(header);
  if (parts === null || header.startsWith('ff')) return undefined;
  // Only a later version may go on.
  if (header.startsWith('00') && header.length > TEXT_LENGTH) return undefined;
  const [, trace, span, flags] = parts as unknown as [string, string, string, string];
  if (ALL_ZERO.test(trace) || ALL_ZERO.test(span)) return undefined;
  const hex = trace + span + flags;
  const bytes = new Uint8Array(TRACE_BYTES);
  for (let index = 0; index < TRACE_BYTES; index++) {
    bytes[index] = Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16);
  }
  return bytes;
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

/** In version 00, which is the one this software speaks. */
export function traceparentText(bytes: Uint8Array): string {
  let hex = '';
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0');
  return `00-${hex.slice(0, 32)}-${hex.slice(32, 48)}-${hex.slice(48)}`;
}
