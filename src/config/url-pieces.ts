/**
 * The parts that URLs of outside systems share. Written by hand rather than with `URL`, which knows
 * no list of hosts, and with care for passwords: nothing of a URL is ever repeated in a complaint.
 */
import { isIPv6 } from 'node:net';

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

export interface UrlPieces {
  /** In lower case. */
  readonly scheme: string;
  /** What stands before the last `@`, still percent-encoded. */
  readonly userInfo: string | undefined;
  readonly hosts: string;
  /** Without its first slash. */
  readonly path: string;
}

export interface UrlCredentials {
  readonly username?: string;
  readonly password?: string;
}

const HOSTS_MAX = 64;

/** undefined: no URL. The last `@` ends the credentials: a password may hold one, a host cannot. */
export function piecesOf(url: string): UrlPieces | undefined {
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

/** undefined: not percent-encoded. An empty name or password counts as none. */
export function credentialsOf(userInfo: string | undefined): UrlCredentials | undefined {
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

/** A comma-separated list of hosts, or the sentence that says what is wrong with it. */
export function hostsOf(written: string, standardPort: number): readonly HostAndPort[] | string {
  const parts = written.split(',');
  if (parts.length > HOSTS_MAX) return `names more than ${HOSTS_MAX} hosts`;
  const hosts: HostAndPort[] = [];
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

/** `host:port`; an IPv6 address stands in brackets. */
export function hostText({ host, port }: HostAndPort): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}
