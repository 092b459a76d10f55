/**
 * Runs one sidecar in the foreground: configuration, start, signals, exit code.
 */
import { ConfigurationError } from './config/complaint.ts';
import type { Config } from './config/config.ts';
import { LiveFlags } from './config/flags.ts';
import { loadConfig } from './config/load.ts';
import { rereadFlags } from './config/reload.ts';
import { SLOT_COSTS } from './core/costs.ts';
import { RecoveryError } from './engine/recovery.ts';
import { EXIT_CODES } from './exit-codes.ts';
import {
  DirectoryInUseError, JournalCorruptError, JournalFormatError,
} from './journal/journal-errors.ts';
import { exceptionFields, faultFields } from './log/exception-fields.ts';
import type { LogFields } from './log/fields.ts';
import { openLog, type RootLog } from './log/root-log.ts';
import { systemMachine } from './machine/system-machine.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';
import { nextStopSignal } from './stop-signal.ts';
import { telemetryOpener } from './telemetry/telemetry.ts';

/** Beyond the grace period for draining, before the process ends itself. */
const LAST_RESORT_MS = 5000;

/** Resolves with the exit code once the sidecar has stopped. A signal that is early waits for the start. */
export async function serve(stopSignal = nextStopSignal()): Promise<number> {
  const sources = { environment: process.env, costs: SLOT_COSTS };
  let config: Config;
  try {
    config = loadConfig(sources);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return EXIT_CODES.badConfiguration;
  }
  const log = await openLog({ level: config.logLevel, replica: config.name, machine: systemMachine });
  // Node would print it with all that hangs on it: commands, and the values in them.
  process.once('uncaughtException', (error) => endAtOnce(log, faultFields(error), 'stopping: nobody expected this error'));
  const fatal = Promise.withResolvers<Error>();
  let sidecar: Sidecar;
  const flags = new LiveFlags(config.flags);
  const running: { sidecar?: Sidecar } = {};
  process.on('SIGHUP', () => {
    running.sidecar?.rereadTokens();
    rereadFlags({ config, sources, flags, log });
  });
  const { telemetry } = config;
  const parts = {
    config, log,
    ...(telemetry === undefined ? {} : { openTelemetry: telemetryOpener(telemetry, log) }),
    flags: flags.current,
    onFatal: (error: Error) => fatal.resolve(error),
  };
  try {
    sidecar = await startSidecar(parts);
    running.sidecar = sidecar;
  } catch (error) {
    const code = exitCodeOf(error);
    if (code === undefined) throw error;
    const { cause } = error as Error;
    const detail = cause instanceof Error ? cause.message : undefined;
    log.error({ ...exceptionFields(error), detail }, 'cannot start');
    log.flush();
    return code;
  }
  process.stdout.write(`leasehold ready ${sidecar.urls.join(' ')}\n`);

  const ended = await Promise.race([stopSignal, fatal.promise]);
  if (ended instanceof Error) {
    // Nothing that was not written may be acknowledged any more, so there is nothing to drain.
    endAtOnce(log, faultFields(ended), 'stopping: it cannot go on safely');
  }
  log.info({ signal: ended }, 'signal received');
  const lastResort = setTimeout(() => {
    endAtOnce(log, { part: sidecar.closing }, 'stopping: a part did not close in time');
  }, config.drainMs + LAST_RESORT_MS);
  await sidecar.stop();
  clearTimeout(lastResort);
  log.flush();
  return EXIT_CODES.clean;
}

function endAtOnce(log: RootLog, fields: LogFields, message: string): never {
  log.error(fields, message);
  log.flush();
  process.exit(EXIT_CODES.brokenInvariant);
}

/** What the system says of an address or a directory that is not to be had. */
const UNUSABLE: ReadonlySet<string> = new Set([
  'EADDRINUSE', 'EADDRNOTAVAIL', 'EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST',
]);

function exitCodeOf(error: unknown): number | undefined {
  if (error instanceof ConfigurationError) return EXIT_CODES.badConfiguration;
  if (error instanceof DirectoryInUseError) return EXIT_CODES.directoryInUse;
  if (error instanceof JournalCorruptError || error instanceof JournalFormatError) {
    return EXIT_CODES.brokenInvariant;
  }
  if (error instanceof RecoveryError) return EXIT_CODES.brokenInvariant;
  const { code } = error as NodeJS.ErrnoException;
  return code !== undefined && UNUSABLE.has(code) ? EXIT_CODES.badConfiguration : undefined;
}
