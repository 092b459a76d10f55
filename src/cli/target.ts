/** Where a command finds the sidecar, as a person writes it. Alone, so that a probe loads no more. */
import { CommandFailure, EXIT } from './exit.ts';

export const DEFAULT_URL = 'http://127.0.0.1:7117';

export interface Target {
  /** As the person wrote it, for messages. */
  readonly url: string;
  readonly connect:
    | { readonly socketPath: string }
    | { readonly host: string; readonly port: number };
}

/** `http://host:port` or `unix:/path`; throws a usage failure for anything else. */
export function parseTarget(url: string): Target {
  if (url.startsWith('unix:/')) return { url, connect: { socketPath: url.slice('unix:'.length) } };
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const plain = parsed?.pathname === '/' && parsed.search === '' && parsed.username === '';
  if (parsed?.protocol !== 'http:' || !plain) {
    throw new CommandFailure(
      EXIT.usage,
      `"${url}" is not a URL: write http://host:port or unix:/path`,
    );
  }
  const host = parsed.hostname.replace(/^\[|\]$/g, '');
  return { url, connect: { host, port: Number(parsed.port || 80) } };
}
