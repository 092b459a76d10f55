/**
 * What a command may touch of the process around it. Handed in, so that tests run commands without
 * a process, and watching without a clock.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

export interface CommandIo {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Writes to stdout; resolves when more may be written. */
  write(chunk: string | Uint8Array): Promise<void>;
  /** Writes one line to stderr. */
  tell(line: string): void;
  /** Shows one line on stderr in place of the last, on a terminal; undefined where it is none. */
  readonly progress: ((line: string) => void) | undefined;
  /** Whether stdout shows colours, and is to. */
  readonly colours: boolean;
  /** All of stdin; undefined when it is a terminal, where waiting for input would look like a hang. */
  readInput(): Promise<Uint8Array> | undefined;
  readFile(path: string): Promise<Uint8Array>;
  /** Calls `stop` at the first SIGINT or SIGTERM; returns how to stop listening. */
  onInterrupt(stop: () => void): () => void;
  /** Resolves after `durationMs`, or at once when `signal` is raised. */
  pause(durationMs: number, signal: AbortSignal): Promise<void>;
  /** Uniform in [0, 1). */
  random(): number;
}

/** The largest value a sidecar can be configured for. */
const INPUT_BYTES_MAX = 64 * 1024 ** 2;

async function readAll(stream: NodeJS.ReadableStream): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    const buffer = Buffer.from(chunk);
    bytes += buffer.length;
    if (bytes > INPUT_BYTES_MAX) throw new Error(`more than ${INPUT_BYTES_MAX} bytes on stdin`);
    chunks.push(buffer);
  }
  return Buffer.concat(chunks);
}

/** The real thing. */
export function processIo(): CommandIo {
  // `leasehold watch | head` closes the pipe; there is nobody left to tell, so stop quietly.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  return {
    environment: process.env,
    write: (chunk) =>
      new Promise((resolve, reject) => {
        process.stdout.write(chunk, (error) => (error ? reject(error) : resolve()));
      }),
    tell: (line) => {
      process.stderr.write(`${line}\n`);
    },
    progress: process.stderr.isTTY
      ? (line) => {
          // To the first column, and the rest of the line is cleared.
          process.stderr.write(`\r${line}\u001b[K`);
        }
      : undefined,
    colours: process.stdout.isTTY && process.stdout.hasColors(),
    readInput: () => (process.stdin.isTTY ? undefined : readAll(process.stdin)),
    readFile,
    onInterrupt: (stop) => {
      process.once('SIGINT', stop);
      process.once('SIGTERM', stop);
      return () => {
        process.off('SIGINT', stop);
        process.off('SIGTERM', stop);
      };
    },
    pause: (durationMs, signal) => sleep(durationMs, undefined, { signal }).catch(() => {}),
    random: Math.random,
  };
}
