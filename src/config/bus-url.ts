/** URLs of the bus: one scheme, and the servers of one NATS cluster. */
import { credentialsOf, type HostAndPort, hostsOf, piecesOf } from './url-pieces.ts';

export interface BusAddress {
  readonly tls: boolean;
  /** In the order written; further ones are learnt from the first that answers. */
  readonly servers: readonly HostAndPort[];
  readonly user?: string;
  /** Only with `user`. */
  readonly password?: string;
}

const NATS_PORT = 4222;
const SCHEMES = new Map([['nats', false], ['tls', true]]);

export const BUS_URL_ALLOWED = 'nats://host:port,host:port; tls likewise, over TLS';

/** What a URL says, or the sentence that tells what is wrong with it, without a word of it. */
export function parseBusUrl(url: string): BusAddress | string {
  const pieces = piecesOf(url);
  if (pieces === undefined) return `is not a URL: write ${BUS_URL_ALLOWED}`;
  const tls = SCHEMES.get(pieces.scheme);
  if (tls === undefined) return 'has a scheme no bus has: it must be one of nats, tls';
  if (/[\s\p{Cc}]/u.test(url)) return 'holds a blank or a control character';
  const { userInfo, hosts, path } = pieces;
  if (url.split('://').length > 2) return 'names a scheme twice: it stands once, before the first host';
  if (/[?#]/.test(hosts + path)) {
    return 'takes no query and no fragment: what else there is to say are options of bus';
  }
  if (path !== '') return 'has a path: nothing follows the hosts';
  const credentials = credentialsOf(userInfo);
  if (credentials === undefined) return 'has a user or password that is not percent-encoded';
  const { username, password } = credentials;
  if (username === undefined && password !== undefined) return 'has a password without a user';
  const servers = hostsOf(hosts, NATS_PORT);
  if (typeof servers === 'string') return servers;
  return {
    tls, servers,
    ...(username === undefined ? {} : { user: username }),
    ...(password === undefined ? {} : { password }),
  };
}

/**
 * The URL with `***` for its password: what may be printed, logged and shown. A name alone is
 * masked too, since elsewhere in the world of NATS that is how a token is written.
 */
export function maskedBusUrl(url: string): string {
  const pieces = piecesOf(url);
  if (pieces === undefined) return '***';
  const { scheme, userInfo, hosts, path } = pieces;
  const [user, password] = userInfo?.split(':') ?? [];
  const shown = userInfo === undefined ? '' : password === undefined ? '***@' : `${user}:***@`;
  return `${scheme}://${shown}${hosts}${path === '' ? '' : `/${path}`}`;
}
