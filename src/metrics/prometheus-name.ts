/**
 * The Prometheus name of an instrument, by the rule of the OpenTelemetry specification
 * (compatibility/prometheus_and_openmetrics): dots become underscores, the unit is spelled out at the
 * end, and counters end in `_total`.
 */
import type { Instrument } from './instrument.ts';

/** Units in braces only say what is counted, and are left out. */
const UNITS: Readonly<Record<string, string>> = { s: 'seconds', By: 'bytes' };

export function prometheusName(name: string, { kind, unit, prometheusName: known }: Instrument): string {
  if (known !== undefined) return known;
  const word = UNITS[unit] ?? (unit === '1' && kind === 'gauge' ? 'ratio' : '');
  return [name.replaceAll('.', '_'), word, kind === 'counter' ? 'total' : '']
    .filter((part) => part !== '')
    .join('_');
}
