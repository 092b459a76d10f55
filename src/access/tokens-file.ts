/**
 * Reading the file of tokens, at start and whenever it has changed. Changes are looked for rather
 * than notified: an orchestrator swaps a symbolic link two directories up, which no watch of the
 * file itself would see, and a look every few seconds costs nothing.
 */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import type { Log } from '../log/log.ts';
import { repeat, type Timers } from '../machine/machine.ts';
import type { DegradedReason } from '../readiness.ts';
import { parseTokens, type TokenComplaint, TOKENS_FILE_BYTES_MAX } from './token-list.ts';
import type { Token } from './token.ts';
import type { Tokens } from './tokens.ts';

const LOOK_MS = 2_000;

export type ReadTokens =
  | { readonly tokens: readonly Token[]; readonly stamp: string }
  | { readonly complaints: readonly TokenComplaint[] };

/** Never throws: a file that cannot be read is a complaint. */
export function readTokens(path: string): ReadTokens {
  let text: string;
  let stamp: string;
  try {
    // A pipe would otherwise hold the whole process up until somebody writes into it.
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(file, { bigint: true });
      if (!stat.isFile()) throw new Error('it is no regular file');
      stamp = stampOf(stat);
      text = wholeText(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { complaints: [{ path: '', message: `cannot be read: ${reason}` }] };
  }
  const parsed = parseTokens(text);
  return 'tokens' in parsed ? { ...parsed, stamp } : parsed;
}

function wholeText(file: number): string {
  const bytes = Buffer.alloc(TOKENS_FILE_BYTES_MAX + 1);
  let length = 0;
  for (;;) {
    const read = readSync(file, bytes, length, bytes.length - length, null);
    length += read;
    if (length > TOKENS_FILE_BYTES_MAX) throw new Error(`it is longer than ${TOKENS_FILE_BYTES_MAX} bytes`);
    if (read === 0) return bytes.toString('utf8', 0, length);
  }
}

interface Stat {
  readonly ino: bigint;
  readonly dev: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: Stat): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

export interface TokensFileParts {
  readonly path: string;
  readonly tokens: Tokens;
  readonly timers: Pick<Timers, 'after'>;
  readonly log: Pick<Log, 'info' | 'error'>;
  /** As of the reading that `tokens` come from. */
  readonly stamp: string;
}

export class TokensFile {
  readonly #parts: TokensFileParts;
  #stamp: string;
  readonly #endLooks: () => void;
  #isRefused = false;

  constructor(parts: TokensFileParts) {
    this.#parts = parts;
    this.#stamp = parts.stamp;
    this.#endLooks = repeat(parts.timers, LOOK_MS, () => this.#look());
  }

  /** Why the sidecar is degraded: the tokens it goes by are not those of the file. */
  reasons(): readonly DegradedReason[] {
    return this.#isRefused ? ['tokens-refused'] : [];
  }

  close(): void {
    this.#endLooks();
  }

  #look(): void {
    let stamp: string;
    try {
      stamp = stampOf(statSync(this.#parts.path, { bigint: true }));
    } catch (error) {
      stamp = String((error as NodeJS.ErrnoException).code);
    }
    if (stamp !== this.#stamp) this.read(stamp);
  }

  /** Reads the file now. One that is refused changes nothing, and is not read again until it changes. */
  read(seen?: string): void {
    const { path, tokens, log } = this.#parts;
    const read = readTokens(path);
    this.#isRefused = 'complaints' in read;
    if ('complaints' in read) {
      if (seen !== undefined) this.#stamp = seen;
      const complaints = read.complaints.map(({ path: place, message }) => `${place} ${message}`.trim());
      log.error({ complaints }, 'the tokens are refused; those there were stay');
      return;
    }
    this.#stamp = read.stamp;
    tokens.replace(read.tokens);
    log.info({ tokens: tokens.count }, 'tokens read');
  }
}
