/** URLs of the ledger: one Redis, several that sentinels watch, or a cluster. */
import { credentialsOf, type HostAndPort, hostsOf, piecesOf, type UrlCredentials } from './url-pieces.ts';

interface Access extends UrlCredentials {
  /** Over TLS. */
  readonly tls: boolean;
}

export type LedgerAddress = Access &
  (
    | { readonly kind: 'single'; readonly host: HostAndPort; readonly database: number }
    | { readonly kind: 'sentinel'; readonly sentinels: readonly HostAndPort[]; readonly name: string }
    | { readonly kind: 'cluster'; readonly nodes: readonly HostAndPort[] }
  );

const REDIS_PORT = 6379;
const SENTINEL_PORT = 26_379;

const SCHEMES = new Map<string, { readonly kind: LedgerAddress['kind']; readonly tls: boolean }>([
  ['redis', { kind: 'single', tls: false }],
  ['rediss', { kind: 'single', tls: true }],
  ['redis+sentinel', { kind: 'sentinel', tls: false }],
  ['rediss+sentinel', { kind: 'sentinel', tls: true }],
  ['redis+cluster', { kind: 'cluster', tls: false }],
  ['rediss+cluster', { kind: 'cluster', tls: true }],
]);

export const LEDGER_URL_ALLOWED =
  'redis://host:port/database, redis+sentinel://host:port,host:port/name or ' +
  'redis+cluster://host:port,host:port; rediss likewise, over TLS';

/** What a URL says, or the sentence that tells what is wrong with it, without a word of it. */
export function parseLedgerUrl(url: string): LedgerAddress | string {
  const pieces = piecesOf(url);
  const known = [...SCHEMES.keys()].join(', ');
  if (pieces === undefined) return `is not a URL: write ${LEDGER_URL_ALLOWED}`;
  const scheme = SCHEMES.get(pieces.scheme);
  if (scheme === undefined) {
    return `has a scheme no ledger has: it must be one of ${known}`;
  }
  if (/[\s\p{Cc}]/u.test(url)) return 'holds a blank or a control character';
  if (/[?#]/.test(pieces.hosts + pieces.path)) {
    return 'takes no query and no fragment: what else there is to say are options of ledger';
  }
  const credentials = credentialsOf(pieces.userInfo);
  if (credentials === undefined) return 'has a user or password that is not percent-encoded';
  const hosts = hostsOf(pieces.hosts, scheme.kind === 'sentinel' ? SENTINEL_PORT : REDIS_PORT);
  if (typeof hosts === 'string') return hosts;
  const common = { tls: scheme.tls, ...credentials };
  const { path } = pieces;
  switch (scheme.kind) {
    case 'single':
      if (hosts.length > 1) {
        return 'names several hosts: that is for redis+sentinel and redis+cluster';
      }
      if (!/^\d{0,5}$/.test(path)) return 'has a path that is no database: a number, or nothing';
      return { ...common, kind: 'single', host: hosts[0]!, database: Number(path) };
    case 'sentinel':
      if (!/^[A-Za-z0-9._-]+$/.test(path)) {
        return 'names no service: it ends in /name, as the sentinels call what they watch';
      }
      return { ...common, kind: 'sentinel', sentinels: hosts, name: path };
    case 'cluster':
      if (path !== '') return 'has a path: a cluster has one database, so nothing follows the hosts';
      return { ...common, kind: 'cluster', nodes: hosts };
  }
}

/** The URL with `***` for its password: what may be printed, logged and shown. */
export function maskedUrl(url: string): string {
  const pieces = piecesOf(url);
  if (pieces === undefined) return '***';
  const { scheme, userInfo, hosts, path } = pieces;
  const user = userInfo?.split(':')[0] ?? '';
  const shown = userInfo === undefined ? '' : userInfo.includes(':') ? `${user}:***@` : `${user}@`;
  return `${scheme}://${shown}${hosts}${path === '' ? '' : `/${path}`}`;
}
