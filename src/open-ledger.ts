/**
 * The ledger that the configuration names. Its adapter is loaded only when there is one: nothing of
 * it is paid for otherwise.
 */
import { readFileSync } from 'node:fs';
import type { LedgerConfig } from './config/config.ts';
import { type LedgerAddress, parseLedgerUrl } from './config/ledger-url.ts';
import type { HostAndPort } from './config/url-pieces.ts';
import { readSecret } from './config/secret-file.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { LedgerSystem } from './ledger/traced-ledger.ts';

/** How spans of its calls name it: of several servers the first that is named. */
export function systemOf({ url }: LedgerConfig): LedgerSystem {
  const address = parseLedgerUrl(url);
  if (typeof address === 'string') throw new Error(`Cannot use the ledger URL: it ${address}`);
  const { host, port } = firstOf(address);
  return { name: 'redis', operation: 'EVALSHA', address: host, port };
}

function firstOf(address: LedgerAddress): HostAndPort {
  switch (address.kind) {
    case 'single':
      return address.host;
    case 'sentinel':
      return address.sentinels[0]!;
    case 'cluster':
      return address.nodes[0]!;
  }
}

/** Connects in the background. Throws when a file named in the configuration cannot be read. */
export async function openLedger(config: LedgerConfig, connectionName: string): Promise<Ledger> {
  const { RedisLedger } = await import('./ledger/redis/redis-ledger.ts');
  const address = parseLedgerUrl(config.url);
  if (typeof address === 'string') throw new Error(`Cannot use the ledger URL: it ${address}`);
  const { passwordFile, tls } = config;
  const text = (path: string | undefined, name: 'ca' | 'cert' | 'key') =>
    path === undefined ? {} : { [name]: readFileSync(path, 'utf8') };
  const readTls = () => ({
    ...text(tls.caFile, 'ca'),
    ...text(tls.certFile, 'cert'),
    ...text(tls.keyFile, 'key'),
    ...(tls.serverName === undefined ? {} : { serverName: tls.serverName }),
  });
  if (address.tls) readTls();
  return new RedisLedger({
    address,
    connectionName,
    keyPrefix: config.keyPrefix,
    timeoutMs: config.timeoutMs,
    ...(passwordFile === undefined ? {} : { password: () => readSecret(passwordFile) }),
    ...(address.tls ? { tls: readTls } : {}),
  });
}
