/**
 * The lines of the log as log records of OpenTelemetry, with the same fields: those that have a name
 * of its conventions under that name, ours with `leasehold.` before them. The SDK batches them in a
 * bounded queue (`OTEL_BLRP_MAX_QUEUE_SIZE`) and drops what does not fit; a line is never waited for.
 */
import {
  type AnyValue, type Logger, ROOT_CONTEXT, SeverityNumber, trace, TraceFlags,
} from '@opentelemetry/api';
import type { LogFields } from '../../log/fields.ts';
import type { LineLevel } from '../../log/levels.ts';
import type { Write } from '../../log/repeats.ts';
import type { Border } from './border.ts';

const SEVERITIES: Readonly<Record<LineLevel, SeverityNumber>> = {
  debug: SeverityNumber.DEBUG,
  info: SeverityNumber.INFO,
  warn: SeverityNumber.WARN,
  error: SeverityNumber.ERROR,
};
const OURS = 'leasehold.';

export function otelLines(logger: Logger, border: Border): Write {
  return (level, { trace_id: traceId, span_id: spanId, ...fields }, message) => {
    border.attempt(() => logger.emit({
      severityNumber: SEVERITIES[level],
      severityText: level.toUpperCase(),
      body: message,
      attributes: attributesOf(fields),
      ...(traceId === undefined || spanId === undefined ? {} : { context: contextOf(traceId, spanId) }),
    }), undefined);
  };
}

/** Whether the span was recorded is not known here; a reader that has it will find it. */
function contextOf(traceId: string, spanId: string) {
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: TraceFlags.SAMPLED });
}

function attributesOf(fields: LogFields): Record<string, AnyValue> {
  const attributes: Record<string, AnyValue> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) attributes[name.includes('.') ? name : OURS + name] = value as AnyValue;
  }
  return attributes;
}
