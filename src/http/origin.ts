/**
 * Which pages may ask. Browsers add `Origin` to what a page sends, and say with `Sec-Fetch-Site`
 * where the page came from; neither can be changed by the page. A page of the sidecar itself, or of
 * a listed host, may ask; another one may not, even where it needs no permission to send: without a
 * token, a form on any page could otherwise write here. No CORS header is ever sent.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { reject, type Rejection } from '../errors.ts';

export class OriginGuard {
  readonly #listed: ReadonlySet<string>;

  /** `hosts`: names whose pages may ask, whatever their port. */
  constructor(hosts: readonly string[]) {
    this.#listed = new Set(hosts.map((host) => host.toLowerCase()));
  }

  /** undefined: not from a page, or from one that may ask. `authority`: what the request is sent to. */
  refusal(headers: IncomingHttpHeaders, authority: string | undefined): Rejection | undefined {
    const { origin } = headers;
    if (origin !== undefined) {
      return this.#mayAsk(origin, authority) ? undefined : refused(`page of "${origin.slice(0, 256)}"`);
    }
    const site = headers['sec-fetch-site'];
    if (site === undefined || site === 'same-origin' || site === 'none') return undefined;
    return refused('page of another origin');
  }

  #mayAsk(origin: string, authority: string | undefined): boolean {
    const match = /^https?:\/\/(\[[0-9a-f:.]+\]|[^\s:[\]/?#@]+)(:\d{1,5})?$/i.exec(origin);
    if (match === null) return false;
    const [, host, port = ''] = match;
    if (`${host}${port}`.toLowerCase() === authority?.toLowerCase()) return true;
    return this.#listed.has(host!.toLowerCase());
  }
}

function refused(who: string): Rejection {
  return reject('forbidden', `Cannot answer a ${who}: it is neither this sidecar's nor listed in http.hosts`);
}
