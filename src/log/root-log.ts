/**
 * The log of the process: one JSON line each on stderr, readable lines where stderr is a terminal.
 * Whatever is written passes here: repeats are left out and counted, the trace that is being worked
 * on is added, and each line goes to whoever else was attached (telemetry).
 */
import { pino } from 'pino';
import type { Clocks, Timers } from '../machine/machine.ts';
import { bounded } from './exception-fields.ts';
import type { LogFields } from './fields.ts';
import type { LineLevel } from './levels.ts';
import type { Line, Log } from './log.ts';
import { Repeats, type Write } from './repeats.ts';
import { traceFields } from './trace-fields.ts';

const STDERR = 2;
const ENVELOPE_KEYS = { messageKey: 'message', timestampKey: 'time' };

export interface LogOptions {
  /** The least that is written; `silent`: nothing. */
  readonly level: string;
  /** The sidecar's display name. */
  readonly replica: string;
  readonly machine: Pick<Clocks & Timers, 'monotonicMs' | 'after'>;
}

/** What telemetry brings to the log. */
export interface Attached {
  /** Gets every line that is written; must not block. */
  readonly write?: Write;
  /** The context of the span that is being worked on. */
  readonly active?: () => Uint8Array | undefined;
}

export class RootLog implements Log {
  readonly debug: Line;
  readonly info: Line;
  readonly warn: Line;
  readonly error: Line;
  readonly #write: Write;
  readonly #repeats: Repeats;
  #attached: Attached = {};

  /** `isOn`: whether lines of a level are wanted at all. */
  constructor(write: Write, isOn: (level: LineLevel) => boolean, machine: LogOptions['machine']) {
    this.#write = write;
    this.#repeats = new Repeats((level, fields, message) => this.#tell(level, fields, message), machine);
    const line = (level: LineLevel): Line =>
      isOn(level) ? (fields, message) => this.#take(level, fields, message) : () => {};
    this.debug = line('debug');
    this.info = line('info');
    this.warn = line('warn');
    this.error = line('error');
  }

  attach(attached: Attached): void {
    this.#attached = { ...this.#attached, ...attached };
  }

  /** Writes how often was left out what still was not told: before the process ends. */
  flush(): void {
    this.#repeats.flush();
  }

  #take(level: LineLevel, fields: LogFields, message: string): void {
    const { trace_id: traceId, detail } = fields;
    const active = traceId === undefined ? this.#attached.active?.() : undefined;
    const said = {
      ...traceFields(active),
      ...fields,
      ...(detail === undefined ? {} : { detail: bounded(detail) }),
    };
    this.#repeats.take(level, said, message);
  }

  #tell(level: LineLevel, fields: LogFields, message: string): void {
    this.#write(level, fields, message);
    this.#attached.write?.(level, fields, message);
  }
}

/** Loads the pretty printer only where a person reads. */
export async function openLog({ level, replica, machine }: LogOptions): Promise<RootLog> {
  const options = {
    level,
    base: { replica },
    messageKey: ENVELOPE_KEYS.messageKey,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  // Synchronous: the last line before an exit is the one that matters.
  const lines = process.stderr.isTTY
    ? pino(options, await prettyStream())
    : pino(options, pino.destination({ dest: STDERR, sync: true }));
  return new RootLog(
    (lineLevel, fields, message) => lines[lineLevel](fields, message),
    (lineLevel) => lines.isLevelEnabled(lineLevel),
    machine,
  );
}

async function prettyStream() {
  const { default: pretty } = await import('pino-pretty');
  return pretty({ ...ENVELOPE_KEYS, destination: STDERR, sync: true, ignore: 'replica' });
}
