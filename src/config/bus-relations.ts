/** What must hold between the options of the bus. */
import { parseBusUrl } from './bus-url.ts';
import type { Complaint } from './complaint.ts';
import type { ParsedFile, Sound } from './schema.ts';

/** Contradictions with the URL, and between the ways to sign in. */
export function busContradictions({ bus }: ParsedFile, sound: Sound): Complaint[] {
  const complaints: Complaint[] = [];
  const complain = (path: string, message: string, allowed: string) =>
    complaints.push({ path, message, allowed });
  if (bus.url === undefined) return complaints;
  const address = parseBusUrl(bus.url);
  // A URL in its own right was checked with the file.
  if (typeof address === 'string') return complaints;

  if (bus.passwordFile !== undefined && address.password !== undefined) {
    complain(
      'bus.passwordFile',
      'is given, and so is a password in the URL; keep one of them',
      'a password in one place',
    );
  } else if (bus.passwordFile !== undefined && address.user === undefined) {
    const allowed = 'not set, or a URL with a user';
    complain('bus.passwordFile', 'is of no use without a user in the URL', allowed);
  }
  const alone = address.user !== undefined && address.password === undefined;
  if (alone && bus.passwordFile === undefined && sound('bus', 'passwordFile')) {
    complain(
      'bus.url',
      'has a user without a password; give it one, by bus.passwordFile for example; a token goes ' +
        'into bus.tokenFile',
      'a user and a password, or neither',
    );
  }
  const { tokenFile, credentialsFile, nkeyFile } = bus;
  const ways = Object.entries({ tokenFile, credentialsFile, nkeyFile })
    .filter(([, path]) => path !== undefined)
    .map(([option]) => `bus.${option}`);
  const [first] = address.user === undefined ? ways.splice(0, 1) : ['a user in the URL'];
  for (const way of ways) {
    complain(way, `is given, and so is ${first}; keep one way to sign in`, 'one way to sign in');
  }
  complaints.push(...tlsContradictions(bus.tls, address.tls));
  return complaints;
}

function tlsContradictions(tls: ParsedFile['bus']['tls'], overTls: boolean): Complaint[] {
  const complaints: Complaint[] = [];
  for (const [option, value] of Object.entries(tls)) {
    if (value === undefined || overTls) continue;
    complaints.push({
      path: `bus.tls.${option}`,
      message: 'has no effect where the URL is not of the tls scheme',
      allowed: 'not set, or a URL of the tls scheme',
    });
  }
  const { certFile, keyFile } = tls;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    const [there, missing] = certFile === undefined ? ['keyFile', 'certFile'] : ['certFile', 'keyFile'];
    const message = `is of no use without bus.tls.${missing}`;
    complaints.push({ path: `bus.tls.${there}`, message, allowed: 'both or neither' });
  }
  return complaints;
}
