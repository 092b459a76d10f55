/**
 * URLs of the ledger. Written by hand rather than with `URL`, which knows no list of hosts, and with
 * care for passwords: nothing that follows the scheme is ever repeated in a complaint.
 */
import { isIPv6 } from 'node:net';

export interface LedgerHost {
  readonly host: string;
  readonly port: number;
}

interface Credentials {
  /** Over TLS. */
  readonly tls: boolean;
  readonly username?: string;
  readonly password?: string;
}

export type LedgerAddress = Credentials &
  (
    | { readonly kind: 'single'; readonly host: LedgerHost; readonly database: number }
    | { readonly kind: 'sentinel'; readonly sentinels: readonly LedgerHost[]; readonly name: string }
    | { readonly kind: 'cluster'; readonly nodes: readonly LedgerHost[] }
  );

const REDIS_PORT = 6379;
const SENTINEL_PORT = 26_379;
const HOSTS_MAX = 64;

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

interface Pieces {
  readonly scheme: string;
  readonly userInfo: string | undefined;
  readonly hosts: string;
  readonly path: string;
}

/** The last `@` ends the credentials: a password may hold one, a host cannot. */
function piecesOf(url: string): Pieces | undefined {
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(.*)$/s.exec(url);
  if (match === null) return undefined;
  const rest = match[2]!;
  const at = rest.lastIndexOf('@');
  const place = rest.slice(at + 1);
  const slash = place.indexOf('/');
  return {
    scheme: match[1]!.toLowerCase(),
    userInfo: at < 0 ? undefined : rest.slice(0, at),
    hosts: slash < 0 ? place : place.slice(0, slash),
    path: slash < 0 ? '' : place.slice(slash + 1),
  };
}

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

function credentialsOf(userInfo: string | undefined): Omit<Credentials, 'tls'> | undefined {
  if (userInfo === undefined) return {};
  const colon = userInfo.indexOf(':');
  try {
    const username = decodeURIComponent(colon < 0 ? userInfo : userInfo.slice(0, colon));
    const password = colon < 0 ? '' : decodeURIComponent(userInfo.slice(colon + 1));
    return {
      ...(username === '' ? {} : { username }),
      ...(password === '' ? {} : { password }),
    };
  } catch {
    return undefined;
  }
}

function hostsOf(written: string, standardPort: number): readonly LedgerHost[] | string {
  const parts = written.split(',');
  if (parts.length > HOSTS_MAX) return `names more than ${HOSTS_MAX} hosts`;
  const hosts: LedgerHost[] = [];
  for (const [index, part] of parts.entries()) {
    const which = parts.length === 1 ? 'the host' : `host ${index + 1}`;
    const match = /^(?:\[([^\]]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(part);
    if (match === null || (match[1] !== undefined && !isIPv6(match[1]))) {
      return `has something else where ${which} should be: write host:port`;
    }
    const port = match[3] === undefined ? standardPort : Number(match[3]);
    if (port < 1 || port > 65_535) return `has no possible port at ${which}: 1 to 65535`;
    hosts.push({ host: match[1] ?? match[2]!, port });
  }
  return hosts;
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
