/** What must hold between options once a ledger, or a rebuild hook, comes into play. */
import type { Complaint } from './complaint.ts';
import { isLocalHook } from './hook-url.ts';
import { parseLedgerUrl } from './ledger-url.ts';
import type { ParsedFile, ParsedNamespace, Sound } from './schema.ts';

/** Options of a namespace whose value asks for more than this process can do alone. */
const LEDGER_OPTIONS = [
  ['durability', 'ledger'],
  ['conflict', 'firstWins'],
  ['mirror', 'all'],
  ['onDrain', 'handover'],
  ['ledgerAck', 'replicated'],
  ['ledgerAck', 'fsynced'],
] as const;

/** A namespace that needs what there is not: a ledger, or a class that reaches it. */
export function ledgerNeeds(
  name: string,
  namespace: ParsedNamespace,
  hasLedger: boolean,
  sound: Sound,
): Complaint[] {
  const at = (option: string) => ['namespaces', name, option];
  const complaints: Complaint[] = [];
  for (const [option, value] of LEDGER_OPTIONS) {
    if (namespace[option] !== value) continue;
    const path = at(option).join('.');
    if (!hasLedger) {
      const beside = value === 'firstWins' && namespace.durability !== 'ledger';
      complaints.push({
        path,
        message:
          `may be ${value} only with a ledger outside the process, and there is only the embedded ` +
          `one; set LEASEHOLD_LEDGER_URL${beside ? ', and durability ledger with it' : ''}`,
        allowed: `another value, or ${value} with a ledger`,
      });
    } else if (namespace.class !== 'shared' && sound(...at('class'))) {
      complaints.push({
        path,
        message: `may be ${value} in class shared only, and ${name} is of class ${namespace.class}`,
        allowed: `another value, or ${value} in class shared`,
      });
    }
  }
  const { conflict, durability } = namespace;
  const alone = conflict === 'firstWins' && durability !== 'ledger';
  if (alone && hasLedger && sound(...at('durability'))) {
    complaints.push({
      path: at('conflict').join('.'),
      message:
        'may be firstWins with durability ledger only, since nobody else knows who was first, and ' +
        `the durability of ${name} is ${durability}`,
      allowed: 'another policy, or durability ledger',
    });
  }
  return complaints;
}

export function hookContradictions(
  name: string,
  namespace: ParsedNamespace,
  sound: Sound,
): Complaint[] {
  const { reconstitute, conflict, ttl } = namespace;
  const { url, ttlMs, allowRemote } = reconstitute;
  const at = (...rest: string[]) => ['namespaces', name, ...rest];
  const complaints: Complaint[] = [];
  const complain = (path: readonly string[], message: string, allowed: string) =>
    complaints.push({ path: path.join('.'), message, allowed });
  if (url === undefined) return complaints;
  if (!allowRemote && !isLocalHook(url) && sound(...at('reconstitute', 'allowRemote'))) {
    const allowed = 'a loopback URL, or allowRemote: true';
    const message =
      'leads beyond this machine, where namespaces and keys would be told; if that is meant, set ' +
      'allowRemote: true beside it';
    complain(at('reconstitute', 'url'), message, allowed);
  }
  if (conflict === 'counter' && sound(...at('conflict'))) {
    const allowed = 'no hook, or another policy';
    const message = 'cannot rebuild counters: a value cannot be put where increments add up';
    complain(at('reconstitute', 'url'), message, allowed);
  }
  const bounded = ttlMs !== undefined && sound(...at('ttl')) && sound(...at('ttl', 'minMs'));
  if (bounded && sound(...at('ttl', 'maxMs')) && (ttlMs < ttl.minMs || ttlMs > ttl.maxMs)) {
    const allowed = `within the ttl of ${name}, from ${ttl.minMs} to ${ttl.maxMs}`;
    complain(at('reconstitute', 'ttlMs'), `must be ${allowed}, got ${ttlMs}`, allowed);
  }
  return complaints;
}

/** Options of the ledger that contradict its URL, each other, or what the namespaces ask for. */
export function ledgerContradictions(file: ParsedFile, sound: Sound): Complaint[] {
  const { ledger, limits, namespaces } = file;
  const complaints: Complaint[] = [];
  const complain = (path: string, message: string, allowed: string) =>
    complaints.push({ path, message, allowed });
  if (ledger.url === undefined) return complaints;
  const address = parseLedgerUrl(ledger.url);
  // A URL in its own right was checked with the file.
  if (typeof address === 'string') return complaints;

  if (ledger.passwordFile !== undefined && address.password !== undefined) {
    complain(
      'ledger.passwordFile',
      'is given, and so is a password in the URL; keep one of them',
      'a password in one place',
    );
  }
  const { caFile, certFile, keyFile, serverName } = ledger.tls;
  const given = Object.entries({ caFile, certFile, keyFile, serverName });
  for (const [option, value] of given) {
    if (value === undefined || address.tls) continue;
    const allowed = 'not set, or a URL of a rediss scheme';
    complain(`ledger.tls.${option}`, 'has no effect where the URL is not of a rediss scheme', allowed);
  }
  if ((certFile === undefined) !== (keyFile === undefined)) {
    const [there, missing] = certFile === undefined ? ['keyFile', 'certFile'] : ['certFile', 'keyFile'];
    const allowed = 'both or neither';
    complain(`ledger.tls.${there}`, `is of no use without ledger.tls.${missing}`, allowed);
  }
  for (const what of ['copies', 'copyBytes', 'tombstones'] as const) {
    if (limits[what] !== 0) continue;
    const allowed = 'at least 1 with a ledger';
    complain(`limits.${what}`, `must be ${allowed}, got 0`, allowed);
  }
  for (const [name, { class: kind, autonomyMs }] of Object.entries(namespaces)) {
    const { beatMs } = ledger;
    if (beatMs === undefined || kind !== 'shared' || 2 * beatMs <= autonomyMs) continue;
    const path = ['namespaces', name, 'autonomyMs'];
    if (!sound(...path) || !sound('ledger', 'beatMs')) continue;
    const allowed = `at least twice ledger.beatMs, which is ${beatMs}`;
    complain(path.join('.'), `must be ${allowed}, got ${autonomyMs}`, allowed);
  }
  return complaints;
}
