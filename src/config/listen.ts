/**
 * Where the sidecar listens: `host:port` or `unix:/path`. Beyond loopback and sockets only with
 * tokens, which is judged where both are known (relations.ts).
 */
import { BlockList, isIPv4, isIPv6 } from 'node:net';

export type ListenAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** `sun_path` holds 108 bytes with its final zero on Linux, 104 elsewhere; the smaller one counts. */
const SOCKET_PATH_BYTES_MAX = 103;

export const LISTEN_ALLOWED =
  'a list of host:port (an address or localhost; port 0 picks a free one) or unix:/path';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether a host is this machine and nobody else: an address of loopback, or `localhost`. */
export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return loopback.check(host, 'ipv4');
  if (isIPv6(host)) return loopback.check(host, 'ipv6');
  return host.toLowerCase() === 'localhost';
}

/** One address, or the sentence that says what is wrong with it. */
export function parseListenAddress(written: string): ListenAddress | string {
  const shown = JSON.stringify(written);
  if (written.startsWith('unix:')) {
    const path = written.slice('unix:'.length);
    if (path === '' || path.includes('\0')) return `${shown} names no socket: write unix:/path`;
    if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) {
      return `${shown} is too long for a socket: at most ${SOCKET_PATH_BYTES_MAX} bytes of path`;
    }
    return { kind: 'unix', path };
  }
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(written);
  if (match === null) return `${shown} is not an address: write host:port or unix:/path`;
  const host = match[1] ?? match[2]!;
  const port = Number(match[3]);
  if (match[1] !== undefined && !isIPv6(host))
    return `${shown} holds no IPv6 address in its brackets`;
  if (port > 65535) return `${shown} has no such port: 0 to 65535`;
  if (!isIPv4(host) && !isIPv6(host) && !isLoopback(host)) {
    // What it leads to is decided elsewhere, and may change.
    return `${shown} names a host: write its address, localhost or unix:/path`;
  }
  return { kind: 'tcp', host, port };
}

/** All addresses, in the order given, or the sentences that say what is wrong. */
export function parseListen(
  written: string | readonly string[],
): { addresses: readonly ListenAddress[] } | { wrong: readonly string[] } {
  const parts = typeof written === 'string' ? written.split(',') : written;
  const addresses: ListenAddress[] = [];
  const wrong: string[] = parts.length === 0 ? ['the list is empty: it would listen nowhere'] : [];
  const seen = new Set<string>();
  for (const part of parts.map((one) => one.trim())) {
    const parsed = parseListenAddress(part);
    if (typeof parsed === 'string') {
      wrong.push(parsed);
    } else if (seen.has(part) && !part.endsWith(':0')) {
      wrong.push(`${JSON.stringify(part)} stands there twice`);
    } else {
      seen.add(part);
      addresses.push(parsed);
    }
  }
  return wrong.length > 0 ? { wrong } : { addresses };
}

/** Whether other machines can reach it. */
export function isExposed(address: ListenAddress): boolean {
  return address.kind === 'tcp' && !isLoopback(address.host);
}

/** As it would be written in the file. */
export function formatListenAddress(address: ListenAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return `${isIPv6(address.host) ? `[${address.host}]` : address.host}:${address.port}`;
}
