/**
 * What the SDK has to say of itself goes to our log: above all that spans were dropped, or that a
 * collector cannot be reached. Each kind of line once in a while, since it says the same with every
 * export.
 */
import { type DiagLogger, DiagLogLevel } from '@opentelemetry/api';
import type { Log } from '../../log/log.ts';

/** One line of a kind in this time; the next one says how many there were. */
const REPEAT_MS = 60_000;
/** Kinds remembered at most; beyond it the oldest is forgotten, and may be told again. */
const KINDS_MAX = 32;
const SHOWN_MAX = 500;

const LEVELS: Readonly<Record<string, DiagLogLevel>> = {
  none: DiagLogLevel.NONE,
  error: DiagLogLevel.ERROR,
  warn: DiagLogLevel.WARN,
  info: DiagLogLevel.INFO,
  debug: DiagLogLevel.DEBUG,
  verbose: DiagLogLevel.VERBOSE,
  all: DiagLogLevel.ALL,
};

/** Of `OTEL_LOG_LEVEL`; warnings and errors, unless it says otherwise. */
export function diagnosticsLevel(text: string | undefined): DiagLogLevel {
  return LEVELS[text?.trim().toLowerCase() ?? ''] ?? DiagLogLevel.WARN;
}

export class Diagnostics implements DiagLogger {
  readonly #log: Log;
  readonly #now: () => number;
  readonly #told = new Map<string, { at: number; unsaid: number }>();

  /** `now`: milliseconds of any clock that does not go back. */
  constructor(log: Log, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  error(message: string, ...more: unknown[]): void {
    // Whatever goes wrong in there, the sidecar goes on without it.
    this.#tell('warn', message, more);
  }

  warn(message: string, ...more: unknown[]): void {
    this.#tell('warn', message, more);
  }

  info(message: string, ...more: unknown[]): void {
    this.#tell('debug', message, more);
  }

  debug(message: string, ...more: unknown[]): void {
    this.#tell('debug', message, more);
  }

  verbose(message: string, ...more: unknown[]): void {
    this.#tell('debug', message, more);
  }

  #tell(level: 'debug' | 'warn', message: string, more: readonly unknown[]): void {
    const detail = [message, ...more].map(textOf).join(' ');
    // Lines of one kind differ in their numbers.
    const kind = detail.replaceAll(/\d+/g, '#').slice(0, SHOWN_MAX);
    const now = this.#now();
    const last = this.#told.get(kind);
    if (last !== undefined && now - last.at < REPEAT_MS) {
      last.unsaid += 1;
      return;
    }
    this.#told.delete(kind);
    if (this.#told.size >= KINDS_MAX) this.#told.delete(this.#told.keys().next().value!);
    this.#told.set(kind, { at: now, unsaid: 0 });
    const repeated = last === undefined || last.unsaid === 0 ? {} : { repeated: last.unsaid };
    this.#log[level]({ detail: detail.slice(0, SHOWN_MAX), ...repeated }, 'telemetry');
  }
}

function textOf(value: unknown): string {
  return value instanceof Error ? value.message : messageOf(String(value));
}

/** The SDK tells an error as JSON, its stack first. */
function messageOf(text: string): string {
  if (!text.startsWith('{"stack":')) return text;
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown };
    return typeof message === 'string' ? message : text;
  } catch {
    return text;
  }
}
