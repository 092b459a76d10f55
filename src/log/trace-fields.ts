/** The trace that a line belongs to, so that it is found beside the spans of the same request. */
const SPAN_AT = 16;
const FLAGS_AT = 24;

export interface TraceFields {
  readonly trace_id?: string;
  readonly span_id?: string;
}

const UNTRACED: TraceFields = {};

/** `trace` is a context of 25 bytes (core/trace.ts), recorded or not. */
export function traceFields(trace: Uint8Array | undefined): TraceFields {
  if (trace === undefined) return UNTRACED;
  const hex = Buffer.from(trace.buffer, trace.byteOffset, FLAGS_AT).toString('hex');
  return { trace_id: hex.slice(0, SPAN_AT * 2), span_id: hex.slice(SPAN_AT * 2) };
}
