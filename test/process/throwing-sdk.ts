/**
 * Loaded before a sidecar, so that nothing of OpenTelemetry works in it: every second span cannot be
 * begun, of the others nothing can be said, no context can be made active, no line be sent.
 */
import { context, logs, trace, type Tracer } from '@opentelemetry/api';

const fail = () => {
  throw new TypeError('planted: the SDK is broken');
};
let begun = 0;
const broken = {
  startSpan: () => {
    begun += 1;
    if (begun % 2 === 0) return fail();
    const spanContext = { traceId: String(begun).padStart(32, 'a'), spanId: 'b'.repeat(16), traceFlags: 1 };
    return {
      spanContext: () => spanContext,
      setAttributes: fail, setAttribute: fail, setStatus: fail, addLink: fail, end: fail,
    };
  },
};
trace.getTracer = () => broken as unknown as Tracer;
trace.getActiveSpan = fail;
context.with = fail;
logs.getLogger = () => ({ emit: fail, enabled: () => true });
