/**
 * Who the telemetry is of, as attributes of the resource. Read here rather than by the SDK's detectors:
 * they name the run by a number of their own, and add the command line and the user.
 */
import { hostname } from 'node:os';
import type { TelemetryIdentity } from '../telemetry.ts';

const SERVICE_NAME = 'leasehold';

/** What the environment says of us stands; what it leaves open is filled in. */
export function resourceAttributes(
  environment: Readonly<Record<string, string | undefined>>,
  { actor, name, version }: TelemetryIdentity,
): { attributes: Record<string, string | number>; warnings: readonly string[] } {
  const { pairs, warnings } = parsePairs(environment['OTEL_RESOURCE_ATTRIBUTES'] ?? '');
  const serviceName = environment['OTEL_SERVICE_NAME']?.trim();
  return {
    attributes: {
      'service.name': SERVICE_NAME,
      'service.version': version,
      'service.instance.id': actor,
      'leasehold.name': name,
      'host.name': hostname(),
      'process.pid': process.pid,
      'process.runtime.name': 'nodejs',
      'process.runtime.version': process.versions.node,
      ...pairs,
      ...(serviceName ? { 'service.name': serviceName } : {}),
    },
    warnings,
  };
}

/** `key=value,key=value`, values percent-encoded. As the specification has it, all or nothing. */
function parsePairs(text: string): {
  readonly pairs: Readonly<Record<string, string>>;
  readonly warnings: readonly string[];
} {
  const pairs: Record<string, string> = {};
  for (const pair of text.split(',')) {
    if (pair.trim() === '') continue;
    const [, key, value] = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/.exec(pair) ?? [];
    const decoded = value === undefined ? undefined : percentDecoded(value);
    if (key === undefined || decoded === undefined) {
      return { pairs: {}, warnings: ['OTEL_RESOURCE_ATTRIBUTES is not key=value,…: it is left out'] };
    }
    pairs[key] = decoded;
  }
  return { pairs, warnings: [] };
}

function percentDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
