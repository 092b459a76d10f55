/** What Redis and its client complain of, as faults of the ledger. */
import { LedgerError, type LedgerFault } from '../ledger.ts';

/** By the first word of an error reply, which is its code. */
const FAULTS_BY_CODE: Readonly<Record<string, LedgerFault>> = {
  OOM: 'full',
  READONLY: 'read-only',
  MASTERDOWN: 'read-only',
  MISCONF: 'read-only',
  NOREPLICAS: 'read-only',
  NOAUTH: 'misconfigured',
  WRONGPASS: 'misconfigured',
  NOPERM: 'misconfigured',
  CROSSSLOT: 'misconfigured',
  LOADING: 'unavailable',
  BUSY: 'unavailable',
  CLUSTERDOWN: 'unavailable',
  TRYAGAIN: 'unavailable',
  MOVED: 'unavailable',
  ASK: 'unavailable',
  UNKILLABLE: 'unavailable',
};

/** Error replies without a code of their own that an operator must do something about. */
const MISCONFIGURED: readonly RegExp[] = [
  /unknown command/i,
  /DB index is out of range/,
  // What is longer than a password is not even read from somebody unknown.
  /unauthenticated (multi)?bulk length/,
  // NOPERM inside a script, before Redis 7.2.
  /The user executing the script can't/,
];

/** It takes the first line of the scripts, their flags, for Lua. */
const TOO_OLD = /Error compiling script.*'#'/;

/** Error replies that mean more to the adapter than their fault says. */
export type Complaint = 'no-script' | 'not-permitted' | 'unknown-command' | 'no-append-only-file';
const COMPLAINTS: readonly (readonly [RegExp, Complaint])[] = [
  [/^NOSCRIPT/, 'no-script'],
  [/^NOPERM/, 'not-permitted'],
  [/unknown command/i, 'unknown-command'],
  [/appendonly is disabled/i, 'no-append-only-file'],
];

/** The server answered, with an error. */
export class RefusedError extends LedgerError {
  readonly complaint: Complaint | undefined;

  constructor(fault: LedgerFault, message: string) {
    // Not with the client's error as cause: it carries the command, values and all, into logs.
    super(fault, `The ledger answered: ${message}`, { statusCode: codeOf(message) });
    this.complaint = COMPLAINTS.find(([pattern]) => pattern.test(message))?.[1];
  }
}

/** What came instead of an answer. */
export function faultOf(error: unknown): LedgerError {
  if (error instanceof LedgerError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (TOO_OLD.test(message)) {
    return new LedgerError('misconfigured', `The ledger needs Redis 7.0 or newer: ${message}`);
  }
  const fault = faultOfMessage(error, message);
  if (isErrorReply(error)) return new RefusedError(fault, message);
  return new LedgerError(fault, `The ledger cannot be reached: ${message}`, { cause: error });
}

/** An error reply begins with its code. */
function codeOf(message: string): string | undefined {
  return /^[A-Z]+/.exec(message)?.[0];
}

function faultOfMessage(error: unknown, message: string): LedgerFault {
  const code = codeOf(message) ?? '';
  const known = FAULTS_BY_CODE[code];
  if (known !== undefined) return known;
  if (MISCONFIGURED.some((pattern) => pattern.test(message))) return 'misconfigured';
  return isErrorReply(error) ? 'nonsense' : 'unavailable';
}

/** The server's own words, not those of the client or the socket. */
function isErrorReply(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError';
}

/** Whether the complaint about a connection is one that only an operator can do something about. */
export function isRefusal(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== undefined && (code.startsWith('ERR_TLS') || CERTIFICATE_CODES.has(code))) return true;
  return faultOfMessage(error, error.message) === 'misconfigured';
}

/** OpenSSL's verdicts on a certificate, as Node spells them. */
const CERTIFICATE_CODES = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_SSL_WRONG_VERSION_NUMBER',
]);
