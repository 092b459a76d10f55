/**
 * The log: structured JSON lines on stderr, readable lines when stderr is a terminal. Parts see
 * the small `Log` interface only.
 */
import { pino } from 'pino';
import type { LogLevel } from '../config/config.ts';

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const STDERR = 2;

/** Loads the pretty printer only where a person reads. */
export async function createLog(level: LogLevel, name: string): Promise<Log> {
  const options = { level, base: { name } };
  if (!process.stderr.isTTY) {
    // Synchronous: the last line before an exit is the one that matters.
    const plain: Log = pino(options, pino.destination({ dest: STDERR, sync: true }));
    return plain;
  }
  const { default: pretty } = await import('pino-pretty');
  const readable: Log = pino(
    options, pretty({ destination: STDERR, sync: true, ignore: 'pid,hostname,name' }),
  );
  return readable;
}
