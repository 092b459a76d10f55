/**
 * Names of spans and attributes, once: OpenTelemetry's semantic conventions where they have one
 * (https://opentelemetry.io/docs/specs/semconv/), `leasehold.` before our own.
 */
export const SPANS = {
} as const;

export const ATTRIBUTES = {
  errorType: 'error.type',
  linkKind: 'leasehold.link.kind',
} as const;
