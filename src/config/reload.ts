/**
 * SIGHUP: the file is read again and judged whole, as at start. Flags take effect; whatever else
 * differs is named, so that nobody believes it had.
 */
import { ConfigurationError } from './complaint.ts';
import type { Config } from './config.ts';
import type { LiveFlags } from './flags.ts';
import { exceptionFields } from '../log/exception-fields.ts';
import type { Log } from '../log/log.ts';
import { loadConfig, type Sources } from './load.ts';

export interface Rereading {
  /** As it was at start. */
  readonly config: Config;
  readonly sources: Sources;
  readonly flags: LiveFlags;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
}

/** Never throws: a configuration that is refused changes nothing. */
export function rereadFlags({ config, sources, flags, log }: Rereading): void {
  let next: Config;
  try {
    next = loadConfig(sources);
  } catch (error) {
    const complaints = error instanceof ConfigurationError ? error.complaints : [];
    const sentences = complaints.map(({ path, message }) => `${path}: ${message}`);
    const fault = error instanceof ConfigurationError ? {} : exceptionFields(error);
    log.error({ complaints: sentences, ...fault }, 'the configuration is refused; everything stays as it was');
    return;
  }
  const changed = flags.replace(next.flags);
  const needsRestart = differences(comparable(config), comparable(next), []);
  if (needsRestart.length > 0) log.warn({ options: needsRestart }, 'needs a restart to take effect');
  log.info({ changed }, changed.length > 0 ? 'flags changed' : 'no flag changed');
}

/** Namespaces by name, as the file has them; their order means nothing. */
function comparable({ flags: _flags, namespaces, ...rest }: Config): object {
  return { ...rest, namespaces: Object.fromEntries(namespaces.map((one) => [one.name, one])) };
}

/** Paths of what differs, as complaints write them; never the values, which may be secret. */
function differences(before: unknown, after: unknown, path: readonly string[]): string[] {
  if (!isGroup(before) || !isGroup(after)) {
    return JSON.stringify(before) === JSON.stringify(after) ? [] : [path.join('.')];
  }
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].flatMap((key) => differences(before[key], after[key], [...path, key]));
}

function isGroup(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
