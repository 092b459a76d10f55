/**
 * What must hold between options. Bounds of one option stand with it in the schemas; here stand the
 * sentences that need two.
 */
import { admissionContradictions } from './admission-relations.ts';
import { busContradictions } from './bus-relations.ts';
import type { Complaint } from './complaint.ts';
import { sumCapacities } from './derive.ts';
import { hookContradictions, ledgerContradictions, ledgerNeeds } from './ledger-relations.ts';
import { formatListenAddress, isExposed } from './listen.ts';
import { POOL_BYTES_MAX, POOL_ROWS_MAX } from './process-options.ts';
import type { ParsedFile, Sound } from './schema.ts';
import { formatSize } from './sizes.ts';

/** What stands in a request target beside the key: the route, a namespace, a lease id, a TTL. */
const TARGET_BESIDE_KEY_BYTES = 512;

/**
 * Complaints about options that contradict each other. `sound` tells whether a path was given
 * soundly (or left to its default): nothing is said about a value that has its own complaint.
 */
export function contradictions(file: ParsedFile, sound: Sound): Complaint[] {
  const complaints: Complaint[] = [];
  const complain = (path: string, message: string, allowed: string) =>
    complaints.push({ path, message, allowed });

  /** `path` must be at most `other`, another option. */
  const atMost = (
    path: readonly string[],
    value: number,
    other: readonly string[],
    bound: number,
    show: (value: number) => string = String,
  ) => {
    if (value <= bound || !sound(...path) || !sound(...other)) return;
    const allowed = `at most ${other.join('.')}, which is ${show(bound)}`;
    complain(path.join('.'), `must be ${allowed}, got ${show(value)}`, allowed);
  };

  const exposed = file.listen.find(isExposed);
  if (exposed !== undefined && file.tokensFile === undefined && sound('listen') && sound('tokensFile')) {
    const allowed = '127.0.0.1, [::1], localhost or unix:/path, or any address with a tokensFile';
    complain(
      'listen',
      `"${formatListenAddress(exposed)}" is not a loopback address: other machines could reach it, and ` +
        `without tokensFile they could read and write everything; must be ${allowed}`,
      allowed,
    );
  }
  // A URL with a complaint of its own was meant to name one.
  const hasLedger = file.ledger.url !== undefined || !sound('ledger', 'url');
  for (const [name, namespace] of Object.entries(file.namespaces)) {
    const at = (...rest: string[]) => ['namespaces', name, ...rest];
    const chain = ['minMs', 'defaultMs', 'maxMs', 'maxLifetimeMs'] as const;
    for (const [index, lower] of chain.slice(0, -1).entries()) {
      const upper = chain[index + 1]!;
      atMost(at('ttl', lower), namespace.ttl[lower], at('ttl', upper), namespace.ttl[upper]);
    }
    if (namespace.onExpire === 'revert' && namespace.class !== 'local' && sound(...at('class'))) {
      complain(
        at('onExpire').join('.'),
        `may be revert in class local only, and ${name} is of class ${namespace.class}`,
        'delete, or revert in class local',
      );
    }
    const keepsBeside = namespace.conflict === 'siblings' || namespace.conflict === 'counter';
    if (namespace.onExpire === 'revert' && keepsBeside && sound(...at('conflict'))) {
      complain(
        at('conflict').join('.'),
        `must be lww or ownerWins where onExpire is revert, got ${namespace.conflict}`,
        'lww or ownerWins: values lie under one another there, not side by side',
      );
    }
    complaints.push(...ledgerNeeds(name, namespace, hasLedger, sound));
    complaints.push(...hookContradictions(name, namespace, sound));
    const { capacity } = namespace;
    const { limits } = file;
    const poolOf = { leases: limits.leases, entries: limits.entries, bytes: limits.bytes };
    for (const what of ['leases', 'entries', 'bytes'] as const) {
      const pool = poolOf[what];
      if (pool === undefined) continue;
      const show = what === 'bytes' ? formatSize : String;
      atMost(at('capacity', what), capacity[what], ['limits', what], pool, show);
    }
  }

  const { limits, http, journal } = file;
  const count = Object.keys(file.namespaces).length;
  if (count > limits.namespaces && sound('limits', 'namespaces')) {
    complain(
      'limits.namespaces',
      `must be at least ${count}, the namespaces there are (default among them), got ${limits.namespaces}`,
      `at least ${count}`,
    );
  }
  const sums = sumCapacities(Object.values(file.namespaces));
  const pools = [
    ['leases', POOL_ROWS_MAX, String],
    ['entries', POOL_ROWS_MAX, String],
    ['bytes', POOL_BYTES_MAX, formatSize],
  ] as const;
  for (const [what, max, show] of pools) {
    if (limits[what] !== undefined || sums[what] <= max || !sound('limits', what)) continue;
    const allowed = `at most ${show(max)}`;
    complain(
      `limits.${what}`,
      `the capacities of all namespaces add up to ${show(sums[what])}, and one process holds ` +
        `${allowed}; lower them, or set a smaller pool here`,
      allowed,
    );
  }
  const { valueBytes, bodyBytes, inFlightBodyBytes } = limits;
  atMost(['limits', 'valueBytes'], valueBytes, ['limits', 'bodyBytes'], bodyBytes, formatSize);
  atMost(
    ['limits', 'bodyBytes'],
    bodyBytes,
    ['limits', 'inFlightBodyBytes'],
    inFlightBodyBytes,
    formatSize,
  );
  // Percent-encoding triples a key, and a request target may be half of the headers.
  const headerBytes = 2 * (3 * limits.keyBytes + TARGET_BESIDE_KEY_BYTES);
  if (
    headerBytes > limits.headerBytes &&
    sound('limits', 'keyBytes') &&
    sound('limits', 'headerBytes')
  ) {
    const allowed =
      `at least ${headerBytes} for keys of ${limits.keyBytes} bytes (percent-encoded three times ` +
      'as long, in a request target of at most half of the headers)';
    const got = formatSize(limits.headerBytes);
    complain('limits.headerBytes', `must be ${allowed}, got ${got}`, allowed);
  }
  if (
    journal.segmentBytes < bodyBytes &&
    sound('journal', 'segmentBytes') &&
    sound('limits', 'bodyBytes')
  ) {
    const allowed = `at least limits.bodyBytes, which is ${formatSize(bodyBytes)}`;
    const got = formatSize(journal.segmentBytes);
    complain('journal.segmentBytes', `must be ${allowed}, got ${got}`, allowed);
  }
  const { ledger } = file;
  complaints.push(...ledgerContradictions(file, sound));
  const inLedger = (option: string) => ['ledger', option];
  for (const longer of ['ackMs', 'windowMs'] as const) {
    atMost(inLedger('timeoutMs'), ledger.timeoutMs, inLedger(longer), ledger[longer]);
  }
  if (ledger.beatMs !== undefined) {
    atMost(inLedger('beatMs'), ledger.beatMs, inLedger('truthCheckMs'), ledger.truthCheckMs);
  }
  const { bus } = file;
  complaints.push(...busContradictions(file, sound));
  for (const stream of ['endings', 'events'] as const) {
    const { duplicateWindowMs, maxAgeMs } = bus[stream];
    const window = ['bus', stream, 'duplicateWindowMs'];
    atMost(window, duplicateWindowMs, ['bus', stream, 'maxAgeMs'], maxAgeMs);
    // What is sent again for want of an answer must still be recognised.
    atMost(['bus', 'ackMs'], bus.ackMs, window, duplicateWindowMs);
  }
  // A stream that has lost something is found out while that is still kept.
  atMost(['bus', 'checkMs'], bus.checkMs, ['bus', 'keptMs'], bus.keptMs);
  complaints.push(...admissionContradictions(file, sound));
  atMost(
    ['http', 'headersTimeoutMs'],
    http.headersTimeoutMs,
    ['http', 'requestTimeoutMs'],
    http.requestTimeoutMs,
  );
  return complaints;
}
