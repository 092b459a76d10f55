/**
 * Telemetry as the rest of the house gets it. OpenTelemetry's SDK is behind `otel/`, loaded only when
 * the environment names somewhere to send to.
 */
import { exceptionFields } from '../log/exception-fields.ts';
import type { RootLog } from '../log/root-log.ts';
import type { MetricReadings } from '../metrics/instrument.ts';
import type { Tracing } from '../tracing/tracing.ts';
import { isAnyOn, type TelemetrySettings } from './settings.ts';

/** Whom the telemetry is of. */
export interface TelemetryIdentity {
  /** The run: 16 hexadecimal digits; `service.instance.id`. */
  readonly actor: string;
  /** The sidecar's display name. */
  readonly name: string;
  readonly version: string;
}

/** What the sidecar brings to it. */
export interface TelemetryParts {
  readonly identity: TelemetryIdentity;
  /** What is exported by OTLP where metrics are on. */
  readonly metrics?: MetricReadings;
}

export interface Telemetry {
  /** Absent where nothing is ever recorded. */
  readonly tracing?: Tracing;
  /** Sends what is left, and gives up after `budgetMs`. Never rejects. */
  close(budgetMs: number): Promise<void>;
}

export type OpenTelemetry = (parts: TelemetryParts) => Promise<Telemetry>;

const OFF: Telemetry = { close: async () => {} };

/** Opens what `settings` say is on; until then nothing of the SDK is loaded. */
export function telemetryOpener(settings: TelemetrySettings, log: RootLog): OpenTelemetry {
  return async (parts) => {
    for (const warning of settings.warnings) log.warn({}, warning);
    if (!isAnyOn(settings)) return OFF;
    try {
      const { startSdk } = await import('./otel/sdk.ts');
      return startSdk(parts, settings, log);
    } catch (error) {
      // By a variable that the SDK cannot take: the sidecar is worth more than what is told of it.
      log.warn(exceptionFields(error), 'telemetry is off: the SDK did not start');
      return OFF;
    }
  };
}
