/**
 * The ledger that the configuration names. Its adapter is loaded only when there is one: nothing of
 * it is paid for otherwise.
 */
import { readFileSync } from 'node:fs';
import type { LedgerConfig } from './config/config.ts';
import { parseLedgerUrl } from './config/ledger-url.ts';
import { readSecret } from './config/secret-file.ts';
import type { Ledger } from './ledger/ledger.ts';

/** Connects in the background. Throws when a file named in the configuration cannot be read. */
export async function openLedger(config: LedgerConfig, connectionName: string): Promise<Ledger> {
  const { RedisLedger } = await import('./ledger/redis/redis-ledger.ts');
  const address = parseLedgerUrl(config.url);
  if (typeof address === 'string') throw new Error(`Cannot use the ledger URL: it ${address}`);
  const { passwordFile, tls } = config;
  const text = (path: string | undefined, name: 'ca' | 'cert' | 'key') =>
    path === undefined ? {} : { [name]: readFileSync(path, 'utf8') };
  return new RedisLedger({
    address,
    connectionName,
    keyPrefix: config.keyPrefix,
    timeoutMs: config.timeoutMs,
    ...(passwordFile === undefined ? {} : { password: () => readSecret(passwordFile) }),
    ...(address.tls
      ? {
          tls: {
            ...text(tls.caFile, 'ca'),
            ...text(tls.certFile, 'cert'),
            ...text(tls.keyFile, 'key'),
            ...(tls.serverName === undefined ? {} : { serverName: tls.serverName }),
          },
        }
      : {}),
  });
}
