/**
 * Which `Host` a request may name. A web page can make a browser connect to loopback under a name
 * the page's owner controls (DNS rebinding); it cannot choose what the `Host` header then says. So
 * loopback names and addresses pass, listed names pass, everything else is 421.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { reject, type Rejection } from '../errors.ts';

/** Host without its port, in lower case; undefined when it is not a host and port at all. */
function hostName(authority: string): string | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/?#@]+))(?::\d{0,5})?$/.exec(authority);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

function isLoopback(host: string): boolean {
  if (isIPv4(host)) return host.startsWith('127.');
  if (isIPv6(host)) return host === '::1' || host === '0:0:0:0:0:0:0:1';
  return host === 'localhost' || host === 'localhost.' || host.endsWith('.localhost');
}

export class HostGuard {
  readonly #listed: ReadonlySet<string>;
  readonly #otherwise: string;
  /** The last one that passed: neighbours name the same host in every request. */
  #passed = '';

  /** `knowsTokens`: with one any host may be named, which a refusal then says. */
  constructor(hosts: readonly string[], knowsTokens: boolean) {
    this.#otherwise = knowsTokens ? ', and the request has no token that is known' : '';
    this.#listed = new Set(hosts.map((host) => host.toLowerCase()));
  }

  /** undefined: it may pass. */
  refusal(authority: string): Rejection | undefined {
    if (authority === this.#passed) return undefined;
    const host = hostName(authority);
    if (host === undefined || !(isLoopback(host) || this.#listed.has(host))) {
      return reject(
        'host-refused',
        `Cannot answer for host "${authority.slice(0, 256)}": it is neither loopback nor listed in http.hosts` +
          this.#otherwise,
      );
    }
    this.#passed = authority;
    return undefined;
  }
}
