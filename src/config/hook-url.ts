/** URLs of rebuild hooks: plain HTTP to a neighbour, with nothing secret in them. */
import { isLoopback } from './listen.ts';

export const HOOK_ALLOWED = 'an http or https URL without credentials, query and fragment';

/** The sentence that says what is wrong with the URL of a hook; undefined when nothing is. */
export function hookUrlComplaint(written: string): string | undefined {
  if (!URL.canParse(written)) return `must be ${HOOK_ALLOWED}`;
  const { protocol, username, password, search, hash } = new URL(written);
  if (protocol !== 'http:' && protocol !== 'https:') return `must be ${HOOK_ALLOWED}`;
  if (username !== '' || password !== '') return 'must not hold credentials: they would be shown';
  if (search !== '' || hash !== '') return 'must not hold a query or fragment: those are added';
  return undefined;
}

/** Whether a sound URL stays on this machine. */
export function isLocalHook(url: string): boolean {
  const { hostname } = new URL(url);
  return isLoopback(hostname.startsWith('[') ? hostname.slice(1, -1) : hostname);
}
