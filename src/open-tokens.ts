/** The tokens that the configuration names, read and kept up to date; undefined: it names none. */
import { Tokens } from './access/tokens.ts';
import { readTokens, TokensFile } from './access/tokens-file.ts';
import { ConfigurationError } from './config/complaint.ts';
import type { Config } from './config/config.ts';
import { tokenComplaints } from './config/token-complaints.ts';
import type { Log } from './log/log.ts';
import type { Machine } from './machine/machine.ts';

const KEY_BYTES = 32;

export interface OpenTokens {
  readonly tokens: Tokens;
  readonly file: TokensFile;
}

/** Throws `ConfigurationError` when the file has become bad since the configuration was judged. */
export function openTokens({ tokensFile: path }: Config, machine: Machine, log: Log): OpenTokens | undefined {
  if (path === undefined) return undefined;
  const read = readTokens(path);
  if ('complaints' in read) throw new ConfigurationError(tokenComplaints(path, read.complaints));
  const tokens = new Tokens(machine.randomBytes(KEY_BYTES), () => machine.wallMs(), read.tokens);
  log.info({ tokens: tokens.count }, 'tokens read');
  return { tokens, file: new TokensFile({ path, tokens, log, timers: machine, stamp: read.stamp }) };
}
